"""Datasets that are folders of images."""

from __future__ import annotations

import os
from pathlib import Path

from fastcnn.data._registry import Found, dataset, in_parts
from fastcnn.data.errors import DataError
from fastcnn.data.sample import FileSamples, Sample, listed, load_mask, load_picture

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def pictures_of(folder: Path) -> list[Path]:
    """Return the folder's images by name."""
    return [path for path in listed(folder, "pictures") if path.suffix.lower() in _SUFFIXES]


@dataset("label", general=True)
class ImageFolder(FileSamples):
    """Images in a folder for each class: ``root/cat/1.png``, ``root/dog/2.jpg``.

    Args:
        root: its sorted folder names are the classes.
        on_error: "refuse": reading a broken file raises; "skip": it warns and reads the next one instead.
        channels: 1 for grey, 3 for colour, None for what the files have.

    Raises:
        DataError: no such folder, or no images in it.

    Example:
        >>> from fastcnn.data import ImageFolder
        >>> ImageFolder("/nowhere")
        Traceback (most recent call last):
            ...
        fastcnn.data.errors.DataError: /nowhere: cannot be read as a folder of classes (No such file or directory)
    """

    layout = "folders of pictures, one for each class"

    def __init__(self, root: str | os.PathLike[str], on_error: str = "refuse", channels: int | None = 3) -> None:
        super().__init__(on_error, channels)
        folders = [path for path in listed(Path(root), "classes") if path.is_dir()]
        self.class_names = [folder.name for folder in folders]
        self._files = [(path, label) for label, folder in enumerate(folders) for path in pictures_of(folder)]
        if not self._files:
            raise DataError(root, "has no folders with PNG, JPEG or TIFF pictures in them")

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder with one folder per class."""
        if not any(path.is_dir() for path in listed(folder, "classes")):
            return None
        return in_parts(folder, lambda root: cls(root, on_error))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._files)

    def read(self, index: int) -> Sample:
        """Read image and label."""
        path, label = self._files[index]
        return Sample(load_picture(path, self.channels), label, source=str(path))


@dataset("mask", general=True)
class MaskFolder(FileSamples):
    """Images in one folder, and masks of the same names in another.

    Args:
        images: folder of images.
        masks: folder of PNG or TIFF files with the same stems. Palette indices or grey values are classes or object
            numbers, 0 for background.
        on_error: "refuse": a broken file, a missing mask or a mask of another size raises; "skip": it warns and reads
            the next one instead.
        channels: 1 for grey, 3 for colour, None for what the files have.

    Raises:
        DataError: no such folders, no images, or an image without a mask.

    Example:
        >>> from fastcnn.data import MaskFolder
        >>> MaskFolder("/nowhere", "/nor/here")
        Traceback (most recent call last):
            ...
        fastcnn.data.errors.DataError: /nowhere: cannot be read as a folder of pictures (No such file or directory)
    """

    layout = "images/ and masks/"

    def __init__(
        self,
        images: str | os.PathLike[str],
        masks: str | os.PathLike[str],
        on_error: str = "refuse",
        channels: int | None = 3,
    ) -> None:
        super().__init__(on_error, channels)
        pictures, by_stem = pictures_of(Path(images)), {path.stem: path for path in pictures_of(Path(masks))}
        if not pictures:
            raise DataError(images, "has no PNG, JPEG or TIFF pictures")
        self._files = []
        for path in pictures:
            if path.stem in by_stem:
                self._files.append((path, by_stem[path.stem]))
            else:
                self.skipped(DataError(path, f"has no mask in {masks}"))
        if not self._files:
            raise DataError(masks, f"has no mask for any picture of {images}")

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder with ``images/`` and ``masks/``, within ``train/`` and ``val/`` or not."""
        if not any((folder / inner / "images").is_dir() for inner in ("", "train")):
            return None
        return in_parts(folder, lambda root: cls(root / "images", root / "masks", on_error))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._files)

    def read(self, index: int) -> Sample:
        """Read image and mask."""
        path, mask_path = self._files[index]
        image, mask = load_picture(path, self.channels), load_mask(mask_path)
        if mask.shape != image.shape[1:]:
            raise DataError(mask_path, f"has size {tuple(mask.shape)}, its picture {tuple(image.shape[1:])}")
        return Sample(image, mask=mask, source=str(path))
