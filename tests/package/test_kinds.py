"""One function for arrays and tensors: what comes in goes out, and nothing else is loaded or mixed."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import fastcnn.ops as F

IMAGE = np.random.default_rng(0).random((3, 12, 14), np.float32)
CHANNELWISE = [
    "binarize_local", "closing", "dilation", "erosion", "fill_holes", "gaussian_blur", "local_maxima", "local_minima",
    "morphological_gradient", "opening", "remove_small_holes", "remove_small_objects", "resize", "threshold_local",
    "warp_affine",
]  # fmt: skip
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "gaussian_blur": (1.0,),
    "remove_small_holes": (3,),
    "remove_small_objects": (3,),
    "resize": ((5, 6),),
    "warp_affine": ([[1, 0, 1], [0, 1, 2]],),
}


def test_every_channel_axis_is_tested() -> None:
    found = {n for n in F.__all__ if hasattr(getattr(F, n), "without_channels")}
    assert found == set(CHANNELWISE)
    assert all("channel_axis" in inspect.signature(getattr(F, n)).parameters for n in found)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("name", CHANNELWISE)
def test_channel_axis(name: str, kind: Any) -> None:
    function, arguments = getattr(F, name), ARGUMENTS.get(name, ())
    image = IMAGE > 0.4 if name.startswith("remove") else IMAGE
    expected = np.asarray(function(kind(image), *arguments))
    moved = kind(np.ascontiguousarray(np.moveaxis(image, 0, -1)))
    got = function(moved, *arguments, channel_axis=-1)
    assert type(got) is type(moved)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(got), -1, 0), expected)


def test_mixed_kinds() -> None:
    image, markers = IMAGE[0], torch.zeros(12, 14, dtype=torch.int32)
    text = r"watershed: expected arrays only or tensors only, got image of numpy\.ndarray, markers of Tensor"
    with pytest.raises(TypeError, match=text):
        F.watershed(image, markers)
    with pytest.raises(TypeError, match="watershed: expected arrays only or tensors only"):
        F.watershed(torch.from_numpy(image), mask=image > 0.5)


class Foreign:
    """Memory of another library."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_memory_of_other_libraries() -> None:
    got = F.erosion(Foreign(IMAGE))  # type: ignore[type-var]  # no array, and no tensor
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, F.erosion(IMAGE))
    with pytest.raises(TypeError, match=r"erosion: expected image in memory that NumPy can read, got .*Foreign"):
        F.erosion(Foreign(torch.zeros(3, 3, requires_grad=True)))  # type: ignore[type-var]


COLD = """
import fastcnn.ops as F
import torch
f = torch.compile(lambda x: F.opening(x, F.disk(2)) + F.gaussian_blur(x, 1.0), fullgraph=True, backend="aot_eager")
x = torch.rand(9, 11)
assert torch.equal(f(x), F.opening(x, F.disk(2)) + F.gaussian_blur(x, 1.0))
print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


def test_a_cold_compile() -> None:
    """Before torch, and before any tensor, fastcnn is loaded; what the trace imports is no guard that it breaks."""
    done = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_arrays_need_no_torch() -> None:
    code = (
        "import sys, numpy as np, fastcnn.ops as I\n"
        "I.watershed(I.distance_transform_edt(I.opening(np.eye(9) > 0, I.disk(1))))\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
