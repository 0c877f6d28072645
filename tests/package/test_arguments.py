"""Wrong arguments of any kind: one error, which names the function, the argument, what was expected and what came."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import fastcnn.ops
from fastcnn import ArgumentError
from fastcnn._errors import BackendError
from fastcnn.pipelines import segment_instances

IMAGE = np.zeros((4, 5), np.float32)
LABELS = np.ones((4, 5), np.int32)
FRONTS = pytest.mark.parametrize(
    ("f", "of"), [(fastcnn.ops, np.asarray), (fastcnn.ops, torch.from_numpy)], ids=["array", "tensor"]
)

# f is the front, x an image and n labels of its kind, h any other array of its kind.
Call = Callable[[Any, Any, Any, Any], Any]
WRONG: list[tuple[Call, type[Exception], str]] = [
    (
        lambda f, x, n, h: f.peak_local_max(x, 1.5),
        TypeError,
        "peak_local_max: expected min_distance to be an int, got f",
    ),
    (
        lambda f, x, n, h: f.peak_local_max(x, 2**70),
        ArgumentError,
        "peak_local_max: expected min_distance to fit 64 bits",
    ),
    (lambda f, x, n, h: f.label(n, 1.5), TypeError, "label: expected connectivity to be an int, got float"),
    (lambda f, x, n, h: f.label(n, spatial_dims=4), ArgumentError, "label: expected spatial_dims 2 or 3, got 4"),
    (lambda f, x, n, h: f.erosion(None), TypeError, "erosion: expected image to be an? .*, got NoneType"),
    (lambda f, x, n, h: f.erosion(x, 3, border=3), TypeError, "erosion: expected border to be a str, got int"),
    (
        lambda f, x, n, h: f.erosion(x, [[1, 1], [1]]),
        ArgumentError,
        "erosion: expected footprint of rows of one length",
    ),
    (lambda f, x, n, h: f.erosion(x, 3, value=[]), TypeError, "erosion: expected value to be a number, got list"),
    (
        lambda f, x, n, h: f.watershed(x, n, mask=h),
        ArgumentError,
        r"watershed: .* mask of shape \(4, 5\), got \(4, 4\)",
    ),
    (lambda f, x, n, h: f.watershed(x, mask=h), ArgumentError, r"watershed: .* mask of shape \(4, 5\), got \(4, 4\)"),
    (lambda f, x, n, h: f.watershed(x, n, watershed_line="no"), TypeError, "watershed: .* watershed_line to be a bool"),
    (lambda f, x, n, h: f.region_table(n, max_labels=2**62), ArgumentError, "region_table: .* relabel_sequential"),
    (lambda f, x, n, h: f.region_table(n, max_labels=-1), ArgumentError, "region_table: .* at least 0, got -1"),
    (lambda f, x, n, h: f.resize(x, (2.5, 3)), TypeError, "resize: expected size of integers, got 2.5"),
    (lambda f, x, n, h: f.nms(h, h[0], "x"), TypeError, "nms: expected iou_threshold to be a number, got str"),
]


@FRONTS
@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text[:45] for *_, text in WRONG])
def test_wrong(f: Any, of: Any, call: Call, kind: type[Exception], text: str) -> None:
    other = of(np.ones((4, 4), np.float32))
    with pytest.raises(kind, match=text):
        call(f, of(IMAGE), of(LABELS), other)


@FRONTS
def test_nested_lists_are_footprints(f: Any, of: Any) -> None:
    """Their members are what is not zero; SciPy's origin."""
    image = of(np.arange(20, dtype=np.float32).reshape(4, 5))
    got = np.asarray(f.erosion(image, [[1, 1], [0, 1]]))
    member = of(np.array([[True, True], [False, True]]))
    np.testing.assert_array_equal(got, np.asarray(f.erosion(image, member)))
    assert np.asarray(f.peak_local_max(image, 2**31)).shape == (1, 2)  # farther than any image is wide


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf")])
def test_thresholds_are_finite(threshold: float) -> None:
    with pytest.raises(ArgumentError, match="segment_instances: expected threshold to be finite"):
        segment_instances(IMAGE, threshold=threshold)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # still to be met, though deprecated
def test_tensors_are_plain() -> None:
    x = torch.from_numpy(IMAGE)
    for wrong, kind, text in [
        (torch.quantize_per_tensor(x, 1.0, 0, torch.quint8), TypeError, "erosion: .* got a quantized one: dequantize"),
        (
            torch.nested.as_nested_tensor([x, x], layout=torch.jagged),
            TypeError,
            "erosion: .* got a nested one: pad or l",
        ),
        (x.to_sparse(), BackendError, "erosion: expected strided tensors .*, got a sparse_coo one"),
    ]:
        with pytest.raises(kind, match=text):
            fastcnn.ops.erosion(wrong)
