"""Otsu's threshold against scikit-image, value for value."""

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu

import fastcnn
import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, AWKWARD_3D, OpTester

pytestmark = pytest.mark.filterwarnings("ignore:threshold_otsu is expected:UserWarning")


def skimage_otsu(image, nbins=256, spatial_dims=2):
    flat = image.reshape(-1, *image.shape[image.ndim - spatial_dims :])
    wide = flat.astype(np.float32) if image.dtype == np.float16 else flat
    values = [threshold_otsu(one.ravel(), nbins) for one in wide]
    return np.array(values).astype(image.dtype).reshape(image.shape[: image.ndim - spatial_dims])


class TestThresholdOtsu(OpTester):
    op = "threshold_otsu"
    dtypes = ("uint8", "uint16", "int16", "int32", "int64", "float16", "float64", "float32")
    cases = [{}, {"nbins": 7}, {"nbins": 1000}]
    shapes = [*AWKWARD, (80, 300)]
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"nbins": 1}, ArgumentError, "expected nbins between 2 and 1048576, got 1"),
        ((np.zeros((7, 7)),), {"spatial_dims": 1}, ArgumentError, "expected spatial_dims 2 or 3, got 1"),
        ((np.zeros((7, 7), bool),), {}, TypeError, "expected image of dtype uint8, .*, got bool"),
        ((np.zeros((7, 7)),), {"nbins": 2.5}, TypeError, "expected nbins to be an int, got float"),
    ]

    def inputs(self, rng, shape, dtype):
        low, high = (rng.normal(m, s, shape) for m, s in ((40, 9), (90, 14)))
        values = np.where(rng.random(shape) < 0.6, low, high).clip(0, 120)
        return (values.astype(dtype),)

    def oracle(self, image, nbins=256, spatial_dims=2):
        return skimage_otsu(image, nbins, spatial_dims)


def too_few_floats(image, nbins=256):
    """NumPy then refuses to make the bins."""
    if image.dtype.kind != "f" or image.min() == image.max():
        return False
    return bool((np.diff(np.linspace(image.min(), image.max(), nbins + 1, dtype=image.dtype)) <= 0).any())


def at_scale_one(image):
    """scikit-image's value of floats brought to 1 by a power of two, since its squares overflow and vanish."""
    if image.dtype.kind != "f":
        return threshold_otsu(image)
    exponent = int(np.frexp(np.abs(image).max())[1])
    return np.ldexp(image.dtype.type(threshold_otsu(np.ldexp(image, -exponent))), exponent)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64", "float32", "float64"])
def test_distributions(rng, dtype):
    """Few values, ties, negative ones, wide ranges (sorted, not counted), tiny ones: scikit-image's value."""
    for shape in [(1, 2), (2, 3), (7, 8), (31, 64), (128, 130)]:
        for _ in range(3):
            if dtype.startswith("f"):
                images = [
                    rng.random(shape),
                    rng.standard_normal(shape) * 1e30,
                    rng.integers(0, 5, shape) * 0.25,
                    np.where(rng.random(shape) < 0.5, 0.0, 1.0),
                    rng.random(shape) * 1e-40 if dtype == "float32" else rng.random(shape) * 1e-310,
                    1 + rng.integers(0, 1000, shape) * np.finfo(dtype).eps,
                ]
            else:
                info = np.iinfo(dtype)
                reach = min(int(info.max), 10**6)  # scikit-image makes a bin per value
                images = [
                    rng.integers(max(-reach, info.min), reach, shape),
                    rng.integers(0, 5, shape),
                    rng.integers(max(-3, info.min), 3, shape),
                    np.where(rng.random(shape) < 0.5, 0, 10),
                    rng.integers(0, 100, shape) ** 2 % reach,
                ]
            for image in images:
                image = image.astype(dtype)
                got = fc.threshold_otsu(image)
                if too_few_floats(image):
                    continue
                with np.errstate(over="ignore"):
                    expected = at_scale_one(image)
                assert got.shape == ()
                assert got.dtype == image.dtype
                assert got == np.asarray(expected).astype(dtype), (shape, image)


def test_whole_range_of_wide_integers(rng):
    """Values too far apart for a table of counts; the result agrees with ranks put in their place."""
    image = rng.choice(np.array([-(2**63), -(2**63) + 1, -5, 7, 2**62, 2**63 - 1]), (40, 50))
    got = fc.threshold_otsu(image)
    variance = {}
    for split in np.unique(image)[:-1]:
        low, high = image[image <= split].astype(np.float64), image[image > split].astype(np.float64)
        variance[int(split)] = low.size * high.size * (low.mean() - high.mean()) ** 2
    assert int(got) == max(variance, key=variance.get)


def test_one_value():
    for value, dtype in ((7, np.uint8), (-3, np.int64), (0.1, np.float32), (np.inf, np.float64)):
        got = fc.threshold_otsu(np.full((3, 4), value, dtype))
        assert got.dtype == dtype
        assert got == dtype(value)


def test_non_finite():
    image = np.arange(12.0).reshape(3, 4)
    for value in (np.nan, np.inf, -np.inf):
        batch = np.stack([image, np.where(image == 5, value, image)])
        got = fc.threshold_otsu(batch)
        assert got[0] == threshold_otsu(image)
        assert np.isnan(got[1])
    assert np.isnan(fc.threshold_otsu(np.full((3, 4), np.nan)))
    wide = np.linspace(0, 1, 1000, dtype=np.float32).reshape(20, 50)
    for where in (0, 1, 500, 998, 999):  # vectors and what is left behind them
        one = wide.copy()
        one.ravel()[where] = np.nan
        assert np.isnan(fc.threshold_otsu(one))
    extremes = np.array([[-3e38, 3e38]], np.float32)  # their distance is no float32
    assert fc.threshold_otsu(extremes) == np.float32(threshold_otsu(extremes.astype(np.float64)))


def test_range_with_few_floats():
    """Fewer floats than bins: scikit-image raises; the values are still separated."""
    base = np.float32(1)
    neighbours = np.array([[base, np.nextafter(base, np.float32(2))]])
    threshold = fc.threshold_otsu(neighbours)
    assert (neighbours > threshold).tolist() == [[False, True]]
    few = (1 + np.array([[0, 1, 2, 9, 10, 11]]) * np.finfo(np.float32).eps).astype(np.float32)
    assert (few > fc.threshold_otsu(few)).tolist() == [[False, False, False, True, True, True]]


def test_empty_images():
    assert fc.threshold_otsu(np.zeros((0, 3, 4))).shape == (0,)
    assert np.isnan(fc.threshold_otsu(np.zeros((2, 0, 4), np.float32))).tolist() == [True, True]
    assert fc.threshold_otsu(np.zeros((2, 0, 4), np.uint8)).tolist() == [0, 0]


def test_bfloat16(rng):
    image = torch.from_numpy(rng.random((30, 40)).astype(np.float32)).to(torch.bfloat16)
    assert F.threshold_otsu(image) == F.threshold_otsu(image.float()).to(torch.bfloat16)


def test_large_image_on_threads(rng):
    before = fastcnn.get_num_threads()
    for dtype in ("uint8", "uint16", "float32"):
        image = (rng.random((700, 800)) ** 2 * 255).astype(dtype)
        results = []
        for n in (1, 2, 5):
            fastcnn.set_num_threads(n)
            results.append(fc.threshold_otsu(image))
        fastcnn.set_num_threads(before)
        assert results == [threshold_otsu(image)] * 3


def test_channel_axis(rng):
    image = (rng.random((20, 30, 3)) * 255).astype(np.uint8)
    got = fc.threshold_otsu(image, channel_axis=-1)
    assert got.tolist() == [int(threshold_otsu(image[..., c])) for c in range(3)]
