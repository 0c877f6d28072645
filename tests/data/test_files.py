"""Datasets of files: what they read, and what they say of broken ones."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastcnn.data import (
    CocoDetection,
    DataError,
    DataWarning,
    IdxImages,
    ImageFolder,
    MaskFolder,
    VocDetection,
    read_idx,
)
from fastcnn.data._coco_masks import decode
from fastcnn.io import ImageFileError


def picture(path: Path, size: tuple[int, int] = (6, 8), seed: int = 0, mode: str = "RGB") -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = () if mode == "L" else (len(mode),)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, *channels), dtype=np.uint8)
    Image.fromarray(pixels, mode).save(path)
    return pixels


# --- IDX --------------------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i1": 9, "i2": 0xB, "i4": 0xC, "f4": 0xD, "f8": 0xE}[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx(tmp_path: Path, dtype: str, shape: tuple[int, ...], zipped: bool) -> None:
    array = (np.random.default_rng(0).random(shape) * 100 - (0 if dtype == "u1" else 50)).astype(dtype)
    content = idx(array)
    (tmp_path / "x").write_bytes(gzip.compress(content) if zipped else content)
    found = read_idx(tmp_path / "x")
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_broken_idx(tmp_path: Path) -> None:
    good = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for content, text in (
        (b"", "is not an IDX file"),
        (b"\x89PNG\r\n", "is not an IDX file"),
        (b"\0\0\x08\0", "is not an IDX file"),
        (b"\0\0\x0a\1\0\0\0\0", "is not an IDX file"),
        (good[:6], "is truncated"),
        (good[:-1], "is truncated: 11 of 12 bytes"),
        (good + b"x", "has more than the 12 bytes"),
        (gzip.compress(good)[:-12], "is truncated or damaged"),
        (gzip.compress(good)[:12] + b"\xff" * 20, "is (truncated or damaged|not an IDX file)"),
        (b"\0\0\x08\3" + b"\xff" * 12, "over the limit"),
        # 3 GB claimed, none there: an error, and no 3 GB taken.
        (b"\0\0\x08\2" + struct.pack(">2I", 3 << 20, 1 << 10), "is truncated: 0 of 3221225472 bytes"),
        # A bomb: 64 MB of zeros in 64 kB.
        (gzip.compress(good + b"\0" * (1 << 26)), "has more than the 12 bytes"),
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(DataError, match=text) as caught:
            read_idx(tmp_path / "x")
        assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "y")


@pytest.mark.parametrize("name", ["{}-idx{}-ubyte", "{}-idx{}-ubyte.gz", "{}.idx{}-ubyte"])
def test_idx_images(tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(1).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    labels = np.array([0, 1, 2, 9, 4, 5, 6], np.uint8)
    for kind, array in (("images", images), ("labels", labels)):
        content = idx(array)
        file = tmp_path / name.format(f"train-{kind}", array.ndim)
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    found = IdxImages(tmp_path)
    assert len(found) == 7
    assert len(found.class_names) == 10
    sample = found[3]
    assert sample.label == 9
    np.testing.assert_array_equal(sample.image[0].numpy(), images[3].astype(np.float32) / np.float32(255))
    with pytest.raises(IndexError):
        found[7]
    with pytest.raises(DataError, match="has no t10k-images-idx3-ubyte"):
        IdxImages(tmp_path, train=False)
    file = tmp_path / name.format("train-labels", 1)
    content = idx(labels[:5])
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    with pytest.raises(DataError, match="7 images of train, but 5 labels"):
        IdxImages(tmp_path)
    content = idx(images)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    with pytest.raises(DataError, match="expected bytes of 1 dimensions"):
        IdxImages(tmp_path)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_image_folder(tmp_path: Path) -> None:
    first = picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cat" / "2.JPG")
    grey = picture(tmp_path / "dog" / "1.tif", mode="L")
    picture(tmp_path / "dog" / "3.png", mode="RGBA")
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    found = ImageFolder(tmp_path)
    assert found.class_names == ["cat", "dog"]
    assert [found[i].label for i in range(4)] == [0, 0, 1, 1]
    np.testing.assert_array_equal((found[0].image * 255).round().byte().permute(1, 2, 0).numpy(), first)
    np.testing.assert_array_equal((found[2].image * 255).round().byte().numpy(), np.stack([grey] * 3))
    assert all(found[i].image.shape == (3, 6, 8) for i in range(4))
    assert ImageFolder(tmp_path, channels=1)[0].image.shape == (1, 6, 8)
    assert ImageFolder(tmp_path, channels=None)[2].image.shape == (1, 6, 8)
    assert found[-1].source == str(tmp_path / "dog" / "3.png")


def test_depths(tmp_path: Path) -> None:
    """White is 1 in every depth, and what has no white is refused."""
    tifffile = pytest.importorskip("tifffile")
    folder = tmp_path / "a"
    folder.mkdir()
    for i, (array, expected) in enumerate(
        (
            (np.array([[0, 65535]], np.uint16), [0.0, 1.0]),
            (np.array([[False, True]]), [0.0, 1.0]),
            (np.array([[0.25, 1]], np.float32), [0.25, 1.0]),
            (np.array([[0, 9]], np.int32), None),
            (np.array([[0, 9]], np.float32), None),
            (np.array([[0, np.nan]], np.float32), None),
        )
    ):
        tifffile.imwrite(folder / f"{i}.tif", array, photometric="minisblack")
        found = ImageFolder(tmp_path, channels=1)
        if expected is None:
            with pytest.raises(DataError, match=rf"{i}\.tif: has "):
                found[i]
        else:
            assert found[i].image.flatten().tolist() == expected


def test_broken_pictures(tmp_path: Path) -> None:
    """Refused with their path, or skipped with a warning that comes once."""
    for i in range(3):
        picture(tmp_path / "a" / f"{i}.png", seed=i)
    whole = (tmp_path / "a" / "1.png").read_bytes()
    (tmp_path / "a" / "1.png").write_bytes(whole[: len(whole) // 2])
    strict, lenient = ImageFolder(tmp_path), ImageFolder(tmp_path, on_error="skip")
    with pytest.raises(ImageFileError, match=r"1\.png: "):
        strict[1]
    with pytest.warns(DataWarning, match=r"skipped .*1\.png: "):
        sample = lenient[1]
    assert torch.equal(sample.image, strict[2].image)
    assert torch.equal(lenient[1].image, strict[2].image)  # no second warning, which would be an error
    for i in (0, 2):
        (tmp_path / "a" / f"{i}.png").write_bytes(b"")
    with pytest.warns(DataWarning), pytest.raises(DataError, match="nothing of it can be read"):
        lenient[0]
    with pytest.raises(DataError, match="no folders with PNG, JPEG or TIFF pictures"):
        ImageFolder(tmp_path / "a")
    with pytest.raises(ValueError, match="ImageFolder: expected on_error to be one of refuse, skip, got stop"):
        ImageFolder(tmp_path, on_error="stop")


def test_mask_folder(tmp_path: Path) -> None:
    """Grey values, 16 bits and palettes' indices are masks' values."""
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.png")
    masks = tmp_path / "masks"
    masks.mkdir()
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(values).save(masks / "a.png")
    Image.fromarray(values.astype(np.uint16) * 1000).save(masks / "b.tif")
    palette = Image.fromarray(values, "P")
    palette.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    palette.save(masks / "c.png")
    found = MaskFolder(tmp_path / "images", masks)
    for i, factor in enumerate((1, 1000, 1)):
        sample = found[i]
        assert sample.mask.dtype == torch.int64
        np.testing.assert_array_equal(sample.mask.numpy(), values.astype(np.int64) * factor)

    picture(tmp_path / "images" / "d.png")
    with pytest.raises(DataError, match=r"d\.png: has no mask in "):
        MaskFolder(tmp_path / "images", masks)
    with pytest.warns(DataWarning, match=r"d\.png: has no mask"):
        assert len(MaskFolder(tmp_path / "images", masks, on_error="skip")) == 3
    Image.fromarray(values[:5]).save(masks / "d.png")
    with pytest.raises(DataError, match=r"d\.png: has size \(5, 8\), its picture \(6, 8\)"):
        MaskFolder(tmp_path / "images", masks)[3]
    picture(masks / "d.png")
    with pytest.raises(DataError, match=r"d\.png: is no mask"):
        MaskFolder(tmp_path / "images", masks)[3]


# --- boxes ------------------------------------------------------------------------------------------------------------


def coco(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}],
        "categories": [{"id": 44, "name": "bottle"}, {"id": 2, "name": "bicycle"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 44, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [5.5, 0.5, 9, 2]},
            {"id": 3, "image_id": 7, "category_id": 2, "bbox": [0, 0, 8, 6], "iscrowd": 1},
        ],
        **changes,
    }
    file = folder / "instances.json"
    file.write_text(json.dumps(content))
    return file


def test_coco(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    found = CocoDetection(tmp_path, coco(tmp_path))
    assert found.class_names == ["bicycle", "bottle"]
    sample = found[0]
    assert sample.boxes.tolist() == [[1, 2, 4, 6], [5.5, 0.5, 8, 2.5]]  # the second is cut at 8
    assert sample.classes.tolist() == [1, 0]
    assert found[1].boxes.shape == (0, 4)


def test_broken_coco(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    one = {"id": 9, "image_id": 7, "category_id": 44, "bbox": [1, 2, 3, 4]}
    for change, text in (
        ({"annotations": [{**one, "image_id": 8}]}, "annotation 9 has an unknown image_id 8"),
        ({"annotations": [{**one, "category_id": 8}]}, "annotation 9 has an unknown category_id 8"),
        ({"annotations": [{**one, "bbox": [1, 2, 0, 4]}]}, "annotation 9 has no box of an area"),
        ({"annotations": [{**one, "bbox": [1, 2, float("nan"), 4]}]}, "annotation 9 has no box of an area"),
        ({"annotations": [{**one, "bbox": ["1", 2, 3, 4]}]}, "annotation 9 has no box of an area"),
        ({"annotations": [{**one, "bbox": [10**400, 2, 3, 4]}]}, "annotation 9 has no box of an area"),
        ({"annotations": [{**one, "image_id": 10**30}]}, "without image_id: expected a whole number"),
        ({"annotations": [{**one, "bbox": 5}]}, "has an annotation without bbox"),
        ({"annotations": ["x"]}, "has an annotation without image_id"),
    ):
        file = coco(tmp_path, **change)
        with pytest.raises(DataError, match=text):
            CocoDetection(tmp_path, file)
        with pytest.warns(DataWarning, match=text):
            assert CocoDetection(tmp_path, file, on_error="skip")[0].boxes.shape == (0, 4)
    for change, text in (
        ({"images": [{"id": 1, "file_name": "../../etc/passwd"}]}, "names a picture outside of the folder"),
        ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "names a picture outside of the folder"),
        ({"images": [{"id": 1}]}, "has an image without file_name"),
        ({"categories": [{"id": True, "name": "x"}]}, "has a category without id"),
        ({"annotations": None}, "it has no list 'annotations'"),
    ):
        with pytest.raises(DataError, match=text):
            CocoDetection(tmp_path, coco(tmp_path, **change), on_error="skip")
    file = tmp_path / "bad.json"
    for content in (b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[1]", pickle.dumps({})):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.json: (is not JSON|is not of COCO's form)"):
            CocoDetection(tmp_path, file)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' arrays
def test_coco_masks(tmp_path: Path) -> None:
    """Run lengths and polygons as pycocotools reads them, exactly."""
    tools = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(3)
    height, width = 37, 53
    picture(tmp_path / "a.png", (height, width))
    for round in range(20):
        y, x = np.mgrid[:height, :width]
        masks = [
            (np.hypot(y - random.uniform(5, 30), x - random.uniform(5, 45)) < random.uniform(2, 12)) for _ in range(2)
        ]
        if round % 2:
            masks[1] = random.random((height, width)) < 0.5
        packed = tools.encode(np.asfortranarray(masks[1].astype(np.uint8)))
        runs = np.diff(np.flatnonzero(np.diff(masks[0].T.ravel().astype(int), prepend=-1, append=-1))).tolist()
        runs = [0, *runs] if masks[0][0, 0] else runs
        # Corners by angle, so that the outline does not cross itself; some of them are outside.
        angles, radii = np.sort(random.uniform(0, 6.28, 5)), random.uniform(5, 25, 5)
        ends = random.uniform([10, 8], [40, 30]) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        corners = ends.ravel().tolist()
        box = {"image_id": 7, "category_id": 2, "bbox": [0, 0, width, height]}
        one = {**box, "segmentation": {"counts": runs, "size": [height, width]}}
        two = {**box, "segmentation": {"counts": packed["counts"].decode(), "size": [height, width]}}
        three = {**box, "segmentation": [corners]}
        for annotation, expected in ((one, masks[0]), (two, masks[1])):
            found = CocoDetection(tmp_path, coco(tmp_path, annotations=[annotation]), masks=True)[0].mask
            np.testing.assert_array_equal(found.numpy(), expected)
        found = CocoDetection(tmp_path, coco(tmp_path, annotations=[three]), masks=True)[0].mask.numpy() > 0
        theirs = tools.decode(tools.merge(tools.frPyObjects([corners], height, width))) > 0
        np.testing.assert_array_equal(found, theirs)
    both = CocoDetection(tmp_path, coco(tmp_path, annotations=[one, two]), masks=True)[0]
    assert both.mask.unique().tolist() == [0, 1, 2]
    assert torch.equal(both.mask == 2, torch.from_numpy(masks[1]))
    for bad in (None, 5, [], [[1, 2, 3]], [[1, 2, 3, 4, 5, float("nan")]], [["a"] * 6], {"counts": [1], "size": [1, 1]},
                {"counts": [5], "size": [height, width]}, {"counts": [-1, height * width + 1], "size": [height, width]},
                {"counts": "!", "size": [height, width]}, {"counts": "o" * 9, "size": [height, width]},
                {"counts": "P", "size": [height, width]}):  # fmt: skip
        broken = coco(tmp_path, annotations=[{**box, "segmentation": bad}])
        with pytest.raises(DataError, match=r"has for 'a\.png' (no polygons|a polygon|run lengths)"):
            CocoDetection(tmp_path, broken, masks=True)[0]
        assert CocoDetection(tmp_path, broken)[0].mask is None


def test_coco_squares() -> None:
    """The mask of a square on pixel edges is exactly its pixels; the area is that of the shoelace formula."""
    for left, top, side in ((2, 2, 4), (6, 2, 4), (15, 5, 1), (0, 0, 20), (-3, 17, 5)):
        right, bottom = left + side, top + side
        corners = [left, top, right, top, right, bottom, left, bottom]
        expected = np.zeros((20, 30), bool)
        expected[max(top, 0) : bottom, max(left, 0) : right] = True
        for turned in (corners, corners[2:] + corners[:2], [v for i in (6, 4, 2, 0) for v in corners[i : i + 2]]):
            np.testing.assert_array_equal(decode([turned], 20, 30), expected)
    # Two parts are one mask, and what they share is in it.
    both = decode([[2, 2, 6, 2, 6, 6, 2, 6], [4, 4, 8, 4, 8, 8, 4, 8]], 20, 30)
    assert both.sum() == 16 + 16 - 4
    assert not decode([[2, 2, 6, 2, 6, 2]], 20, 30).any()


@pytest.mark.parametrize("segmentation", [[[10**400, 2, 6, 2, 6, 8]], {"counts": [10**400, 3], "size": [8, 8]}])
def test_coco_masks_of_huge_numbers(segmentation: object, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    one = {"id": 9, "image_id": 7, "category_id": 44, "bbox": [1, 2, 3, 4], "segmentation": segmentation}
    found = CocoDetection(tmp_path, coco(tmp_path, annotations=[one]), masks=True)
    with pytest.raises(
        DataError, match=r"instances\.json: has for 'a\.png' (a polygon that is not|no polygons, nor run lengths)"
    ):
        found[0]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' arrays
@pytest.mark.parametrize("kind", ["inside", "outside", "whole", "fifths", "upright", "huge"])
def test_coco_polygons(kind: str) -> None:
    """Any corners, so that most outlines cross themselves: pixel for pixel those of pycocotools."""
    tools = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(["inside", "outside", "whole", "fifths", "upright", "huge"].index(kind))
    for _ in range(150):
        height, width = (int(n) for n in random.integers(1, 60, 2))
        low, high = (0, 1) if kind == "inside" else (-0.5, 1.5)
        parts = [random.uniform(low, high, (random.integers(3, 12), 2)) * [width, height] for _ in range(2)]
        if kind in ("whole", "fifths"):
            step = 1 if kind == "whole" else 5
            parts = [np.round(part * step) / step for part in parts]
        elif kind == "upright":
            for part in parts:
                part[1::2, 0] = part[: len(part) // 2 * 2 : 2, 0]
        elif kind == "huge":
            parts = [part * 10 ** random.uniform(0, 3) - 50 for part in parts]
        polygons = [part.ravel().tolist() for part in parts]
        theirs = tools.decode(tools.merge(tools.frPyObjects(polygons, height, width))) > 0
        np.testing.assert_array_equal(decode(polygons, height, width), theirs)


def test_coco_polygons_far_away() -> None:
    """No memory for what is outside."""
    assert decode([[-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300]], 7, 9).all()
    assert not decode([[1e9, 0, 1e300, 5, 1e9, 9]], 7, 9).any()


@pytest.mark.parametrize("masks", [False, True])
def test_coco_of_another_size(tmp_path: Path, masks: bool) -> None:
    """Resized after annotation, or turned by EXIF: boxes lie elsewhere, so that file and both sizes are named."""
    picture(tmp_path / "a.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # what is stored 6 x 8 (height x width) is shown 8 x 6
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "b.jpg", exif=turned)
    square = [[1, 1, 3, 1, 3, 3]]
    boxes = [{"id": i, "image_id": i, "category_id": 2, "bbox": [1, 1, 2, 2], "segmentation": square} for i in (1, 2)]

    def found(first: dict[str, Any], second: dict[str, Any], **options: Any) -> CocoDetection:
        images = [{"id": 1, "file_name": "a.png", **first}, {"id": 2, "file_name": "b.jpg", **second}]
        return CocoDetection(tmp_path, coco(tmp_path, images=images, annotations=boxes), masks=masks, **options)

    right = found({"height": 6, "width": 8}, {"height": 8, "width": 6.0})
    assert [right[i].boxes.tolist() for i in range(2)] == [[[1, 1, 3, 3]]] * 2
    wrong = found({"height": 12, "width": 16}, {"height": 6, "width": 8})
    for i, text in enumerate((r"a\.png: has height 6 and width 8, but 12 and 16 in .*instances\.json",
                              r"b\.jpg: has height 8 and width 6, but 6 and 8 in .*instances\.json")):  # fmt: skip
        with pytest.raises(DataError, match=text):
            wrong[i]
    with pytest.raises(DataError, match=r"a\.png: has height 6 and width 8, but 16 in"):
        found({"width": 16}, {})[0]
    with pytest.raises(DataError, match=r"has an image without width: expected a whole number, got '8'"):
        found({"width": "8"}, {})
    lenient = found({"height": 12, "width": 16}, {"height": 8, "width": 6}, on_error="skip")
    with pytest.warns(DataWarning, match=r"skipped .*a\.png: has height 6"):
        assert lenient[0].source.endswith("b.jpg")


def test_boxes_outside(tmp_path: Path) -> None:
    """A box of which nothing is within the picture is no longer dropped without a word."""
    picture(tmp_path / "a.png")
    picture(tmp_path / "JPEGImages" / "a.jpg")
    one = {"id": 9, "image_id": 7, "category_id": 44}
    for box in ([8, 0, 2, 2], [0, 6, 2, 2], [-3, 0, 3, 2], [20, 20, 5, 5]):
        with pytest.raises(DataError, match=r"a\.png: has height 6 and width 8, and a box outside of it: "):
            CocoDetection(tmp_path, coco(tmp_path, annotations=[{**one, "bbox": box}]))[0]
    outside = "<bndbox><xmin>30</xmin><ymin>2</ymin><xmax>40</xmax><ymax>6</ymax></bndbox>"
    voc(tmp_path, more=f"<object><name>cat</name>{outside}</object>")
    with pytest.raises(DataError, match=r"a\.jpg: has height 6 and width 8, and a box outside of it: 29, 1, 40, 6"):
        VocDetection(tmp_path)[0]


def test_coco_ids(tmp_path: Path) -> None:
    """Ids are whole numbers, and each is one thing's."""
    one = {"image_id": 7, "category_id": 44, "bbox": [1, 2, 3, 4]}
    for change, text in (
        ({"categories": [{"id": "44", "name": "x"}]}, "a category without id: expected a whole number, got '44'"),
        ({"images": [{"id": "7", "file_name": "a.png"}]}, "an image without id: expected a whole number, got '7'"),
        ({"images": [{"id": 7, "file_name": 5}]}, "an image without file_name: expected a text, got '5'"),
        ({"categories": [{"id": 2, "name": "x"}, {"id": 2, "name": "y"}]}, "has two categories of id 2: 'x' and 'y'"),
        (
            {"images": [{"id": 7, "file_name": n} for n in ("a.png", "b.png")]},
            "two images of id 7: 'a.png' and 'b.png'",
        ),
    ):
        for on_error in ("refuse", "skip"):
            with pytest.raises(DataError, match=text):
                CocoDetection(tmp_path, coco(tmp_path, **change), on_error)
    for found, left, text in (
        ([{**one, "image_id": "7"}], 0, "an annotation without image_id: expected a whole number, got '7'"),
        ([{**one, "category_id": "44"}], 0, "an annotation without category_id: expected a whole number, got '44'"),
        ([{**one, "id": "3"}], 0, "an annotation without id: expected a whole number, got '3'"),
        ([{**one, "id": 3}, {**one, "id": 3, "bbox": [0, 0, 2, 2]}], 1, "has two annotations of id 3"),
    ):
        file = coco(tmp_path, annotations=found)
        with pytest.raises(DataError, match=text):
            CocoDetection(tmp_path, file)
        with pytest.warns(DataWarning, match=text):
            assert CocoDetection(tmp_path, file, "skip").boxes_of(0) == left
    assert CocoDetection(tmp_path, coco(tmp_path, annotations=[one, one])).boxes_of(0) == 2  # ids may be missing


VOC = """<annotation><filename>{name}</filename>
<object><name>cat</name><difficult>0</difficult>
  <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult>
  <bndbox><xmin>3</xmin><ymin>1</ymin><xmax>9</xmax><ymax>3</ymax></bndbox></object>{more}</annotation>"""


def voc(root: Path, name: str = "a", text: str = VOC, picture_name: str | None = None, more: str = "") -> None:
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "Annotations" / f"{name}.xml").write_text(text.format(name=picture_name or f"{name}.jpg", more=more))


def test_voc(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
        voc(tmp_path, name)
    found = VocDetection(tmp_path)
    assert len(found) == 2
    assert found[0].boxes.tolist() == [[0, 1, 4, 6]]
    assert found.class_names[int(found[0].classes)] == "cat"
    both = VocDetection(tmp_path, difficult=True, class_names=["dog", "cat"])[1]
    assert both.boxes.tolist() == [[0, 1, 4, 6], [2, 0, 8, 3]]
    assert both.classes.tolist() == [1, 0]
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("b  1\n\n")
    assert [VocDetection(tmp_path, "val")[i].source[-5:] for i in range(1)] == ["b.jpg"]


def test_voc_of_another_size(tmp_path: Path) -> None:
    """As of COCO's; tools that did not know a size wrote 0."""
    picture(tmp_path / "JPEGImages" / "a.jpg")
    for height, width, right in ((6, 8, True), (0, 0, True), ("", 8, True), (8, 6, False), (12, 16, False)):
        voc(tmp_path, more=f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
        found = VocDetection(tmp_path)
        if right:
            assert found[0].boxes.tolist() == [[0, 1, 4, 6]]
        else:
            with pytest.raises(
                DataError, match=rf"a\.jpg: has height 6 and width 8, but {height} and {width} in .*a\.xml"
            ):
                found[0]
    voc(tmp_path, more="<size><width>wide</width></size>")
    with pytest.raises(DataError, match=r"a\.xml: has a width that is no whole number: 'wide'"):
        VocDetection(tmp_path)


def test_broken_voc(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "a.jpg")
    voc(tmp_path)
    box = "<object><name>cat</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object>"
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><annotation><filename>&b;</filename></annotation>'
    for options, text in (
        ({"more": "<object><name>unicorn</name></object>"}, "has an object of an unknown class 'unicorn'"),
        ({"more": "<object><name>cat</name></object>"}, "without a box of four numbers"),
        ({"more": box.format("x")}, "without a box of four numbers"),
        ({"more": box.format("nan")}, "has a box without an area"),
        ({"more": box.format("9")}, "has a box without an area"),
        ({"picture_name": "../../secret.jpg"}, "names no picture of the folder"),
        ({"picture_name": " "}, "names no picture of the folder"),
        ({"text": "<annotation>"}, "is not XML"),
        ({"text": bomb}, "has a document type"),
    ):
        voc(tmp_path, "b", **options)
        with pytest.raises(DataError, match=rf"b\.xml: .*{text}"):
            VocDetection(tmp_path)
        with pytest.warns(DataWarning, match=text):
            assert len(VocDetection(tmp_path, on_error="skip")) == 1
    with pytest.raises(DataError, match=r"val\.txt: cannot be read"):
        VocDetection(tmp_path, "val")
