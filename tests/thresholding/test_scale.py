"""Thresholds do not depend on the unit: fluxes in SI units are pictures of 1e-23, counts may be 1e17."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.filters
import torch

import fastcnn.ops

# Powers of two from subnormal numbers to the end of float32; scaling by them rounds nothing in between.
POWERS = [-135, -76, -50, -31, 0, 31, 56, 100, 126]


def picture(rng):
    image = ndi.gaussian_filter(rng.standard_normal((40, 50)), 2)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_otsu(power, dtype, rng):
    image = torch.from_numpy(np.round(picture(rng) * 64) / 64).to(getattr(torch, dtype))
    if power < -120:
        image = (image * 32).round()  # what is subnormal holds few bits
    scaled = torch.ldexp(image.double(), torch.tensor(power)).to(image.dtype)
    got = float(fastcnn.ops.threshold_otsu(scaled))
    want = skimage.filters.threshold_otsu(image.double().numpy()) * 2.0**power
    # Otsu's choice among bins of float32 and float64 may differ by a bin, the result by a rounding.
    step = 2.0**power * float(image.max()) / 256
    assert abs(got - want) <= 1.01 * step * (4 if dtype == "bfloat16" else 1)
    plain = float(fastcnn.ops.threshold_otsu(image))
    assert got == float(torch.tensor(plain * 2.0**power, dtype=image.dtype))


def test_otsu_where_the_range_overflows():
    values = np.array([[-3e38, -3e38, 3e38]], np.float32)
    want = skimage.filters.threshold_otsu(values.astype(np.float64))  # -2.98828125e38
    assert want == pytest.approx(-2.988e38, rel=1e-3)
    assert fastcnn.ops.threshold_otsu(values) == pytest.approx(want, rel=1e-6)
    assert float(fastcnn.ops.threshold_otsu(torch.from_numpy(values))) == pytest.approx(want, rel=1e-6)
    wide = np.array([[-1.5e308, -1.5e308, 1.5e308]])
    assert fastcnn.ops.threshold_otsu(wide) == pytest.approx(-1.5e308 + 1.5e308 / 256, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_otsu_of_integers_that_no_double_holds(dtype):
    """The threshold moves with the values."""
    values = np.array([[0, 1, 2, 3, 200, 201, 203]])
    want = skimage.filters.threshold_otsu(values)
    assert fastcnn.ops.threshold_otsu((values + 2**62).astype(dtype)) == want + 2**62
    far = np.array([[0, 1, 2, 2**40, 2**40 + 1]])  # sorted, not counted
    assert fastcnn.ops.threshold_otsu((far + 2**62).astype(dtype)) == 2 + 2**62


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("size", [3, 35, 101])
def test_local_mean(power, size, rng):
    image = np.round(picture(rng) * 256) * 2.0 ** (power - 8)
    scaled = image.astype(np.float32)
    want = ndi.uniform_filter(image, size, mode="reflect")
    got = fastcnn.ops.threshold_local(scaled, size, "mean")
    atol = 2e-6 * 2.0**power + 2.0**-148
    np.testing.assert_allclose(got, want, rtol=0, atol=atol)
    mask = fastcnn.ops.binarize_local(scaled, size, "mean")
    sure = abs(image - want) > 2 * atol
    np.testing.assert_array_equal(mask[sure], (image > want)[sure])


def test_local_mean_at_the_end_of_float32(rng):
    image = np.where(rng.random((30, 31)) < 0.5, 3e38, -3e38).astype(np.float32)
    want = ndi.uniform_filter(image.astype(np.float64), 5, mode="reflect")
    np.testing.assert_allclose(fastcnn.ops.threshold_local(image, 5, "mean"), want, rtol=1e-5, atol=1e33)
    mask = fastcnn.ops.binarize_local(torch.from_numpy(image), 5, "mean", 1e37)
    np.testing.assert_array_equal(mask, image > want - 1e37)
    image[4, 4] = np.nan  # as before: NaN in its blocks alone
    got = fastcnn.ops.threshold_local(image, 5, "mean")
    assert np.isnan(got).sum() == 25
    assert np.isfinite(got).sum() == image.size - 25
