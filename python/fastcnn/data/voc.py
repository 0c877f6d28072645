"""Boxes in PASCAL VOC's format: an XML file for each image."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from fastcnn.data._registry import Found, dataset
from fastcnn.data.coco import check_size, with_boxes
from fastcnn.data.errors import DataError
from fastcnn.data.sample import FileSamples, Sample, listed, load_picture

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_MAX_BYTES = 1 << 24


class _Objects(NamedTuple):
    picture: str
    size: tuple[int | None, int | None]  # height and width, where they are stated
    boxes: list[tuple[float, ...]]
    classes: list[int]


@dataset("boxes")
class VocDetection(FileSamples):
    """Images with boxes: ``root/Annotations/*.xml`` and ``root/JPEGImages``.

    Args:
        root: a year's folder, ``VOCdevkit/VOC2012`` for example.
        split: use the names in ``ImageSets/Main/SPLIT.txt``. None: every annotation.
        class_names: of the objects; others are an error. VOC's twenty by default.
        difficult: include objects marked as difficult.
        on_error: "refuse": a broken image or annotation raises; "skip": it warns and skips the image.
        channels: 1 for grey, 3 for colour, None for what the files have.

    Raises:
        DataError: folders or files that are missing or of another format, an unknown class, or a box without four
            finite numbers and an area. On reading: an image of another size than its annotation states, or a box
            outside of it; other boxes are clipped. VOC counts pixels from 1 and includes the last one: its 1, 1, 2, 2
            is 0, 0, 2, 2 here.

    Files with a document type are refused: their entities could read other files or expand without limit.

    Example:
        >>> from fastcnn.data import VocDetection
        >>> VocDetection("/nowhere", "train")
        Traceback (most recent call last):
            ...
        fastcnn.data.errors.DataError: /nowhere/ImageSets/Main/train.txt: cannot be read (No such file or directory)
    """

    layout = "Annotations/ and JPEGImages/ (VOC)"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        class_names: Sequence[str] = CLASSES,
        difficult: bool = False,
        on_error: str = "refuse",
        channels: int | None = 3,
    ) -> None:
        super().__init__(on_error, channels)
        root = Path(root)
        self.class_names, self._difficult = list(class_names), difficult
        self._pictures = root / "JPEGImages"
        self._annotations: list[tuple[Path, _Objects]] = []
        if split is None:
            files = [path for path in listed(root / "Annotations", "annotations") if path.suffix == ".xml"]
        else:
            names = _text(root / "ImageSets" / "Main" / f"{split}.txt").decode("utf-8", "replace").split("\n")
            files = [root / "Annotations" / f"{line.split()[0]}.xml" for line in names if line.strip()]
        for path in files:
            try:
                self._annotations.append((path, self._parse(path)))
            except DataError as error:
                self.skipped(error)
        if not self._annotations:
            raise DataError(root, "has no annotation that can be read")

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of a folder in VOC's layout; a ``classes.txt`` may replace VOC's classes."""
        if not all((folder / name).is_dir() for name in ("Annotations", "JPEGImages")):
            return None
        names = folder / "classes.txt"
        classes = names.read_text(encoding="utf-8").split() if names.is_file() else CLASSES
        if all((folder / "ImageSets" / "Main" / f"{split}.txt").is_file() for split in ("train", "val")):
            train, validation = (cls(folder, split, classes, on_error=on_error) for split in ("train", "val"))
            return Found(train, validation)
        return Found(cls(folder, None, classes, on_error=on_error))

    def _parse(self, path: Path) -> _Objects:
        text = _text(path)
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise DataError(path, "has a document type, which is not read")
        try:
            top = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise DataError(path, f"is not XML ({error})") from None
        picture = (top.findtext("filename") or "").strip()
        if not picture or os.path.basename(picture) != picture:
            raise DataError(path, f"names no picture of the folder: {picture!r}")
        boxes, classes = [], []
        for item in top.findall("object"):
            if (item.findtext("difficult") or "0").strip() == "1" and not self._difficult:
                continue
            name = (item.findtext("name") or "").strip()
            if name not in self.class_names:
                raise DataError(path, f"has an object of an unknown class {name!r}")
            boxes.append(_box(item, path))
            classes.append(self.class_names.index(name))
        return _Objects(picture, (_side(top, "height", path), _side(top, "width", path)), boxes, classes)

    def __len__(self) -> int:
        """Return the number of images, including those without boxes."""
        return len(self._annotations)

    def boxes_of(self, index: int) -> int:
        """Return the number of boxes of an image."""
        return len(self._annotations[index][1].boxes)

    def read(self, index: int) -> Sample:
        """Read image and boxes."""
        file, objects = self._annotations[index]
        path = self._pictures / objects.picture
        image = load_picture(path, self.channels)
        check_size(path, image, objects.size, file)
        return with_boxes(image, objects.boxes, objects.classes, str(path))


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None
    if len(text) > _MAX_BYTES:
        raise DataError(path, f"has more than {_MAX_BYTES} bytes")
    return text


def _side(top: ElementTree.Element, name: str, path: Path) -> int | None:
    """Return the stated height or width, or None for 0, which tools write if they do not know it."""
    text = (top.findtext(f"size/{name}") or "").strip()
    try:
        return int(text or 0) or None
    except ValueError:
        raise DataError(path, f"has a {name} that is no whole number: {text[:60]!r}") from None


def _box(item: ElementTree.Element, path: Path) -> tuple[float, ...]:
    try:
        x1, y1, x2, y2 = (float(item.findtext(f"bndbox/{name}") or "") for name in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        raise DataError(path, "has an object without a box of four numbers") from None
    box = x1 - 1, y1 - 1, x2, y2
    if not all(math.isfinite(value) for value in box) or box[2] <= box[0] or box[3] <= box[1]:
        raise DataError(path, f"has a box without an area: {x1:g}, {y1:g}, {x2:g}, {y2:g}")
    return box
