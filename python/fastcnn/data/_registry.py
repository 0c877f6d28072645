"""Registry of datasets by the part of a `Sample` that they fill: `@dataset` adds files, `@drawn` synthetic data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from torch.utils.data import Subset

from fastcnn.data.errors import DataError
from fastcnn.data.sample import FileSamples, Sample, Samples


class Found(NamedTuple):
    """Datasets of a folder; `validation` is None where it does not say which part is for validation."""

    train: Samples
    validation: Samples | None = None


class OfFolders(Protocol):
    """A dataset class that recognises its folder layout.

    Attributes:
        layout: the expected content of a folder, for messages.
    """

    layout: str

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder, or None where it has another layout.

        Args:
            folder: an existing folder.
            part: the part of samples to fill: "label", "mask" or "boxes".
            on_error: "refuse" or "skip" broken files.

        Raises:
            DataError: a folder of this layout that cannot be read.
        """


class Drawn(NamedTuple):
    """Synthetic data: the part of samples that it fills, and a function of length, size and seed (0: its default)."""

    part: str
    make: Callable[[int, int, int], Found]


DATASETS: dict[str, list[type[OfFolders]]] = {}
DRAWN: dict[str, Drawn] = {}
_Class = TypeVar("_Class", bound=type[OfFolders])
_Make = TypeVar("_Make", bound=Callable[[int, int, int], Found])


def dataset(*parts: str, general: bool = False) -> Callable[[_Class], _Class]:
    """Register a dataset class for the parts of samples that it can fill.

    Classes registered later are asked first. `general` classes, whose layout may match other formats too, come last.
    """

    def register(kind: _Class) -> _Class:
        for part in parts:
            kinds = DATASETS.setdefault(part, [])
            kinds.insert(len(kinds) if general else 0, kind)
        return kind

    return register


def drawn(word: str, part: str) -> Callable[[_Make], _Make]:
    """Register a function that makes synthetic data, by name.

    Raises:
        ValueError: the name is already taken.
    """

    def register(make: _Make) -> _Make:
        if word in DRAWN:
            raise ValueError(f"drawn: {word} is registered already")
        DRAWN[word] = Drawn(part, make)
        return make

    return register


def recognise(folder: Path, part: str, on_error: str) -> Found:
    """Ask each class in turn.

    Raises:
        DataError: no class recognises the folder, or it cannot be read.
    """
    kinds = DATASETS.get(part, [])
    for kind in kinds:
        found = kind.recognise(folder, part, on_error)
        if found is not None:
            return found
    raise DataError(folder, f"has neither {' nor '.join(kind.layout for kind in reversed(kinds))}")


def in_parts(folder: Path, make: Callable[[Path], FileSamples]) -> Found:
    """Make datasets of ``train/`` and ``val/`` if both exist, else of the one that exists or of the folder itself.

    Raises:
        DataError: the classes for validation differ from those for training.
    """
    train = folder / "train" if (folder / "train").is_dir() else folder
    for name in ("val", "valid", "validation", "test"):
        if train != folder and (folder / name).is_dir():
            return of_same_classes(folder, make(train), make(folder / name))
    return Found(make(train))


def of_same_classes(folder: Path, train: Samples, validation: Samples) -> Found:
    """Return both, or raise if the classes for validation differ from those for training."""
    if list(train.class_names) != list(validation.class_names):
        raise DataError(folder, "has other classes for validation than for training")
    return Found(train, validation)


class SampleSubset(Samples):
    """A subset of a dataset."""

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
        """Return the number of boxes of a sample, if known."""
        dataset: Samples = self._subset.dataset  # type: ignore[assignment]  # as it was given
        return dataset.boxes_of(self._subset.indices[index])
