"""From the word that names data to datasets for training and validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import Subset

from fastcnn._errors import ArgumentError
from fastcnn._extras import needing
from fastcnn.data import (
    ArrayImages,
    Cells,
    CocoDetection,
    DataError,
    IdxImages,
    ImageFolder,
    MaskFolder,
    Sample,
    Samples,
    Shapes,
    VocDetection,
)
from fastcnn.data.errors import warn
from fastcnn.data.voc import CLASSES
from fastcnn.train.settings import Settings


class Sources(NamedTuple):
    """Datasets of a run."""

    train: Samples
    validation: Samples


class Part(Samples):
    """Some samples of a dataset."""

    def __init__(self, dataset: Samples, indices: list[int]) -> None:
        self._subset = Subset(dataset, indices)
        self.class_names = dataset.class_names

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._subset)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample."""
        sample: Sample = self._subset[index]
        return sample

    def boxes_of(self, index: int) -> int | None:
        """Return how many boxes a sample has, where that is known."""
        dataset: Samples = self._subset.dataset  # type: ignore[assignment]  # as it was given
        return dataset.boxes_of(self._subset.indices[index])


def find_sources(settings: Settings) -> Sources:
    """Find the data of a run.

    "digits" (scikit-learn's, a third held out), "cells" and "shapes" (drawn; other seeds for validation) need no files.
    "cells:40" draws 40 pictures for training, and an eighth as many for validation.
    A folder is taken for what is in it:

    - classify: MNIST's IDX files; or ``train/`` and ``val/`` (or none) with a folder of pictures for each class;
    - segment: ``images/`` and ``masks/``, within ``train/`` and ``val/`` or not; or COCO's, as below, for objects;
    - detect: ``annotations/instances_train*.json`` and ``..._val*.json`` with ``train*/`` and ``val*/`` beside them
      (COCO), or ``Annotations/`` and ``JPEGImages/`` (VOC; a ``classes.txt`` may name other classes than VOC's).

    What does not say which part is for validation is divided at random by the seed.

    Args:
        settings: of the run.

    Returns:
        Two datasets.

    Raises:
        ArgumentError: drawn data of another task.
        DataError: what is there is none of these.
    """
    drawn = {"digits": ("classify", _digits), "cells": ("segment", _cells), "shapes": ("detect", _shapes)}
    word, _, count = settings.data.partition(":")
    if word in drawn and (count.isdecimal() or not count):
        task, make = drawn[word]
        if task != settings.task:
            raise ArgumentError(f"train: {word} is data for {task}, not for {settings.task}")
        return make(settings, int(count or 0))
    root = Path(settings.data)
    if not root.is_dir():
        raise DataError(root, f"is no folder, nor one of {', '.join(drawn)}")
    found = {"classify": _classes, "segment": _masks, "detect": _boxes}[settings.task](root, settings)
    if not isinstance(found, Sources):
        return _divided(found, settings)
    return found


def warn_of_nothing(
    sources: Sources, settings: Settings, what: str, has: Callable[[Samples, int], bool], most: int | None = None
) -> None:
    """Warn of a part with nothing to be found in it, on which a run would end well and have learned nothing.

    Args:
        sources: of the run.
        settings: of the run.
        what: is missing.
        has: whether a sample has it.
        most: how many samples of a part to look at, evenly chosen; None for all.
    """
    for part, samples in zip(("training", "validation"), sources, strict=True):
        indices = evenly(len(samples), most)
        if indices and not any(has(samples, i) for i in indices):
            text = f"train: {settings.data}: no picture for {part} has {what}: there is nothing to be found"
            warn(text)


def evenly(number: int, most: int | None) -> list[int]:
    """Return so many of 0 to number - 1 at most, evenly chosen."""
    if most is None or number <= most:
        return list(range(number))
    return sorted({round(i * (number - 1) / max(1, most - 1)) for i in range(most)})


def _divided(dataset: Samples, settings: Settings) -> Sources:
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(settings.seed)).tolist()
    held = max(1, round(settings.validation * len(order)))
    if held >= len(order):
        raise DataError(settings.data, f"has {len(order)} pictures, too few to hold some out for validation")
    return Sources(Part(dataset, sorted(order[held:])), Part(dataset, sorted(order[:held])))


def _digits(settings: Settings, number: int) -> Sources:
    with needing("train: the data digits", "train"):
        from sklearn.datasets import load_digits
    found = load_digits()
    dataset = ArrayImages(found.images / 16, found.target)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    third = len(order) // 3
    kept = order[third : third + number] if number else order[third:]
    return Sources(Part(dataset, sorted(kept)), Part(dataset, sorted(order[:third])))


# Pictures for validation have seeds that nobody trains with by chance.
HELD_OUT_SEED = 1_000_003


def _cells(settings: Settings, number: int) -> Sources:
    size, number = max(settings.image_size) or 256, number or 384
    return Sources(Cells(number, size, settings.seed), Cells(max(1, number // 8), size, settings.seed + HELD_OUT_SEED))


def _shapes(settings: Settings, number: int) -> Sources:
    size, number = max(settings.image_size) or 160, number or 2000
    return Sources(
        Shapes(number, size, settings.seed), Shapes(max(1, number // 8), size, settings.seed + HELD_OUT_SEED)
    )


def _parts(root: Path, make: Callable[[Path], Samples]) -> Sources | Samples:
    for held in ("val", "valid", "validation", "test"):
        if (root / "train").is_dir() and (root / held).is_dir():
            return Sources(make(root / "train"), make(root / held))
    return make(root / "train" if (root / "train").is_dir() else root)


def _classes(root: Path, settings: Settings) -> Sources | Samples:
    if any(path.name.startswith("train-images") for path in root.iterdir()):
        return Sources(IdxImages(root, train=True), IdxImages(root, train=False))
    found = _parts(root, lambda folder: ImageFolder(folder, settings.on_error))
    if isinstance(found, Sources) and list(found.train.class_names) != list(found.validation.class_names):
        raise DataError(root, "has other classes for validation than for training")
    return found


def _masks(root: Path, settings: Settings) -> Sources | Samples:
    if (root / "annotations").is_dir():
        return _coco(root, settings, masks=True)
    return _parts(root, lambda folder: MaskFolder(folder / "images", folder / "masks", settings.on_error))


def _boxes(root: Path, settings: Settings) -> Sources | Samples:
    if (root / "Annotations").is_dir():
        names = root / "classes.txt"
        classes = names.read_text(encoding="utf-8").split() if names.is_file() else CLASSES
        splits = [(root / "ImageSets" / "Main" / f"{part}.txt").is_file() for part in ("train", "val")]

        def voc(split: str | None) -> VocDetection:
            return VocDetection(root, split, classes, on_error=settings.on_error)

        return Sources(voc("train"), voc("val")) if all(splits) else voc(None)
    return _coco(root, settings, masks=False)


def _coco(root: Path, settings: Settings, masks: bool) -> Sources | Samples:
    found = []
    for part in ("train", "val"):
        files = sorted((root / "annotations").glob(f"instances_{part}*.json"))
        if not files:
            break
        folder = root / files[0].stem.removeprefix("instances_")
        images = folder if folder.is_dir() else root / part
        found.append(CocoDetection(images, files[0], settings.on_error, masks=masks))
    if len(found) == 2:
        if list(found[0].class_names) != list(found[1].class_names):
            raise DataError(root, "has other classes for validation than for training")
        return Sources(*found)
    if found:
        return found[0]
    raise DataError(root, "has neither annotations/instances_train*.json (COCO) nor Annotations/ (VOC)")
