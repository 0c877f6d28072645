"""Small images with class labels: the IDX files of MNIST and its successors, arrays, and scikit-learn's digits."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcnn._errors import ArgumentError
from fastcnn._extras import needing
from fastcnn.data._registry import Found, SampleSubset, dataset, drawn
from fastcnn.data.errors import DataError
from fastcnn.data.sample import Sample, Samples

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# MNIST has 47 MB. The header of an untrusted file can declare any size.
MAX_BYTES = 1 << 32


def read_idx(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read an IDX file, compressed with gzip or not.

    Args:
        path: the file. Its first bytes, not its name, tell whether it is compressed.
        max_bytes: refuse files that declare a larger array.

    Returns:
        The array, in this machine's byte order.

    Raises:
        DataError: the file is missing, not an IDX file, truncated, longer than declared, or too large.

    Reference:
        Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database", section "The IDX file format".

    Example:
        >>> import tempfile, pathlib
        >>> from fastcnn.data import read_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "labels.idx"
        ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(file)
        array([7, 2, 1], dtype=uint8)
    """
    try:
        with Path(path).open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _read(gzip.open(file) if compressed else file, path, max_bytes)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is truncated or damaged"
        raise DataError(path, reason.lower()) from None


def _read(file: IO[bytes] | gzip.GzipFile, path: str | os.PathLike[str], max_bytes: int) -> NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or head[3] == 0:
        raise DataError(path, "is not an IDX file")
    dtype, dimensions = np.dtype(_TYPES[head[2]]), head[3]
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(path, "is truncated")
    shape = struct.unpack(f">{dimensions}I", sizes)
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise DataError(path, f"declares {size} bytes, over the limit of {max_bytes} (max_bytes)")
    # Read in pieces: a short file that declares a large size must not allocate that much memory.
    pieces, left = [], size
    while left > 0:
        piece = file.read(min(left, 1 << 24))
        if not piece:
            raise DataError(path, f"is truncated: {size - left} of {size} bytes")
        pieces.append(piece)
        left -= len(piece)
    if file.read(1):
        raise DataError(path, f"has more than the {size} bytes that it declares")
    return np.frombuffer(b"".join(pieces), dtype).reshape(shape).astype(dtype.newbyteorder("="))


@dataset("label")
class IdxImages(Samples):
    """MNIST, Fashion-MNIST and others in their format: images and labels in two IDX files.

    Args:
        folder: holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or ``t10k-...`` for testing, with
            ".gz" or without.
        train: which of the two pairs.

    Raises:
        DataError: files that are missing, broken, or do not match.

    Example:
        >>> from fastcnn.data import IdxImages
        >>> IdxImages("/nowhere")
        Traceback (most recent call last):
            ...
        fastcnn.data.errors.DataError: /nowhere: has no train-images-idx3-ubyte, nor with .gz
    """

    layout = "train-images-idx3-ubyte"

    def __init__(self, folder: str | os.PathLike[str], train: bool = True) -> None:
        part = "train" if train else "t10k"
        self._images = self._find(Path(folder), f"{part}-images", 3)
        self._labels = self._find(Path(folder), f"{part}-labels", 1)
        if len(self._images) != len(self._labels):
            raise DataError(folder, f"has {len(self._images)} images of {part}, but {len(self._labels)} labels")
        count = int(self._labels.max()) + 1 if len(self._labels) else 0
        self.class_names = [str(i) for i in range(count)]
        self._source = f"{folder}:{part}"

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder with MNIST's files."""
        if not any(path.name.startswith("train-images") for path in folder.iterdir()):
            return None
        return Found(cls(folder, train=True), cls(folder, train=False))

    @staticmethod
    def _find(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
        name = f"{name}-idx{dimensions}-ubyte"
        # Some tools name the unpacked files with a dot.
        for candidate in (name, f"{name}.gz", name.replace("-idx", ".idx")):
            if (folder / candidate).is_file():
                found = read_idx(folder / candidate)
                if found.ndim != dimensions or found.dtype != np.uint8:
                    raise DataError(folder / candidate, f"expected bytes of {dimensions} dimensions")
                return found
        raise DataError(folder, f"has no {name}, nor with .gz")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Return image (1, H, W) and label."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        image = torch.from_numpy(self._images[index].astype(np.float32) / np.float32(255))[None]
        return Sample(image, int(self._labels[index]), source=f"{self._source}[{index}]")


class ArrayImages(Samples):
    """Images and labels from arrays.

    Args:
        images: (N, H, W) or (N, C, H, W), from 0 to 1.
        labels: integer (N).
        class_names: by number.

    Raises:
        ArgumentError: other shapes.

    Example:
        >>> import numpy as np
        >>> from fastcnn.data import ArrayImages
        >>> ArrayImages(np.zeros((5, 8, 8)), np.arange(5))[2].image.shape
        torch.Size([1, 8, 8])
    """

    def __init__(self, images: NDArray[Any], labels: NDArray[Any], class_names: list[str] | None = None) -> None:
        if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
            raise ArgumentError(
                f"ArrayImages: expected images (N, H, W) or (N, C, H, W) and labels (N), got {images.shape} and "
                f"{labels.shape}"
            )
        self._images = images[:, None] if images.ndim == 3 else images
        self._labels = labels
        self.class_names = class_names or [str(i) for i in range(int(labels.max(initial=-1)) + 1)]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Return image (C, H, W) and label."""
        image = torch.from_numpy(np.ascontiguousarray(self._images[index], np.float32))
        return Sample(image, int(self._labels[index]), source=f"array[{index}]")


@drawn("digits", "label")
def _digits(number: int, size: int, seed: int) -> Found:
    with needing("train: the data digits", "train"):
        from sklearn.datasets import load_digits
    # The validation third is the same for every seed.
    found = load_digits()
    dataset = ArrayImages(found.images / 16, found.target)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    third = len(order) // 3
    kept = order[third : third + number] if number else order[third:]
    return Found(SampleSubset(dataset, sorted(kept)), SampleSubset(dataset, sorted(order[:third])))
