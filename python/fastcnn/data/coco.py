"""Boxes and masks in COCO's format: one JSON file for all images."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import torch

from fastcnn.data._coco_masks import MaskError, decode
from fastcnn.data._registry import Found, dataset, of_same_classes
from fastcnn.data.errors import DataError
from fastcnn.data.sample import FileSamples, Sample, load_picture


@dataset("boxes", "mask")
class CocoDetection(FileSamples):
    """Images with boxes, from a COCO annotation file.

    Args:
        images: the folder of the image files.
        annotations: the JSON file, in the format of COCO's ``instances_*.json``. Crowds are skipped.
        on_error: "refuse": a broken image or annotation raises; "skip": it warns and skips the
            image, or that annotation.
        channels: 1 for grey, 3 for colour, None for what the files have.
        masks: read the objects' masks too. The object of box i has number i + 1; the last one wins where objects
            overlap. Polygons are filled as by pycocotools: roughly the pixels whose centre lies inside.

    Raises:
        DataError: invalid JSON or another format; an id that is not an integer, or not unique; an annotation without a
            image, a known category, or a box of four finite numbers and an area above 0. On reading: an image of
            another size than the file states, or a box outside of it. Boxes that extend beyond the image are clipped.

    Boxes refer to the image as displayed: rotated according to its EXIF tag. An image is refused if the file states
    its size before this rotation, as is one that was resized after annotation.

    Classes are numbered in the order of the category ids; `class_names` holds their names.

    Example:
        >>> from fastcnn.data import CocoDetection
        >>> CocoDetection("/nowhere", "/nowhere/instances.json")
        Traceback (most recent call last):
            ...
        fastcnn.data.errors.DataError: /nowhere/instances.json: cannot be read (No such file or directory)
    """

    layout = "annotations/instances_train*.json (COCO)"

    def __init__(
        self,
        images: str | os.PathLike[str],
        annotations: str | os.PathLike[str],
        on_error: str = "refuse",
        channels: int | None = 3,
        masks: bool = False,
    ) -> None:
        super().__init__(on_error, channels)
        self._masks = masks
        self._folder, self._file = Path(images), Path(annotations)
        content = self._content()
        categories = sorted(content["categories"], key=lambda c: int(self._field(c, "id", int, "category")))
        self.class_names = [str(self._field(c, "name", str, "category")) for c in categories]
        numbers = self._numbered(categories, "categories", self.class_names)
        self._images: list[str] = []
        self._sizes: list[tuple[Any, Any]] = []
        for image in content["images"]:
            self._field(image, "id", int, "image")
            name = str(self._field(image, "file_name", str, "image"))
            inside = os.path.normpath(name)
            if os.path.isabs(inside) or inside.startswith(".."):
                raise DataError(self._file, f"names a picture outside of the folder: {name!r}")
            self._images.append(name)
            self._sizes.append((self._number(image, "height", "image"), self._number(image, "width", "image")))
        places = self._numbered(content["images"], "images", self._images)
        self._boxes: list[list[tuple[float, ...]]] = [[] for _ in self._images]
        self._classes: list[list[int]] = [[] for _ in self._images]
        self._segmentations: list[list[Any]] = [[] for _ in self._images]
        ids: set[int] = set()
        for annotation in content["annotations"]:
            try:
                self._add(annotation, places, numbers, ids)
            except DataError as error:
                self.skipped(error)

    @classmethod
    def recognise(cls, folder: Path, part: str, on_error: str) -> Found | None:
        """Return the datasets of ``annotations/instances_train*.json``, ``..._val*.json`` and their image folders."""
        found = []
        for name in ("train", "val"):
            files = sorted((folder / "annotations").glob(f"instances_{name}*.json"))
            if not files:
                break
            pictures = folder / files[0].stem.removeprefix("instances_")
            images = pictures if pictures.is_dir() else folder / name
            found.append(cls(images, files[0], on_error, masks=part == "mask"))
        if len(found) == 2:
            return of_same_classes(folder, *found)
        return Found(found[0]) if found else None

    def _content(self) -> dict[str, list[Any]]:
        try:
            content = json.loads(self._file.read_bytes(), parse_int=_integer)
        except OSError as error:
            raise DataError(self._file, f"cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise DataError(self._file, f"is not JSON ({str(error)[:80]})") from None
        for part in ("images", "annotations", "categories"):
            if not isinstance(content, dict) or not isinstance(content.get(part), list):
                raise DataError(self._file, f"is not of COCO's form: it has no list {part!r}")
        return dict(content)

    def _field(self, of: Any, name: str, kind: type, what: str) -> Any:
        value = of.get(name) if isinstance(of, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = {int: "a whole number", str: "a text", list: "a list"}[kind]
            came = "" if value is None else f": expected {wanted}, got {str(value)[:60]!r}"
            raise DataError(self._file, f"has an {what} without {name}".replace("an cat", "a cat") + came)
        return value

    def _number(self, of: Any, name: str, what: str) -> Any:
        """Return a number, or None where there is none."""
        value = of.get(name)
        return value if value is None or isinstance(value, float) else self._field(of, name, int, what)

    def _numbered(self, entries: list[Any], what: str, names: list[str]) -> dict[int, int]:
        """Return the index of each id. Refuse a duplicate id: it would mix the annotations of two entries."""
        places: dict[int, int] = {}
        for place, entry in enumerate(entries):
            first = places.setdefault(entry["id"], place)
            if first != place:
                raise DataError(
                    self._file, f"has two {what} of id {entry['id']}: {names[first]!r} and {names[place]!r}"
                )
        return places

    def _add(self, annotation: Any, places: dict[int, int], numbers: dict[int, int], ids: set[int]) -> None:
        at = f"annotation {annotation.get('id', '')}" if isinstance(annotation, dict) else "annotation"
        if isinstance(annotation, dict) and annotation.get("iscrowd"):
            return
        image = places.get(self._field(annotation, "image_id", int, "annotation"))
        number = numbers.get(self._field(annotation, "category_id", int, "annotation"))
        if image is None or number is None:
            what = f"image_id {annotation['image_id']}" if image is None else f"category_id {annotation['category_id']}"
            raise DataError(self._file, f"{at} has an unknown {what}")
        box = self._field(annotation, "bbox", list, "annotation")
        numeric = len(box) == 4 and all(isinstance(v, (int, float)) and math.isfinite(v) for v in box)
        if not numeric or box[2] <= 0 or box[3] <= 0:
            raise DataError(self._file, f"{at} has no box of an area: {str(box)[:60]}")
        if annotation.get("id") is not None:
            name = self._field(annotation, "id", int, "annotation")
            if name in ids:
                raise DataError(self._file, f"has two annotations of id {name}")
            ids.add(name)
        self._boxes[image].append((box[0], box[1], box[0] + box[2], box[1] + box[3]))
        self._classes[image].append(number)
        self._segmentations[image].append(annotation.get("segmentation") if self._masks else None)

    def __len__(self) -> int:
        """Return the number of images, including those without boxes."""
        return len(self._images)

    def boxes_of(self, index: int) -> int:
        """Return the number of boxes of an image."""
        return len(self._boxes[index])

    def read(self, index: int) -> Sample:
        """Read image and boxes."""
        path = self._folder / self._images[index]
        image = load_picture(path, self.channels)
        check_size(path, image, self._sizes[index], self._file)
        sample = with_boxes(image, self._boxes[index], self._classes[index], str(path))
        return sample.replaced(mask=self._mask(index, sample)) if self._masks else sample

    def _mask(self, index: int, sample: Sample) -> torch.Tensor:
        height, width = sample.image.shape[-2:]
        mask = torch.zeros(height, width, dtype=torch.int64)
        for number, segmentation in enumerate(self._segmentations[index], 1):
            try:
                found = decode(segmentation, height, width)
            except MaskError as error:
                raise DataError(self._file, f"has for {self._images[index]!r} {error}") from None
            mask[torch.from_numpy(found)] = number
        return mask


def _integer(digits: str) -> int | float:
    """Return an int, or a float for a number beyond 64 bits, which NumPy cannot hold as an int."""
    return int(digits) if len(digits) < 20 else float(digits)


def check_size(path: Path, image: torch.Tensor, stated: tuple[Any, Any], file: Path) -> None:
    """Refuse an image whose size (height, width) differs from its annotation: its boxes would be misplaced."""
    height, width = image.shape[-2:]
    if any(said not in (None, side) for said, side in zip(stated, (height, width), strict=True)):
        says = " and ".join(str(said) for said in stated if said is not None)
        raise DataError(
            path,
            f"has height {height} and width {width}, but {says} in {file}: resized since, or turned by its EXIF tag",
        )


def with_boxes(image: torch.Tensor, boxes: list[Any], classes: list[int], source: str) -> Sample:
    """Make a sample from plain numbers; boxes are clipped to the image."""
    height, width = image.shape[-2:]
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    corners[:, 0::2] = corners[:, 0::2].clamp(0, width)
    corners[:, 1::2] = corners[:, 1::2].clamp(0, height)
    for box, empty in zip(boxes, (corners[:, 2:] <= corners[:, :2]).any(1).tolist(), strict=True):
        if empty:
            place = ", ".join(f"{value:g}" for value in box)
            raise DataError(source, f"has height {height} and width {width}, and a box outside of it: {place}")
    return Sample(image, boxes=corners, classes=torch.tensor(classes, dtype=torch.int64), source=source)
