"""Flat morphology against SciPy, scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.morphology
import torch

import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD_3D, FLOATS, INTEGERS, OpTester, random_image

SCIPY = {"reflect": "reflect", "mirror": "mirror", "replicate": "nearest", "constant": "constant"}


def size(footprint=3, spatial_dims=2):
    return (footprint,) * spatial_dims if isinstance(footprint, int) else tuple(footprint)


def wide(image):
    return image.astype(np.float64 if image.dtype.kind == "f" else np.int64)


def neutral(image, maximum):
    if image.dtype.kind == "f":
        return -np.inf if maximum else np.inf
    return np.iinfo(np.int64).min if maximum else np.iinfo(np.int64).max


def scipy_pass(image, maximum, footprint, border="geodesic", value=0.0):
    """One erosion or dilation of one image or of a batch, in a wide dtype."""
    peer = ndi.grey_dilation if maximum else ndi.grey_erosion
    mask = footprint if isinstance(footprint, np.ndarray) else np.ones(footprint, bool)
    mask = mask.reshape((1,) * (image.ndim - mask.ndim) + mask.shape)
    cval = neutral(image, maximum) if border == "geodesic" else value
    return peer(wide(image), footprint=mask, mode=SCIPY.get(border, "constant"), cval=cval)


def scipy_chain(op, image, footprint, border="geodesic", value=0.0):
    def one(x, maximum):
        return scipy_pass(x.astype(image.dtype), maximum, footprint, border, value)

    if op in ("erosion", "dilation"):
        return one(image, op == "dilation").astype(image.dtype)
    if op in ("opening", "closing"):
        return one(one(image, op == "closing"), op == "opening").astype(image.dtype)
    return (one(image, True) - one(image, False)).astype(image.dtype)


class Morphology(OpTester):
    cases = [{}, {"footprint": 5}, {"footprint": [2, 4]}, {"footprint": [1, 3], "border": "reflect"}]
    dtypes = (*INTEGERS, *FLOATS)
    shapes_3d = AWKWARD_3D
    differentiable = True
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"border": "wrap"}, ArgumentError, "expected border"),
        ((np.zeros((7, 7)),), {"footprint": 0}, ArgumentError, "footprint"),
        ((np.zeros((7, 7)),), {"footprint": [3]}, ArgumentError, "expected footprint of 2 values, got 1"),
        ((np.zeros((7, 7)), np.ones(3, bool)), {}, ArgumentError, "expected footprint of 2 dimensions, got 1"),
        ((np.zeros((7, 7)),), {"footprint": 1.5}, TypeError, "expected footprint of integers"),
        ((np.zeros((7, 7), np.uint8),), {"border": "constant", "value": 256}, ArgumentError, "value"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "expected image of"),
    ]

    def oracle(self, image, footprint=3, spatial_dims=2, **kwargs):
        return scipy_chain(self.op, image, size(footprint, spatial_dims), **kwargs)


class TestErosion(Morphology):
    op = "erosion"


class TestDilation(Morphology):
    op = "dilation"


class TestOpening(Morphology):
    op = "opening"


class TestClosing(Morphology):
    op = "closing"


class TestMorphologicalGradient(Morphology):
    op = "morphological_gradient"

    def oracle(self, image, footprint=3, spatial_dims=2, **kwargs):
        expected = scipy_chain(self.op, image, size(footprint, spatial_dims), **kwargs)
        return expected.astype(image.dtype)


OPS = ["erosion", "dilation", "opening", "closing", "morphological_gradient"]


@pytest.mark.parametrize("border", ["geodesic", "constant", "reflect", "mirror", "replicate"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64"])
def test_borders(rng, border, dtype):
    """Windows wider than the image among them."""
    for shape in [(1, 1), (1, 9), (7, 2), (23, 40)]:
        image = random_image(rng, shape, dtype)
        for footprint in [(3, 3), (4, 7), (9, 2), (30, 31)]:
            for op in ("erosion", "dilation"):
                expected = scipy_pass(image, op == "dilation", footprint, border, 1).astype(dtype)
                got = getattr(fc, op)(image, footprint, border=border, value=1)
                np.testing.assert_array_equal(got, expected, f"{op} {shape} {footprint}")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_footprints(rng, op, dtype):
    """Disks, lines, random masks with holes, members off the middle, one member alone."""
    masks = [
        fc.disk(3),
        fc.diamond(4),
        fc.hexagon(5),
        fc.line(9, 30),
        rng.random((5, 8)) < 0.3,
        rng.random((6, 3)) < 0.5,
    ]
    corner = np.zeros((5, 4), bool)
    corner[0, 3] = True
    for mask in [*masks, corner]:
        mask[mask.shape[0] // 2, mask.shape[1] // 2] |= op in ("opening", "closing", "morphological_gradient")
        image = random_image(rng, (19, 71), dtype)
        if not mask.any():
            continue
        expected = scipy_chain(op, image, mask, "reflect")
        np.testing.assert_array_equal(getattr(fc, op)(image, mask, border="reflect"), expected)
        tensor = getattr(F, op)(torch.from_numpy(image), torch.from_numpy(mask), border="reflect")
        np.testing.assert_array_equal(tensor.numpy(), expected)


def test_footprints_3d(rng):
    image = random_image(rng, (7, 12, 25), "int32")
    for mask in (rng.random((3, 4, 5)) < 0.4, np.ones((1, 3, 1), bool), skimage.morphology.ball(2).astype(bool)):
        for op in ("erosion", "dilation"):
            expected = scipy_chain(op, image, mask, "mirror")
            np.testing.assert_array_equal(getattr(fc, op)(image, mask, border="mirror", spatial_dims=3), expected)


@pytest.mark.parametrize("k", [3, 7, 15, 31, 64])
def test_large_boxes_and_disks_against_opencv(rng, k):
    for dtype in ("uint8", "uint16", "int16", "float32", "float64"):
        image = rng.integers(0, 250, (130, 257)).astype(dtype)
        element = np.ones((k, k), np.uint8)
        if k % 2:
            np.testing.assert_array_equal(fc.dilation(image, k), cv2.dilate(image, element))
            np.testing.assert_array_equal(fc.erosion(image, k), cv2.erode(image, element))
        disk = fc.disk(k // 2)
        np.testing.assert_array_equal(fc.dilation(image, disk), cv2.dilate(image, disk.astype(np.uint8)))
        np.testing.assert_array_equal(fc.erosion(image, disk), cv2.erode(image, disk.astype(np.uint8)))


def test_scikit_image_opening_and_closing(rng):
    image = random_image(rng, (40, 53), "uint8")
    for r in (1, 3, 6):
        disk = fc.disk(r)
        np.testing.assert_array_equal(fc.erosion(image, disk), skimage.morphology.erosion(image, disk, mode="max"))
        expected = skimage.morphology.opening(image, disk, mode="ignore")
        np.testing.assert_array_equal(fc.opening(image, disk), expected)
        np.testing.assert_array_equal(fc.closing(image, disk), skimage.morphology.closing(image, disk, mode="ignore"))


def test_opening_and_closing_are_idempotent(rng):
    image = random_image(rng, (31, 47), "int16")
    for footprint in (3, (2, 5), fc.disk(2), rng.random((4, 5)) < 0.6):
        opened, closed = fc.opening(image, footprint), fc.closing(image, footprint)
        np.testing.assert_array_equal(fc.opening(opened, footprint), opened)
        np.testing.assert_array_equal(fc.closing(closed, footprint), closed)
        assert (opened <= image).all()
        assert (closed >= image).all()


def test_nan_spreads_as_in_max_pool(rng):
    image = rng.random((20, 33)).astype(np.float32)
    image[rng.random(image.shape) < 0.02] = np.nan
    image[3, 4], image[5, 6] = np.inf, -np.inf
    expected = torch.nn.functional.max_pool2d(torch.from_numpy(image)[None], 3, 1, 1)[0].numpy()
    np.testing.assert_array_equal(fc.dilation(image), expected)
    expected = -torch.nn.functional.max_pool2d(-torch.from_numpy(image)[None], 3, 1, 1)[0].numpy()
    np.testing.assert_array_equal(fc.erosion(image), expected)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        tensor = torch.from_numpy(image).to(dtype)
        expected = torch.nn.functional.max_pool2d(tensor[None], 5, 1, 2)[0]
        assert torch.equal(F.dilation(tensor, 5).isnan(), expected.isnan())
        assert torch.equal(F.dilation(tensor, 5).nan_to_num(7), expected.nan_to_num(7))


def test_signed_zeros():
    zeros = np.array([[-0.0, 0.0]])
    assert not np.signbit(fc.dilation(zeros)).any()
    assert np.signbit(fc.erosion(zeros)).all()


def test_extremes_of_the_dtype():
    for dtype in ("uint8", "uint16", "int16", "int32", "int64"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        image = np.array([[low, high, low], [low, low, low], [high, high, high]], dtype)
        np.testing.assert_array_equal(fc.dilation(image, (1, 3)), [[high] * 3, [low] * 3, [high] * 3])
        np.testing.assert_array_equal(fc.erosion(image, (3, 1)), [[low, low, low], [low, low, low], [low, low, low]])
        assert fc.morphological_gradient(image).max() == high  # saturates


def test_windows_without_a_pixel():
    """The neutral element of the dtype; what a window meets only outside."""
    mask = np.zeros((1, 9), bool)
    mask[0, 0] = True
    image = np.arange(3, dtype=np.uint8)[None]
    assert fc.erosion(image, mask).tolist() == [[255, 255, 255]]
    assert fc.dilation(image, mask).tolist() == [[0, 0, 0]]
    assert np.isposinf(fc.erosion(image.astype(np.float32), mask)).all()


def test_channel_axis(rng):
    image = rng.integers(0, 255, (9, 14, 3), dtype=np.uint8)
    expected = np.stack([fc.dilation(image[..., c], 5) for c in range(3)], axis=-1)
    np.testing.assert_array_equal(fc.dilation(image, 5, channel_axis=-1), expected)


@pytest.mark.parametrize("op", OPS)
def test_gradient_goes_to_the_first_of_equal_pixels(op, apart):
    if op in ("erosion", "dilation"):
        image = torch.ones(2, 3, requires_grad=True)
        getattr(F, op)(image, (2, 3)).sum().backward()
        assert image.grad.tolist()[0][0] > 0
        assert image.grad.sum() == 6
    else:
        image = apart(3, 9, 8)
        assert torch.autograd.gradcheck(lambda x: getattr(F, op)(x, F.disk(1), border="mirror"), image)


@pytest.mark.parametrize("border", ["geodesic", "constant", "reflect", "mirror", "replicate"])
def test_gradients_at_the_border(border, apart):
    image = apart(5, 6)
    for op in ("erosion", "dilation"):
        run = lambda x, op=op: getattr(F, op)(x, (3, 4), border=border, value=0.5)  # noqa: E731
        assert torch.autograd.gradcheck(run, image)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_gradients_of_narrow_floats(dtype):
    image = torch.randn(2, 7, 9).to(dtype).requires_grad_()
    F.dilation(image, 3).float().sum().backward()
    pooled = image.detach().clone().requires_grad_()
    torch.nn.functional.max_pool2d(pooled, 3, 1, 1).float().sum().backward()
    assert torch.equal(image.grad, pooled.grad)
