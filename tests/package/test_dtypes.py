"""Every public op on every dtype of NumPy and torch: the result of the widened computation, or an error that lists what
is taken. An op that is not in the table fails."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import fastcnn.ops

FLOAT = ("float16", "bfloat16", "float32", "float64")
SMOOTH = ("uint8", "uint16", "int16", "int32", *FLOAT)
INTEGER = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
LABEL = ("bool", *INTEGER)
NUMBER = (*INTEGER, *FLOAT)
ORDER = ("bool", *NUMBER)
ANY = (*ORDER, "complex64", "complex128", "float8_e4m3fn", "float8_e5m2")
NUMPY = ("longdouble", *(d for d in ANY if not d.startswith(("bfloat", "float8"))))

_RNG = np.random.default_rng(11)
# Values that every dtype holds, float8 included.
IMAGE = _RNG.integers(0, 9, (2, 9, 11))
VOLUME = _RNG.integers(0, 9, (2, 3, 5, 8, 9))
BINARY = np.kron(_RNG.integers(0, 2, (2, 5, 6)), np.ones((1, 2, 2), int))
LABELS = np.array(
    [[[1, 1, 0, 2, 2], [1, 0, 0, 0, 2], [0, 3, 3, 0, 5]], [[0, 7, 7, 0, 0], [0, 7, 0, 0, 4], [0, 0, 0, 4, 4]]]
)
MARKERS = np.zeros_like(IMAGE)
MARKERS[:, 1, 1], MARKERS[:, 7, 9] = 3, 5
LARGE = np.kron(_RNG.integers(0, 9, (6, 8)), np.ones((4, 4), int))
MAP = _RNG.integers(0, 9, (1, 4, 8, 8)).astype(np.float32)
WEIGHT = _RNG.integers(0, 3, (4, 4, 3, 3)).astype(np.float32)
BOXES = np.array([[0, 0, 4, 4], [1, 1, 5, 5], [4, 4, 8, 8]], np.float32)
SMALL = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 2, 4, 4]], np.float32)
ROTATED = np.array([[2, 2, 4, 4, 0], [3, 3, 4, 4, 0], [6, 6, 4, 4, 0]], np.float32)
SCORES = np.array([0.5, 1.0, 0.25], np.float32)
CLASSES = np.array([1, 1, 2])
ROIS = np.array([[0, 0, 0, 4, 4], [0, 1, 1, 6, 7]], np.float32)
POOLED = MAP[:, :, ::2, ::2]
PLACES = np.arange(0, 64, 4).reshape(1, 1, 4, 4) % 64 + np.zeros((1, 4, 1, 1), np.int64)

# op, or op/argument: the dtypes that it takes, and a call: f is the op, t(array) has the dtype in question, k(array)
# the array's own.
Call = Callable[..., Any]
TABLE: dict[str, tuple[tuple[str, ...], Call]] = {
    "adaptive_avg_pool1d": (FLOAT, lambda f, t, k: f(t(MAP[0]), 3)),
    "adaptive_avg_pool2d": (FLOAT, lambda f, t, k: f(t(MAP), 3)),
    "adaptive_avg_pool3d": (FLOAT, lambda f, t, k: f(t(VOLUME), 2)),
    "adaptive_max_pool1d": (ORDER, lambda f, t, k: f(t(IMAGE), 3, return_indices=True)),
    "adaptive_max_pool2d": (ORDER, lambda f, t, k: f(t(IMAGE), 3, return_indices=True)),
    "adaptive_max_pool3d": (ORDER, lambda f, t, k: f(t(VOLUME), 2, return_indices=True)),
    "avg_pool1d": (FLOAT, lambda f, t, k: f(t(IMAGE), 2)),
    "avg_pool2d": (FLOAT, lambda f, t, k: f(t(MAP), 2)),
    "avg_pool3d": (FLOAT, lambda f, t, k: f(t(VOLUME), 2)),
    "batched_nms": (FLOAT, lambda f, t, k: f(t(BOXES), t(SCORES), k(CLASSES), 0.3)),
    "batched_nms/idxs": (INTEGER, lambda f, t, k: f(k(BOXES), k(SCORES), t(CLASSES), 0.3)),
    "binarize_local": (SMOOTH, lambda f, t, k: f(t(IMAGE), 3, "mean")),
    "box_area": (NUMBER, lambda f, t, k: f(t(BOXES))),
    "box_convert": (NUMBER, lambda f, t, k: f(t(BOXES), "xyxy", "xywh")),
    "box_iou": (FLOAT, lambda f, t, k: f(t(BOXES), t(BOXES))),
    "box_iou_rotated": (FLOAT, lambda f, t, k: f(t(ROTATED), t(ROTATED))),
    "clear_border": (LABEL, lambda f, t, k: f(t(LABELS))),
    "clip_boxes_to_image": (NUMBER, lambda f, t, k: f(t(BOXES), (4, 5))),
    "closing": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "complete_box_iou": (FLOAT, lambda f, t, k: f(t(BOXES), t(BOXES))),
    "complete_box_iou_loss": (FLOAT, lambda f, t, k: f(t(SMALL), t(SMALL[::-1]))),
    "conv1d": (FLOAT, lambda f, t, k: f(t(MAP[:, :, 0]), t(WEIGHT[:, :, 0]), padding=1)),
    "conv2d": (FLOAT, lambda f, t, k: f(t(MAP), t(WEIGHT), padding=1)),
    "conv3d": (FLOAT, lambda f, t, k: f(t(MAP[:, :, None]), t(WEIGHT[:, :, None]), padding=(0, 1, 1))),
    "conv_transpose1d": (FLOAT, lambda f, t, k: f(t(MAP[:, :, 0]), t(WEIGHT[:, :, 0]))),
    "conv_transpose2d": (FLOAT, lambda f, t, k: f(t(MAP), t(WEIGHT))),
    "conv_transpose3d": (FLOAT, lambda f, t, k: f(t(MAP[:, :, None]), t(WEIGHT[:, :, None]))),
    "decode_boxes": (FLOAT, lambda f, t, k: f(t(BOXES * 0), t(BOXES))),
    "deform_conv2d": (FLOAT, lambda f, t, k: f(t(MAP), t(np.zeros((1, 18, 6, 6))), t(WEIGHT))),
    "diamond": ((), lambda f, t, k: f(2)),
    "dilation": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "disk": ((), lambda f, t, k: f(2)),
    "distance_box_iou": (FLOAT, lambda f, t, k: f(t(BOXES), t(BOXES))),
    "distance_box_iou_loss": (FLOAT, lambda f, t, k: f(t(SMALL), t(SMALL[::-1]))),
    "distance_transform_edt": (ORDER, lambda f, t, k: f(t(BINARY))),
    "encode_boxes": (FLOAT, lambda f, t, k: f(t(BOXES), t(BOXES[::-1]))),
    "erosion": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "erosion/value": (ORDER, lambda f, t, k: f(t(IMAGE), border="constant", value=1.0)),
    "felzenszwalb": (ORDER, lambda f, t, k: f(t(BINARY), scale=100, sigma=0, min_size=1)),
    "fill_holes": (ORDER, lambda f, t, k: f(t(BINARY))),
    "gaussian_blur": (SMOOTH, lambda f, t, k: f(t(IMAGE), 1.0)),
    "generalized_box_iou": (FLOAT, lambda f, t, k: f(t(BOXES), t(BOXES))),
    "generalized_box_iou_loss": (FLOAT, lambda f, t, k: f(t(SMALL), t(SMALL[::-1]))),
    "generate_anchors": ((), lambda f, t, k: f([(2, 2)], [(8, 8)], [[8.0]], [[1.0]])),
    "hexagon": ((), lambda f, t, k: f(2)),
    "hog": (ORDER, lambda f, t, k: f(t(LARGE), pixels_per_cell=(4, 4), cells_per_block=(1, 1))),
    "image_pyramid": (SMOOTH, lambda f, t, k: [level[0] for level in f(t(LARGE), 2, 8, max_levels=2)]),
    "label": (ORDER, lambda f, t, k: f(t(BINARY), return_num=True)),
    "line": ((), lambda f, t, k: f(3, 45)),
    "local_maxima": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "local_minima": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "masks_to_boxes": (ORDER, lambda f, t, k: f(t(BINARY))),
    "matrix_nms": (FLOAT, lambda f, t, k: f(t(BOXES), t(SCORES))),
    "max_pool1d": (ORDER, lambda f, t, k: f(t(IMAGE), 3, 1, 1, return_indices=True)),
    "max_pool2d": (ORDER, lambda f, t, k: f(t(IMAGE), 3, 1, 1)),
    "max_pool3d": (ORDER, lambda f, t, k: f(t(VOLUME), 3, 1, 1)),
    "max_unpool1d": (ORDER, lambda f, t, k: f(t(POOLED[0, :, 0]), k(PLACES[0, :, 0]), 4)),
    "max_unpool2d": (ORDER, lambda f, t, k: f(t(POOLED), k(PLACES), 2)),
    "max_unpool3d": (ORDER, lambda f, t, k: f(t(POOLED[:, :, None]), k(PLACES[:, :, None]), (1, 2, 2))),
    "morphological_gradient": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "nms": (FLOAT, lambda f, t, k: f(t(BOXES), t(SCORES), 0.3)),
    "nms_padded": (FLOAT, lambda f, t, k: f(t(BOXES[None]), t(SCORES[None]), 0.3, 3)),
    "nms_padded/classes": (
        INTEGER,
        lambda f, t, k: f(k(BOXES[None]), k(SCORES[None]), 0.3, 3, classes=t(CLASSES[None])),
    ),
    "nms_rotated": (FLOAT, lambda f, t, k: f(t(ROTATED), t(SCORES), 0.3)),
    "opening": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "peak_local_max": (ORDER, lambda f, t, k: f(t(IMAGE))),
    "peak_local_max/labels": (INTEGER, lambda f, t, k: f(k(IMAGE), labels=t(MARKERS + 1))),
    "peak_local_max_padded": (ORDER, lambda f, t, k: f(t(IMAGE), 9)),
    "ps_roi_align": (FLOAT, lambda f, t, k: f(t(MAP), t(ROIS), 2)),
    "ps_roi_pool": (FLOAT, lambda f, t, k: f(t(MAP), t(ROIS), 2)),
    "rectangle": ((), lambda f, t, k: f(2, 3)),
    "region_table": (LABEL, lambda f, t, k: f(t(LABELS), k(LABELS.astype(np.float32)))),
    "region_table/intensity": (ORDER, lambda f, t, k: f(k(LABELS), t(LABELS))),
    "relabel_sequential": (LABEL, lambda f, t, k: f(t(LABELS))),
    "remove_small_boxes": (NUMBER, lambda f, t, k: f(t(BOXES), 4)),
    "remove_small_holes": (ORDER, lambda f, t, k: f(t(BINARY), 4)),
    "remove_small_objects": (LABEL, lambda f, t, k: f(t(LABELS), 2)),
    "resize": (SMOOTH, lambda f, t, k: f(t(IMAGE), (5, 17))),
    "resize/nearest": (ORDER, lambda f, t, k: f(t(IMAGE), (5, 17), "nearest")),
    "roi_align": (FLOAT, lambda f, t, k: f(t(MAP), t(ROIS), 2)),
    "roi_pool": (FLOAT, lambda f, t, k: f(t(MAP), t(ROIS), 2)),
    "selective_search": (ORDER, lambda f, t, k: f(t(LARGE), sigma=0, seed=3)),
    "selective_search_padded": (ORDER, lambda f, t, k: f(t(LARGE), sigma=0, seed=3, max_boxes=5)),
    "sliding_windows": (ANY, lambda f, t, k: f(t(IMAGE), 3, 2)),
    "soft_nms": (FLOAT, lambda f, t, k: f(t(BOXES), t(SCORES), 0.3)),
    "spatial_pyramid_pool": (ORDER, lambda f, t, k: f(t(MAP), (1, 2))),
    "square": ((), lambda f, t, k: f(2)),
    "threshold_local": (SMOOTH, lambda f, t, k: f(t(IMAGE), 3, "mean")),
    "threshold_otsu": (NUMBER, lambda f, t, k: f(t(IMAGE))),
    "warp_affine": (SMOOTH, lambda f, t, k: f(t(IMAGE), k(np.array([[1, 0.5, 1], [0, 1, -1.5]])))),
    "warp_affine/nearest": (ORDER, lambda f, t, k: f(t(IMAGE), k(np.eye(2, 3) * 2), mode="nearest", fill=1)),
    "watershed": (ORDER, lambda f, t, k: f(t(IMAGE), k(MARKERS))),
    "watershed/markers": (INTEGER, lambda f, t, k: f(k(IMAGE), t(MARKERS))),
    "watershed/mask": (ORDER, lambda f, t, k: f(k(IMAGE), mask=t(MARKERS == 0))),
    "watershed/compact": (ORDER, lambda f, t, k: f(t(IMAGE), k(MARKERS), compactness=0.5)),
}


def functions(names: Iterable[str]) -> set[str]:
    return {name for name in names if inspect.isfunction(getattr(fastcnn.ops, name))}


def test_the_table_is_complete() -> None:
    assert {key.partition("/")[0] for key in TABLE} == functions(fastcnn.ops.__all__)


class Numpy:
    names = fastcnn.ops.FOR_ARRAYS

    @staticmethod
    def of(array: np.ndarray, dtype: str | None) -> Any:
        return array if dtype is None else array.astype(dtype)


class Torch:
    names = fastcnn.ops.__all__

    @staticmethod
    def of(array: np.ndarray, dtype: str | None) -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor if dtype is None else tensor.to(getattr(torch, dtype))


def leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, (tuple, list)):
        for one in result:
            yield from leaves(one)
    elif result is not None:
        yield result


def as_array(leaf: Any) -> np.ndarray:
    if isinstance(leaf, torch.Tensor):
        leaf = leaf.to(torch.complex128 if leaf.is_complex() else torch.float64).numpy()
    return np.asarray(leaf)


# Where integers count as fractions of their dtype's range.
FRACTIONS = ("felzenszwalb", "selective_search", "selective_search_padded")


def run(kind: Any, key: str, dtype: str, values: str) -> list[Any]:
    """Call the op with arrays of `dtype` that hold what those of the dtype `values` hold."""
    _, call = TABLE[key]
    op = key.partition("/")[0]

    def typed(array: np.ndarray) -> Any:
        if values == "bool":
            array = (array != 0).astype(np.float64)
        if op in FRACTIONS and values in INTEGER and dtype != values:
            limits = np.iinfo(values)
            array = array / limits.max if limits.min == 0 else array * (2 / (float(limits.max) - float(limits.min)))
        return kind.of(array, dtype)

    return list(leaves(call(getattr(fastcnn.ops, op), typed, lambda array: kind.of(array, None))))


def wider(key: str, dtype: str) -> str:
    """A dtype that holds everything, whose kernels are not those in question."""
    if "complex" in dtype:
        return "complex128"
    if key == "remove_small_objects" and dtype == "bool":
        return "bool"  # components and not labels
    whole = dtype in LABEL and "int64" in TABLE[key][0] and key not in FRACTIONS
    return "int64" if whole else "float64"


def kind_of(leaf: Any) -> str:
    return str(leaf.dtype).rpartition(".")[2]


CASES = [
    pytest.param(kind, key, dtype, id=f"{kind.__name__.lower()}-{key}-{dtype}")
    for kind, dtypes in ((Numpy, NUMPY), (Torch, ANY))
    for key in TABLE
    if key.partition("/")[0] in functions(kind.names)
    for dtype in (dtypes if TABLE[key][0] else ("float32",))
]


@pytest.mark.parametrize(("kind", "key", "dtype"), CASES)
def test_dtype(kind: Any, key: str, dtype: str) -> None:
    taken = TABLE[key][0]
    if not taken:
        assert run(kind, key, dtype, dtype)
        return
    try:
        got = run(kind, key, dtype, dtype)
    except TypeError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        name = np.dtype(dtype).name if dtype == "longdouble" else dtype
        assert re.match(rf"\w+: expected \w+ of dtype [\w, ]+, got {name}", refusal), refusal
        assert dtype not in taken, refusal
        return
    want = run(kind, key, wider(key, dtype), dtype)
    assert len(got) == len(want)
    rough = dtype.startswith(("bfloat16", "float16", "float8"))
    for g, w in zip(got, want, strict=True):
        expected = as_array(w)
        if kind_of(g).startswith(("float", "bfloat", "complex")):
            # Computed in float32 and rounded once; float32 against float64: sums of at most some hundred products.
            unit = {"bf": 2.0**-8, "fl": 2.0**-11}[dtype[:2]] if rough else 0.0
            np.testing.assert_allclose(as_array(g), expected, rtol=unit + 1e-6, atol=1e-7)
        else:  # rounded to nearest, where the wide result is no integer
            np.testing.assert_allclose(
                as_array(g), expected, rtol=0, atol=0.5001 if kind_of(w).startswith("float") else 0
            )
