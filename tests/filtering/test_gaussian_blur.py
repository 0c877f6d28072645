"""The Gaussian blur against SciPy."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

import fastcnn
import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, AWKWARD_3D, OpTester

MODES = {"reflect": "reflect", "mirror": "mirror", "replicate": "nearest", "constant": "constant"}


def scipy_blur(image, sigma, truncate=4.0, border="reflect", spatial_dims=2):
    """Over the spatial axes only, in float64; returned as longdouble, to be told from results of ours."""
    sigmas = (sigma,) * spatial_dims if np.isscalar(sigma) else tuple(sigma)
    sigmas = (0,) * (image.ndim - spatial_dims) + sigmas
    result = ndi.gaussian_filter(image.astype(np.float64), sigmas, mode=MODES[border], truncate=truncate)
    return result.astype(np.longdouble)


class TestGaussianBlur(OpTester):
    op = "gaussian_blur"
    dtypes = ("uint8", "uint16", "int16", "int32", "float16", "float64", "float32")
    cases = [
        {"sigma": 1.0},
        {"sigma": [3.0, 0.7]},
        {"sigma": [0.0, 2.0], "border": "mirror"},
        {"sigma": 2.0, "border": "replicate", "truncate": 2.5},
        {"sigma": 5.0, "border": "constant"},
    ]
    shapes = [*AWKWARD, (41, 300), (300, 41)]
    shapes_3d = AWKWARD_3D
    differentiable = True
    errors = [
        ((np.zeros(7), 1.0), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)), -1.0), {}, ArgumentError, "expected sigma to be finite and not negative, got -1"),
        ((np.zeros((7, 7)), float("nan")), {}, ArgumentError, "expected sigma to be finite"),
        ((np.zeros((7, 7)), [1.0]), {}, ArgumentError, "expected sigma of 2 or 3 values, got 1"),
        ((np.zeros((7, 7)), [1.0, 2.0]), {"spatial_dims": 3}, ArgumentError, "expected sigma of 3 values, got 2"),
        ((np.zeros((7, 7)), 1.0), {"truncate": -1.0}, ArgumentError, "expected truncate to be finite"),
        ((np.zeros((7, 7)), 1e6), {"truncate": 1e6}, ArgumentError, "at most 1.04858e"),
        ((np.zeros((7, 7)), 1.0), {"border": "wrap"}, ArgumentError, "gaussian_blur: expected border"),
        ((np.zeros((7, 7)), 1.0), {"border": "geodesic"}, ArgumentError, "gaussian_blur: expected border"),
        ((np.zeros((7, 7), bool), 1.0), {}, TypeError, "expected image of dtype uint8, .*, got bool"),
        ((np.zeros((7, 7), np.int64), 1.0), {}, TypeError, "got int64"),
    ]

    def inputs(self, rng, shape, dtype):
        if dtype.startswith("float"):
            return (rng.standard_normal(shape).astype(dtype),)
        info = np.iinfo(dtype)
        return (rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True),)

    def oracle(self, image, sigma, **kwargs):
        expected = scipy_blur(image, sigma, **kwargs)
        self.scale = float(np.abs(image.astype(np.float64)).max(initial=1))
        return expected if image.dtype.kind == "f" else np.clip(expected, np.iinfo(image.dtype).min, None)

    def test_isa(self, case, dtype, isa_runner):
        """ISAs differ in the order and the fusing of sums: by rounding, which may tip an integer."""
        (image,) = self.inputs(self.rng(), (2, 45, 131), dtype)
        expected = self.oracle(image, **case)
        for (got,) in isa_runner(self.op, (image,), case):
            assert got.dtype == image.dtype
            self.compare(got, expected)

    def compare(self, got, expected):
        assert got.shape == expected.shape
        if expected.dtype != np.longdouble:  # both ours
            np.testing.assert_array_equal(got, expected)
        elif got.dtype.kind == "f":
            # float16 rounds once, to half of a last place; the rest is the error of sums.
            relative = {2: 2.0**-11, 4: 0.0, 8: 0.0}[got.dtype.itemsize]
            absolute = {2: 4e-7, 4: 4e-7, 8: 4e-16}[got.dtype.itemsize] * 4 * getattr(self, "scale", 1)
            np.testing.assert_allclose(got, expected, rtol=relative * 1.001, atol=absolute)
        else:
            np.testing.assert_allclose(got, expected, rtol=0, atol=0.5 + 1e-6 * self.scale)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2), (9, 4), (2, 3, 4)])
def test_kernels_longer_than_the_image(rng, border, shape):
    """SciPy continues the image as often as it takes."""
    image = rng.standard_normal(shape)
    dims = len(shape)
    for sigma in (1.5, 7.0, 40.0):
        got = fc.gaussian_blur(image, sigma, border=border, spatial_dims=dims)
        np.testing.assert_allclose(got, scipy_blur(image, sigma, border=border, spatial_dims=dims), atol=1e-14)


def test_huge_sigma(rng):
    """The cost is bounded by the image; reflection tends to the mean."""
    image = rng.standard_normal((20, 30))
    got = fc.gaussian_blur(image, 100_000.0)
    np.testing.assert_allclose(got, np.full_like(image, image.mean()), atol=1e-7)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
def test_sigma_zero_is_identity(rng, dtype):
    image = (rng.standard_normal((4, 33, 65)) * 1e4).astype(np.int64).astype(dtype)
    image.ravel()[-1] = image.max()
    for sigma in (0.0, 1e-20, 0.1):  # radius 0
        np.testing.assert_array_equal(fc.gaussian_blur(image, sigma), image)
        np.testing.assert_array_equal(fc.gaussian_blur(image, [sigma] * 3), image)
    np.testing.assert_array_equal(fc.gaussian_blur(image, 3.0, truncate=0.0), image)
    one_axis = fc.gaussian_blur(image.astype(np.float64), [0.0, 0.0, 2.0])
    np.testing.assert_allclose(one_axis, scipy_blur(image, [0.0, 0.0, 2.0], spatial_dims=3), rtol=1e-12)


def test_three_sigmas_mean_volumes(rng):
    image = rng.standard_normal((6, 7, 8))
    np.testing.assert_array_equal(fc.gaussian_blur(image, [1, 1, 1]), fc.gaussian_blur(image, 1.0, spatial_dims=3))
    assert not np.array_equal(fc.gaussian_blur(image, [1, 1, 1]), fc.gaussian_blur(image, 1.0))


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_volumes_of_several_chunks(rng, border, dtype):
    """More columns than one chunk of the z pass takes, more rows than a block, by one and by several threads."""
    image = (rng.random((21, 43, 301)) * 255).astype(dtype)
    before = fastcnn.get_num_threads()
    results = []
    for n in (1, 3):
        fastcnn.set_num_threads(n)
        results.append(fc.gaussian_blur(image, [4.0, 1.0, 2.0], border=border))
    fastcnn.set_num_threads(before)
    np.testing.assert_array_equal(*results)
    expected = scipy_blur(image, [4.0, 1.0, 2.0], border=border, spatial_dims=3)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=0.51 if dtype == "uint8" else 1e-4)


def test_rounding_ties_to_even():
    """Taps (1, 1) / 2 do not exist; a blur whose weights are (w, 1 - 2w, w) meets .5 where w is 1/4."""
    sigma = np.sqrt(0.5 / np.log(2.0))  # exp(-1 / 2 sigma²) = 1/2
    image = np.array([[0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6]], np.uint8)
    exact = scipy_blur(image, [0.0, sigma], truncate=1.0)
    np.testing.assert_allclose(exact[0, [0, 4, 5]], [0.5, 2.5, 3.5])
    got = fc.gaussian_blur(image, [0.0, sigma], truncate=1.0)
    assert got[0, [0, 4, 5, 8, 9]].tolist() == [0, 2, 4, 4, 6]
    signed = fc.gaussian_blur(-image.astype(np.int16), [0.0, sigma], truncate=1.0)
    np.testing.assert_array_equal(signed, -got.astype(np.int16))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32"])
def test_extremes_do_not_wrap(dtype):
    info = np.iinfo(dtype)
    for value in (info.min, info.max):
        image = np.full((40, 50), value, dtype)
        got = fc.gaussian_blur(image, 3.3).astype(np.float64)
        np.testing.assert_allclose(got, value, rtol=2e-6)


def test_non_finite_stay_in_reach(rng):
    """Inside the window NaN and infinity spread as in SciPy; outside nothing does."""
    image = rng.standard_normal((60, 70)).astype(np.float32)
    image[20, 30] = np.nan
    image[40, 10] = np.inf
    image[41, 60] = -np.inf
    got, expected = fc.gaussian_blur(image, 2.0), scipy_blur(image, 2.0)
    for kind in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(kind(got), kind(expected))
    finite = np.isfinite(expected)
    np.testing.assert_allclose(got[finite], expected[finite], atol=2e-6)


def test_half_precision(rng):
    """bfloat16, which NumPy lacks, and every float16: conversions are exact, results rounded once."""
    image = torch.from_numpy(rng.standard_normal((33, 47)).astype(np.float32))
    for dtype in (torch.bfloat16, torch.float16):
        rounded = image.to(dtype)
        expected = F.gaussian_blur(rounded.float(), 1.7).to(dtype)
        assert torch.equal(F.gaussian_blur(rounded, 1.7), expected)
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    with np.errstate(invalid="ignore"):
        wide = every.astype(np.float32)
    one_axis = fc.gaussian_blur(every, [0.0, 1.0], truncate=0.5)  # three taps
    with np.errstate(over="ignore", invalid="ignore"):
        expected = fc.gaussian_blur(wide, [0.0, 1.0], truncate=0.5).astype(np.float16)
    np.testing.assert_array_equal(one_axis, expected)
    every_bfloat16 = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16).reshape(256, 256)
    expected = F.gaussian_blur(every_bfloat16.float(), [0.0, 1.0], 0.5).to(torch.bfloat16)
    torch.testing.assert_close(
        F.gaussian_blur(every_bfloat16, [0.0, 1.0], 0.5), expected, rtol=0, atol=0, equal_nan=True
    )


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (9, 5), (30, 21), (4, 5, 6)])
def test_backward_is_the_transpose(rng, border, shape):
    """<blur(x), y> = <x, backward(y)>, for short kernels and for kernels longer than the image; also in 3-D."""
    x, y = (torch.from_numpy(rng.standard_normal(shape)) for _ in range(2))
    for sigma in ([0.8] * len(shape), [6.0] * len(shape), [3.0, 0.0, 1.0][-len(shape) :]):
        backward = torch.ops.fastcnn._gaussian_blur_backward(y, sigma, 4.0, border)
        blurred = F.gaussian_blur(x, sigma, border=border)
        assert abs(float((blurred * y).sum() - (x * backward).sum())) < 1e-12


@pytest.mark.parametrize("border", MODES)
def test_gradcheck_borders(rng, border):
    image = torch.from_numpy(rng.standard_normal((2, 4, 7))).requires_grad_()
    for sigma, dims in ((1.3, 2), (4.0, 2), (1.0, 3)):
        run = lambda t, s=sigma, d=dims: F.gaussian_blur(t, s, border=border, spatial_dims=d)  # noqa: E731
        assert torch.autograd.gradcheck(run, image)
        assert torch.autograd.gradgradcheck(run, image)


def test_float32_and_half_gradients(rng):
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        image = torch.from_numpy(rng.standard_normal((3, 20, 33))).to(dtype).requires_grad_()
        weight = torch.from_numpy(rng.standard_normal((3, 20, 33))).to(dtype)
        F.gaussian_blur(image, 2.0, border="mirror").backward(weight)
        exact = image.detach().double().requires_grad_()
        F.gaussian_blur(exact, 2.0, border="mirror").backward(weight.double())
        torch.testing.assert_close(image.grad.double(), exact.grad, rtol=tolerance, atol=tolerance)


def test_backward_opcheck(rng):
    grad = torch.from_numpy(rng.standard_normal((2, 9, 11))).requires_grad_()
    for border in MODES:
        torch.library.opcheck(torch.ops.fastcnn._gaussian_blur_backward.default, (grad, [1.0, 2.0], 4.0, border))


def test_channel_axis(rng):
    image = (rng.random((20, 30, 3)) * 255).astype(np.uint8)
    got = fc.gaussian_blur(image, 1.0, channel_axis=-1)
    for c in range(3):
        np.testing.assert_array_equal(got[..., c], fc.gaussian_blur(image[..., c], 1.0))
