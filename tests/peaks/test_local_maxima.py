"""Local extrema against scikit-image."""

import numpy as np
import pytest
import skimage.morphology

import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester, random_image


class Extrema(OpTester):
    dtypes = (*INTEGERS, *FLOATS)
    shapes = AWKWARD
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"connectivity": 3}, ArgumentError, "expected connectivity 1, 2, 4 or 8, got 3"),
        ((np.zeros((7, 7)),), {"spatial_dims": 1}, ArgumentError, "expected spatial_dims 2 or 3, got 1"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "expected image of"),
    ]

    def oracle(self, image, connectivity=None, spatial_dims=2):
        wide = image.astype(np.float64 if image.dtype.kind == "f" else np.int64)
        peer = getattr(skimage.morphology, self.op)
        flat = wide.reshape(-1, *wide.shape[wide.ndim - spatial_dims :])
        return np.stack([peer(i, connectivity=connectivity) for i in flat]).reshape(image.shape).astype(bool)


class TestLocalMaxima(Extrema):
    op = "local_maxima"
    cases = [{}, {"connectivity": 1}]


class TestLocalMinima(Extrema):
    op = "local_minima"
    cases = [{}, {"connectivity": 1}]


@pytest.mark.parametrize(("dims", "count", "rank"), [(2, 4, 1), (2, 8, 2), (3, 6, 1), (3, 18, 2), (3, 26, 3)])
def test_connectivity_as_a_number_of_neighbours(rng, dims, count, rank):
    image = random_image(rng, (9, 10, 11), "int16")
    expected = fc.local_maxima(image, rank, dims)
    np.testing.assert_array_equal(fc.local_maxima(image, count, dims), expected)
    if dims == 3:
        np.testing.assert_array_equal(expected, skimage.morphology.local_maxima(image, connectivity=rank))


def test_plateaus():
    """Long flat ones, with and without a way up: the flood of a plateau goes far."""
    for seed in range(20):
        image = random_image(np.random.default_rng(seed), (61, 83), "uint8") // 4
        np.testing.assert_array_equal(fc.local_maxima(image), skimage.morphology.local_maxima(image))
    spiral = np.ones((401, 401), np.uint8)
    y, x = np.ogrid[-200:201, -200:201]
    spiral[(np.hypot(y, x) / 8 + np.arctan2(y, x) / np.pi) % 2 < 1] = 2
    np.testing.assert_array_equal(fc.local_maxima(spiral), skimage.morphology.local_maxima(spiral))
    spiral[0, 0] = 3
    np.testing.assert_array_equal(fc.local_maxima(spiral), skimage.morphology.local_maxima(spiral))


def test_nan_is_lower_than_everything():
    image = np.array([[np.nan, 1, 1], [np.nan, np.nan, np.nan], [2, 2, np.inf], [-np.inf, 2, 2]], np.float32)
    assert fc.local_maxima(image).astype(int).tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert not fc.local_maxima(np.full((3, 4), np.nan)).any()
    assert fc.local_minima(image).astype(int).tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float64"])
def test_extremes_of_the_dtype(dtype):
    top = np.finfo(dtype).max if dtype.startswith("f") else np.iinfo(dtype).max
    image = np.zeros((3, 5), dtype)
    image[1, 1] = top
    image[2, 4] = top
    np.testing.assert_array_equal(fc.local_maxima(image), image == top)


def test_signed_zeros_are_one_plateau():
    image = np.array([[-0.0, 0.0, 1.0]])
    assert fc.local_maxima(image).tolist() == [[False, False, True]]
