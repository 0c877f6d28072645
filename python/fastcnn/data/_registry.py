"""The kinds of data by the part of a `Sample` that they fill: `@dataset` adds one of files, `@drawn` a drawn one."""

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
    """A class of datasets that recognises its folders.

    Attributes:
        layout: what it expects in a folder, for messages.
    """

    layout: str

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder, or None where it has another layout.

        Args:
            folder: that exists.
            part: of samples, which is to be filled: "label", "mask" or "boxes".
            on_error: "refuse" or "skip" broken files.

        Raises:
            DataError: a folder of this layout that cannot be read.
        """


class Drawn(NamedTuple):
    """Data without files: the part of samples that it fills, and a function of number, size and seed (0: its own)."""

    part: str
    make: Callable[[int, int, int], Found]


DATASETS: dict[str, list[type[OfFolders]]] = {}
DRAWN: dict[str, Drawn] = {}
_Class = TypeVar("_Class", bound=type[OfFolders])
_Make = TypeVar("_Make", bound=Callable[[int, int, int], Found])


def dataset(*parts: str, general: bool = False) -> Callable[[_Class], _Class]:
    """Register a class of datasets for the parts of samples that it can fill.

    The later one is asked the earlier; those that are `general`, whose layout others may have too, come last.
    """

    def register(kind: _Class) -> _Class:
        for part in parts:
            kinds = DATASETS.setdefault(part, [])
            kinds.insert(len(kinds) if general else 0, kind)
        return kind

    return register


def drawn(word: str, part: str) -> Callable[[_Make], _Make]:
    """Register a function that makes data without files, by a word.

    Raises:
        ValueError: a word that is taken.
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
        DataError: a folder that none takes, or cannot read.
    """
    kinds = DATASETS.get(part, [])
    for kind in kinds:
        found = kind.recognise(folder, part, on_error)
        if found is not None:
            return found
    raise DataError(folder, f"has neither {' nor '.join(kind.layout for kind in reversed(kinds))}")


def in_parts(folder: Path, make: Callable[[Path], FileSamples]) -> Found:
    """Make datasets of ``train/`` and ``val/``, where both are there, or of one of them or the folder itself.

    Raises:
        DataError: classes for validation that are not those for training.
    """
    train = folder / "train" if (folder / "train").is_dir() else folder
    for name in ("val", "valid", "validation", "test"):
        if train != folder and (folder / name).is_dir():
            return of_same_classes(folder, make(train), make(folder / name))
    return Found(make(train))


def of_same_classes(folder: Path, train: Samples, validation: Samples) -> Found:
    """Return both, or refuse other classes for validation than for training."""
    if list(train.class_names) != list(validation.class_names):
        raise DataError(folder, "has other classes for validation than for training")
    return Found(train, validation)


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
