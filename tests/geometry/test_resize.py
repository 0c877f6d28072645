"""Resizing against torch, Pillow and OpenCV."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, FLOATS, INTEGERS, OpTester, random_image

SMOOTH = ("uint8", "uint16", "int16", "int32", *FLOATS)
ERRORS: list[Any] = [
    ((np.zeros(7), 3), {}, ArgumentError, r"resize: expected image of shape \(\.\.\., H, W\), got \(7,\)"),
    ((np.zeros((7, 7)), 0), {}, ArgumentError, r"resize: expected size of at least 1, got \(0, 0\)"),
    ((np.zeros((7, 7)), (1, 2, 3)), {}, ArgumentError, "resize: expected size of 2 values, got 3"),
    ((np.zeros((7, 7)), 1.5), {}, TypeError, "resize: expected size of integers, got 1.5"),
    (
        (np.zeros((7, 7)), 3),
        {"mode": "area"},
        ArgumentError,
        "resize: expected mode to be one of nearest, .*, got area",
    ),
    ((np.zeros((7, 7)), 3), {"mode": "nearest", "antialias": True}, ArgumentError, "expected antialias=False"),
    ((np.zeros((0, 7)), 3), {}, ArgumentError, r"resize: expected image with pixels, got \(0, 7\)"),
    ((np.zeros((7, 7), bool), 3), {}, TypeError, "resize: expected image of dtype uint8, .*, got bool"),
    ((np.zeros((7, 7), np.int64), 3), {}, TypeError, "got int64"),
    ((np.zeros((7, 7), np.complex64), 3), {"mode": "nearest"}, TypeError, "resize: expected image of"),
]


def interpolate(image: np.ndarray, size: Any, mode: str = "bilinear", antialias: bool = False) -> np.ndarray:
    """torch's, in float64."""
    size = (size, size) if isinstance(size, int) else tuple(size)
    if (
        size[1] == 1 < size[0]
    ):  # torch 2.13's antialiased bicubic gives equal rows then (Pillow's is as its transpose's)
        turned = interpolate(image.swapaxes(-1, -2), size[::-1], mode, antialias)
        return turned.swapaxes(-1, -2)
    planes = torch.from_numpy(image.astype(np.float64)).reshape(1, -1, *image.shape[-2:])
    result = torch.nn.functional.interpolate(planes, size, mode=mode, antialias=antialias)
    return result.reshape(*image.shape[:-2], *size).numpy()


def rounding(shape: Any, size: Any, mode: str, antialias: bool, unit: float) -> float:
    """How far a result may be off, for values up to 1.

    Along each axis at most `taps` products are rounded and summed, with weights that are rounded, of absolute values of
    a sum of at most 1.375 for the cubic. Places are rounded six times in double, ours and torch's, at up to the side's
    length; what they shift is at most twice the sum of the weights, by the shift.
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    cubic = mode == "bicubic"
    weights = (1.375 if cubic else 1) ** 2
    error = 0.0
    for before, after in zip(shape[-2:], size, strict=True):
        stretch = max(before / after, 1) if antialias else 1
        taps = min(before, 2 * (2 if cubic else 1) * stretch + 1)
        error += (taps + 2) * unit + 2 * 6 * max(before, after) * 2.0**-53
    return error * weights


def random_values(rng: np.random.Generator, shape: Any, dtype: str) -> np.ndarray:
    """Return random values from the whole range of a dtype."""
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


class Resizing(OpTester):
    """The result's sides are given: it has pixels where the batch is not empty, and needs an image that has."""

    def test_empty(self, case: dict[str, Any]) -> None:
        for image in (np.zeros((0, 5, 7)), torch.zeros(0, 5, 7)):
            result = getattr(F, self.op)(image, **case)
            assert result.shape[0] == 0
            assert result.shape[1:] == self.oracle(np.zeros((1, 5, 7)), **case).shape[1:]
            with pytest.raises(ArgumentError, match=f"{self.op}: expected image with pixels, got"):
                getattr(F, self.op)(image.reshape(2, 0, 7), **{"size": (3, 3), **case})


class TestNearest(Resizing):
    op = "resize"
    dtypes = (*INTEGERS, *FLOATS)
    differentiable = True
    cases = [{"size": s, "mode": m} for s in ([9, 5], [40, 61], 1) for m in ("nearest", "nearest-exact")]
    errors = ERRORS

    def oracle(self, image: np.ndarray, **kwargs: Any) -> np.ndarray:
        return interpolate(image, **kwargs).astype(image.dtype)


class TestSmooth(Resizing):
    op = "resize"
    dtypes = SMOOTH
    cases = [
        {"size": [9, 5]},
        {"size": [40, 61]},
        {"size": [40, 7], "mode": "bicubic"},
        {"size": [9, 5], "antialias": True},
        {"size": [2, 70], "antialias": True, "mode": "bicubic"},
    ]
    shapes = [*AWKWARD, (41, 300), (300, 41)]
    errors = ERRORS
    differentiable = True
    isa_tolerance = 1e-5  # fused multiply-adds

    def inputs(self, rng: np.random.Generator, shape: Any, dtype: str) -> tuple[np.ndarray, ...]:
        return (random_values(rng, shape, dtype),)

    def oracle(self, image: np.ndarray, **kwargs: Any) -> np.ndarray:
        largest = float(np.abs(image.astype(np.float64)).max(initial=1))
        unit = 2.0**-53 if image.dtype == np.float64 else 2.0**-24
        options = {"mode": "bilinear", "antialias": False, **kwargs}
        self.error = rounding(image.shape, unit=unit, **options) * largest
        expected = interpolate(image, **kwargs)
        if image.dtype.kind != "f":
            expected = expected.clip(np.iinfo(image.dtype).min, np.iinfo(image.dtype).max)
        return expected.astype(np.longdouble)  # to be told from results of ours

    def test_isa(self, case: Any, dtype: str, isa_runner: Any) -> None:
        """ISAs differ in the fusing of sums: by rounding, which may tip an integer."""
        (image,) = self.inputs(self.rng(), (2, 45, 131), dtype)
        expected = self.oracle(image, **case)
        for (got,) in isa_runner(self.op, (image,), case):
            assert got.dtype == image.dtype
            self.compare(got, expected)

    def compare(self, got: np.ndarray, expected: np.ndarray) -> None:
        assert got.shape == expected.shape
        if expected.dtype != np.longdouble:  # both ours
            np.testing.assert_array_equal(got, expected)
        elif got.dtype.kind == "f":
            relative = 2.0**-11 * 1.001 if got.dtype.itemsize == 2 else 0  # float16 is rounded to once more
            np.testing.assert_allclose(got, expected, rtol=relative, atol=self.error)
        else:
            np.testing.assert_allclose(got, expected, rtol=0, atol=0.5 + self.error)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_pixels_that_torch_takes(mode: str) -> None:
    """For every pair of sizes, those with places that rounding decides among them."""
    for before in range(1, 120, 7):
        line = np.arange(before)[None]
        for after in range(1, 130):
            np.testing.assert_array_equal(F.resize(line, (1, after), mode)[0], interpolate(line, (1, after), mode)[0])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_pillow(mode: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((37, 53)).astype(np.float32)
    method = PIL.Image.Resampling.BILINEAR if mode == "bilinear" else PIL.Image.Resampling.BICUBIC
    for height, width in ((12, 53), (37, 20), (5, 7), (80, 30)):
        expected = np.asarray(PIL.Image.fromarray(image).resize((width, height), method))
        bound = rounding(image.shape, (height, width), mode, True, 2.0**-24) + 2.0**-24  # and Pillow's result
        np.testing.assert_allclose(F.resize(image, (height, width), mode, antialias=True), expected, rtol=0, atol=bound)


def test_opencv() -> None:
    image = np.random.default_rng(0).random((37, 53, 3)).astype(np.float32)
    for flag, mode in ((cv2.INTER_LINEAR, "bilinear"), (cv2.INTER_CUBIC, "bicubic")):
        expected = cv2.resize(image, (80, 90), interpolation=flag)
        # OpenCV computes in float32, places too: two roundings of 2^-19 on each axis, at up to 53, of weights whose
        # derivatives have absolute values of a sum of at most 2 (cubic: 3.2), half of which values in [0, 1] can meet.
        places = 2 * 2 * 2.0**-19 * (1 if mode == "bilinear" else 1.6)
        bound = 2 * rounding(image.shape, (90, 80), mode, False, 2.0**-24) + places
        np.testing.assert_allclose(F.resize(image, (90, 80), mode, channel_axis=-1), expected, rtol=0, atol=bound)


def test_values_outside_the_taps_do_not_count() -> None:
    """Infinity and NaN reach the results whose range holds them, by a weight that is not 0, and no others."""
    rng = np.random.default_rng(1)
    for mode in ("bilinear", "bicubic"):
        for antialias in (False, True):
            for height, width in ((20, 30), (7, 9), (40, 90), (21, 33)):
                image = rng.random((20, 30)).astype(np.float32)
                image[7, 11] = np.nan
                got = F.resize(image, (height, width), mode, antialias)
                marked = np.zeros((20, 30))
                marked[7, 11] = 1
                # Which results a pixel reaches, by the transposed map.
                reached = interpolate(marked, (height, width), mode, antialias) != 0
                np.testing.assert_array_equal(np.isnan(got), reached)
    same = rng.random((5, 6)).astype(np.float32)
    for mode in ("bilinear", "bicubic"):
        np.testing.assert_array_equal(F.resize(same, (5, 6), mode), same)


def test_gradients() -> None:
    """The transposed map, of each mode; sums agree with torch's."""
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((2, 3, 11, 8)))
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        for antialias in (False, True) if mode.startswith("bi") else (False,):
            for size in ((5, 13), (22, 3), (1, 1)):
                weight = torch.from_numpy(rng.standard_normal((2, 3, *size)))
                ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
                (F.resize(ours, size, mode, antialias) * weight).sum().backward()
                result = torch.nn.functional.interpolate(theirs, size, mode=mode, antialias=antialias)
                (result * weight).sum().backward()
                # A pixel reaches at most `reached` results, of values below 5; each product and sum rounds, on both
                # sides, and places six times at up to 22, which the weights (below 1) follow at most twice as fast.
                reached = min(size[0], 4 * max(1, size[0] / 11) + 1) * min(size[1], 4 * max(1, size[1] / 8) + 1)
                bound = 2 * 5 * reached * (reached + 2 * 6 * 22) * 2.0**-53
                torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=bound)
    for dtype in (torch.float16, torch.bfloat16):
        half = x.to(dtype).requires_grad_()
        F.resize(half, 4).sum().backward()
        assert half.grad.dtype == dtype


def test_random_sizes() -> None:
    rng = np.random.default_rng(3)
    for _ in range(150):
        image = random_image(rng, rng.integers(1, 60, 2), "float64")
        size = tuple(map(int, rng.integers(1, 90, 2)))
        mode = rng.choice(["bilinear", "bicubic"])
        antialias = bool(rng.integers(2))
        bound = 2 * rounding(image.shape, size, mode, antialias, 2.0**-53) * max(1, np.abs(image).max())
        np.testing.assert_allclose(
            F.resize(image, size, mode, antialias), interpolate(image, size, mode, antialias), rtol=0, atol=bound
        )
