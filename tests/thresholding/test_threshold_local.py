"""Local thresholds, and the fused comparison with them, against scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
import torch
from skimage.filters import threshold_local

import fastcnn
import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, OpTester

DTYPES = ("uint8", "uint16", "int16", "int32", "float16", "float64", "float32")


def skimage_local(image, block_size=35, method="gaussian", offset=0.0):
    """Per image, in float64; returned as longdouble, to be told from results of ours."""
    flat = image.reshape(-1, *image.shape[-2:]).astype(np.float64)
    out = np.empty_like(flat)
    for one, result in zip(flat, out, strict=True):
        result[...] = threshold_local(one, block_size, method, offset)
    return out.reshape(image.shape).astype(np.longdouble)


def pixels(rng, shape, dtype):
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


class Local(OpTester):
    dtypes = DTYPES
    cases = [
        {},
        {"block_size": 31, "method": "mean"},
        {"block_size": 1, "method": "mean", "offset": 0.25},
        {"block_size": 7, "method": "mean", "offset": -3.0},
        {"block_size": 131, "method": "mean", "offset": 0.1},
        {"block_size": 5, "method": "gaussian", "offset": 2.5},
    ]
    shapes = [*AWKWARD, (41, 300), (300, 41)]
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"block_size": 4}, ArgumentError, "expected block_size to be odd .*, got 4"),
        ((np.zeros((7, 7)),), {"block_size": -3}, ArgumentError, "expected block_size to be odd .*, got -3"),
        ((np.zeros((7, 7)),), {"block_size": 32769}, ArgumentError, "between 1 and 32767, got 32769"),
        ((np.zeros((7, 7)),), {"block_size": 3.5}, TypeError, "expected block_size to be an int, got float"),
        ((np.zeros((7, 7)),), {"method": "median"}, ArgumentError, "expected method gaussian or mean, got median"),
        ((np.zeros((7, 7)),), {"offset": float("nan")}, ArgumentError, "expected offset to be finite"),
        ((np.zeros((7, 7), bool),), {}, TypeError, "expected image of dtype uint8, .*, got bool"),
        ((np.zeros((7, 7), np.int64),), {}, TypeError, "got int64"),
    ]

    def inputs(self, rng, shape, dtype):
        return (pixels(rng, shape, dtype),)


class TestThresholdLocal(Local):
    op = "threshold_local"
    differentiable = True

    def oracle(self, image, **kwargs):
        self.exact = image.dtype.kind in "iu" and kwargs.get("method") == "mean"
        self.scale = float(np.abs(image.astype(np.float64)).max(initial=1)) + abs(kwargs.get("offset", 0))
        wide = image.dtype.name in ("int32", "float64")
        self.result = np.dtype(np.float64 if wide else np.float32)
        return skimage_local(image, **kwargs)

    def test_isa(self, case, dtype, isa_runner):
        """Means of integers are equal on every ISA; other sums differ by rounding."""
        (image,) = self.inputs(self.rng(), (2, 45, 131), dtype)
        expected = self.oracle(image, **case)
        ours = fc.threshold_local(image, **case)
        for (got,) in isa_runner(self.op, (image,), case):
            self.compare(got, ours if self.exact else expected)

    def compare(self, got, expected):
        assert got.shape == expected.shape
        if expected.dtype != np.longdouble:  # both ours
            np.testing.assert_array_equal(got, expected)
            return
        assert got.dtype == self.result
        # An exact sum is rounded at the division and at the subtraction; skimage's own running sums have errors too.
        unit = np.finfo(self.result).eps * self.scale
        np.testing.assert_allclose(got, expected, rtol=0, atol=(1 if self.exact and got.itemsize == 4 else 16) * unit)


class TestBinarizeLocal(Local):
    op = "binarize_local"

    def oracle(self, image, **kwargs):
        return image > fc.threshold_local(image, **kwargs)


@pytest.mark.parametrize("method", ["mean", "gaussian"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5), (13, 9)])
def test_blocks_longer_than_the_image(rng, method, dtype, shape):
    """Reflected as often as it takes; blocks of several periods."""
    image = pixels(rng, shape, dtype)
    scale = float(np.abs(image.astype(np.float64)).max())
    for block in (3, 17, 41, 129, 401):
        if method == "gaussian" and block == 401:
            continue
        got = fc.threshold_local(image, block, method)
        expected = skimage_local(image, block, method)
        unit = np.finfo(got.dtype).eps * scale
        np.testing.assert_allclose(got, expected, rtol=0, atol=128 * unit)
        np.testing.assert_array_equal(fc.binarize_local(image, block, method), image > got)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_means_of_integers_are_exact(rng, dtype):
    """Sums in Python's integers, divided once in float32."""
    image = pixels(rng, (23, 31), dtype)
    padded = np.pad(image.astype(np.int64), 9, mode="symmetric")
    for block in (1, 3, 11, 19):
        windows = np.lib.stride_tricks.sliding_window_view(padded, (block, block)).sum((-1, -2))
        r = 9 - block // 2
        windows = windows[r : r + 23, r : r + 31]
        np.testing.assert_array_equal(fc.threshold_local(image, block, "mean"), (windows / block**2).astype(np.float32))


@pytest.mark.parametrize("block", [3, 31, 127, 129, 301])
@pytest.mark.parametrize("offset", [0.0, 1.0, -5.0, 0.5, 0.1, 1 / 3, -254.9, 300.0, -300.0, 1e9, 1e30])
def test_fused_comparison_of_bytes(rng, block, offset):
    """Where the mask comes from an integer comparison: offsets that fall on sums, between them, and beyond."""
    few = rng.choice(np.array([0, 1, 254, 255], np.uint8), (70, 150))
    steps = np.broadcast_to((np.arange(150) // 50 * 3).astype(np.uint8), (70, 150))
    for image in (few, steps, pixels(rng, (150, 260), "uint8")):
        expected = image > fc.threshold_local(image, block, "mean", offset)
        np.testing.assert_array_equal(fc.binarize_local(image, block, "mean", offset), expected)


@pytest.mark.parametrize("method", ["mean", "gaussian"])
def test_opencv(rng, method):
    """OpenCV rounds the threshold to a byte, and replicates the border: pixels inside that are clear of it agree."""
    image = cv2.GaussianBlur(pixels(rng, (200, 300), "uint8"), (0, 0), 2)
    flag = {"mean": cv2.ADAPTIVE_THRESH_MEAN_C, "gaussian": cv2.ADAPTIVE_THRESH_GAUSSIAN_C}[method]
    theirs = cv2.adaptiveThreshold(image, 1, flag, cv2.THRESH_BINARY, 31, 0).astype(bool)
    ours = fc.binarize_local(image, 31, method)
    threshold = fc.threshold_local(image, 31, method)
    inside = np.zeros(image.shape, bool)
    inside[32:-32, 32:-32] = True
    margin = {"mean": 0.51, "gaussian": 2.0}[method]  # OpenCV cuts its Gaussian at the block
    clear = inside & (np.abs(image - threshold) > margin)
    assert clear.mean() > 0.3
    np.testing.assert_array_equal(ours[clear], theirs[clear])


def test_no_drift():
    """After a bright part the sums are as exact as before: nothing accumulates, nothing cancels."""
    image = np.full((300, 300), 1e-3, np.float32)
    image[:100, :100] = 1e8
    got = fc.threshold_local(image, 9, "mean")
    np.testing.assert_allclose(got[110:, 110:], 1e-3, rtol=1e-6)
    image[50, 50] = np.nan
    image[20, 20] = np.inf
    got = fc.threshold_local(image, 9, "mean")
    bad = np.zeros(image.shape, bool)
    bad[46:55, 46:55] = bad[16:25, 16:25] = True
    np.testing.assert_array_equal(~np.isfinite(got), bad)
    assert not fc.binarize_local(image, 9, "mean")[50, 50]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_many_rows_on_threads(rng, dtype):
    """Pieces that begin inside a run of rows, shorter and longer than the block."""
    image = pixels(rng, (700, 130), dtype)
    before = fastcnn.get_num_threads()
    for block in (3, 31, 101, 333):
        results = []
        for n in (1, 2, 3, 7):
            fastcnn.set_num_threads(n)
            results.append(fc.threshold_local(image, block, "mean"))
        fastcnn.set_num_threads(before)
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0])
        unit = np.finfo(results[0].dtype).eps * float(np.abs(image).max())
        np.testing.assert_allclose(results[0], skimage_local(image, block, "mean"), rtol=0, atol=64 * unit)


def test_half_gradients(rng):
    """The image's dtype comes back."""
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        image = torch.from_numpy(rng.standard_normal((20, 30))).to(dtype).requires_grad_()
        for method in ("mean", "gaussian"):
            (grad,) = torch.autograd.grad(F.threshold_local(image, 7, method).square().sum(), image)
            assert grad.dtype == dtype
            exact = image.detach().double().requires_grad_()
            (expected,) = torch.autograd.grad(F.threshold_local(exact, 7, method).square().sum(), exact)
            torch.testing.assert_close(grad.double(), expected, rtol=1e-2, atol=1e-2)


def test_backward_opcheck(rng):
    grad = torch.from_numpy(rng.standard_normal((2, 9, 11))).requires_grad_()
    for method in ("mean", "gaussian"):
        torch.library.opcheck(torch.ops.fastcnn._threshold_local_backward.default, (grad, 5, method))
    with pytest.raises(RuntimeError, match="expected grad of dtype float32 or float64"):
        torch.ops.fastcnn._threshold_local_backward(grad.half(), 5, "mean")


def test_bfloat16(rng):
    image = torch.from_numpy(rng.standard_normal((30, 41)).astype(np.float32)).to(torch.bfloat16)
    for method in ("mean", "gaussian"):
        threshold = F.threshold_local(image, 9, method, 0.1)
        assert torch.equal(threshold, F.threshold_local(image.float(), 9, method, 0.1))
        assert torch.equal(F.binarize_local(image, 9, method, 0.1), image > threshold)


def test_huge_beside_tiny():
    """Sums overflow, so that means are taken of the image divided by a power of two, in which the tiny pixels are 0."""
    image = torch.full((18, 9), 3e38)
    image[9:] = 1e-45
    mask = F.binarize_local(image, 3, method="mean")
    assert torch.equal(mask, image > F.threshold_local(image, 3, method="mean"))
