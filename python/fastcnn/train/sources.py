"""Find the datasets for training and validation from the name or path of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from fastcnn._errors import ArgumentError
from fastcnn._tasks import TASKS, task_named
from fastcnn.data import DataError, Samples
from fastcnn.data._registry import DRAWN, SampleSubset, recognise
from fastcnn.data.errors import warn
from fastcnn.train.settings import Settings


class Sources(NamedTuple):
    """Datasets of a run."""

    train: Samples
    validation: Samples


def find_sources(settings: Settings) -> Sources:
    """Find the data of a run.

    "digits" (scikit-learn's, a third held out), "cells" and "shapes" (synthetic; other seeds for
    validation) need no files.
    "cells:40" draws 40 images for training, and an eighth of that for validation.
    The kind of a folder follows from its content:

    - classify: MNIST's IDX files; or ``train/`` and ``val/`` (or none) with a folder of images for each class;
    - segment: ``images/`` and ``masks/``, within ``train/`` and ``val/`` or not; or COCO's, as below, for objects;
    - detect: ``annotations/instances_train*.json`` and ``..._val*.json`` with ``train*/`` and ``val*/`` next to them
      (COCO), or ``Annotations/`` and ``JPEGImages/`` (VOC; a ``classes.txt`` may replace VOC's classes).

    Data without a validation part is split at random by the seed.

    Args:
        settings: of the run.

    Returns:
        Two datasets.

    Raises:
        ArgumentError: synthetic data for another task.
        DataError: the data is none of these.
    """
    return task_named(settings.task).find_data(settings)


def find_part(settings: Settings, part: str) -> Sources:
    """Find data whose samples have a part: "label", "mask" or "boxes". `fastcnn.data` has a registry of the kinds."""
    word, _, count = settings.data.partition(":")
    if word in DRAWN and (count.isdecimal() or not count):
        data = DRAWN[word]
        if data.part != part:
            tasks = " and ".join(name for name in TASKS if task_named(name).part == data.part)
            raise ArgumentError(f"train: {word} is data for {tasks}, not for {settings.task}")
        found = data.make(int(count or 0), max(settings.image_size), settings.seed)
    else:
        root = Path(settings.data)
        if not root.is_dir():
            raise DataError(root, f"is no folder, nor one of {', '.join(DRAWN)}")
        found = recognise(root, part, settings.on_error)
    if found.validation is None:
        return _divided(found.train, settings)
    return Sources(found.train, found.validation)


def warn_of_nothing(
    sources: Sources, settings: Settings, what: str, has: Callable[[Samples, int], bool], maximum: int | None = None
) -> None:
    """Warn about data without any targets: a run on it would succeed without learning anything.

    Args:
        sources: of the run.
        settings: of the run.
        what: name of the missing targets.
        has: tells whether a sample has targets.
        maximum: maximum number of samples to examine, evenly chosen; None for all.
    """
    for part, samples in zip(("training", "validation"), sources, strict=True):
        indices = evenly(len(samples), maximum)
        if indices and not any(has(samples, i) for i in indices):
            text = f"train: {settings.data}: no picture for {part} has {what}: there is nothing to be found"
            warn(text)


def evenly(number: int, maximum: int | None) -> list[int]:
    """Return at most `maximum` of the numbers from 0 to number - 1, evenly spaced."""
    if maximum is None or number <= maximum:
        return list(range(number))
    return sorted({round(i * (number - 1) / max(1, maximum - 1)) for i in range(maximum)})


def _divided(dataset: Samples, settings: Settings) -> Sources:
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(settings.seed)).tolist()
    held = max(1, round(settings.validation * len(order)))
    if held >= len(order):
        raise DataError(settings.data, f"has {len(order)} pictures, too few to hold some out for validation")
    return Sources(SampleSubset(dataset, sorted(order[held:])), SampleSubset(dataset, sorted(order[:held])))
