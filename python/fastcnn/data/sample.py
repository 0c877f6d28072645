"""The element of every dataset: one image and its annotations."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastcnn._arguments import check_choice
from fastcnn.data.errors import DataError, warn
from fastcnn.io import ImageFileError, Picture, read_image


@dataclass(frozen=True)
class Sample:
    """An image and its annotations; missing ones are None.

    Attributes:
        image: float32 (C, H, W), from 0 to 1.
        label: the image's class.
        mask: int64 (H, W): a class or an object number for each pixel.
        boxes: float32 (M, 4), ``x1, y1, x2, y2`` in pixels from the image's top left corner.
        classes: int64 (M): the boxes' classes.
        source: its origin, for messages.
    """

    image: Tensor
    label: int | None = None
    mask: Tensor | None = None
    boxes: Tensor | None = None
    classes: Tensor | None = None
    source: str = ""

    def replaced(self, **changes: Any) -> Sample:
        """Return a copy with some values replaced."""
        return replace(self, **changes)


class Samples(Dataset[Sample], ABC):
    """A dataset of `Sample` objects, with names for the classes.

    Attributes:
        class_names: by number; empty if unknown.
    """

    class_names: Sequence[str] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Read or make a sample."""

    def boxes_of(self, index: int) -> int | None:
        """Return the number of boxes of a sample if known without loading it, else None."""
        return None


class FileSamples(Samples):
    """A dataset of files, some of which may be broken.

    Args:
        on_error: "refuse": raise for a broken file; "skip": warn once per file, and return the next readable sample
            instead.
        channels: 1 for grey, 3 for colour, None for what the files have.
    """

    def __init__(self, on_error: str, channels: int | None) -> None:
        check_choice(on_error, ("refuse", "skip"), type(self).__name__, "on_error")
        if channels not in (None, 1, 3):
            raise ValueError(f"{type(self).__name__}: expected channels of 1, 3 or None, got {channels}")
        self.on_error, self.channels = on_error, channels
        self._told: set[str] = set()

    @abstractmethod
    def read(self, index: int) -> Sample:
        """Read a sample or raise."""

    def __getitem__(self, index: int) -> Sample:
        """Read a sample."""
        number = len(self)
        if not -number <= index < number:
            raise IndexError(index)
        index %= number
        for at in range(index, index + number):
            try:
                return self.read(at % number)
            except (DataError, ImageFileError) as error:
                if self.on_error == "refuse":
                    raise
                self.skipped(error)
        raise DataError(type(self).__name__, "nothing of it can be read")

    def skipped(self, error: DataError | ImageFileError) -> None:
        """Warn about a broken file once, or raise its error."""
        if self.on_error == "refuse":
            raise error
        if str(error) not in self._told:
            self._told.add(str(error))
            warn(f"skipped {error}")


def load_picture(path: str | os.PathLike[str], channels: int | None) -> Tensor:
    """Read an image as float32 (C, H, W) from 0 to 1; the first page if there are several."""
    picture = read_image(path)
    pixels, had = picture.pixels, picture.channels
    if picture.pages is not None:
        pixels = pixels[0]
    if channels == 1:
        pixels = Picture(pixels, had).grey()
    elif had == 2:
        pixels, had = pixels[..., 0], None
    elif had == 4:
        pixels, had = pixels[..., :3], 3
    if pixels.dtype.kind == "f":
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise DataError(path, "has values that are not from 0 to 1")
        pixels = pixels.astype(np.float32)
    elif pixels.dtype == bool:
        pixels = pixels.astype(np.float32)
    elif pixels.dtype in (np.uint8, np.uint16):
        white = (1 << picture.bits) - 1 if picture.bits else np.iinfo(pixels.dtype).max
        pixels = pixels.astype(np.float32) / np.float32(white)
    else:
        raise DataError(path, f"has pixels of {pixels.dtype}, of which it is not known what is white")
    image = torch.from_numpy(np.ascontiguousarray(pixels))
    image = image[None] if image.ndim == 2 else image.permute(2, 0, 1).contiguous()
    return image.expand(3, -1, -1).contiguous() if channels == 3 and len(image) == 1 else image


def load_mask(path: str | os.PathLike[str]) -> Tensor:
    """Read a mask as int64 (H, W): the numbers that the file stores, a palette's indices or grey values."""
    picture = read_image(path, stored=True)
    if picture.channels is not None or picture.pages is not None or picture.pixels.dtype.kind not in "bui":
        raise DataError(path, "is no mask: expected one channel of whole numbers")
    return torch.from_numpy(picture.pixels.astype(np.int64))


def listed(folder: Path, what: str) -> list[Path]:
    """Return a folder's entries sorted by name, without hidden ones; raise if the folder cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(folder, f"cannot be read as a folder of {what} ({error.strerror})") from None
