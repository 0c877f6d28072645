"""`fill_holes`, `remove_small_objects` and `remove_small_holes` against SciPy and scikit-image."""

import warnings

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.morphology as morphology

import fastcnn
import fastcnn.ops
from fastcnn import ArgumentError
from tests.labeling.masks import comb, random_mask, spiral
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester

SHAPES = [*AWKWARD, (33, 191), (20, 64), (64, 1)]


class TestFillHoles(OpTester):
    op = "fill_holes"
    dtypes = (*INTEGERS, *FLOATS)
    shapes = SHAPES
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"fill_holes: expected mask of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"spatial_dims": 1}, ArgumentError, "fill_holes: expected spatial_dims 2 or 3, got 1"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "fill_holes: expected mask of"),
    ]

    def inputs(self, rng, shape, dtype):
        return (random_mask(rng, shape, dtype, rng.choice([0.4, 0.6, 0.8])),)

    def oracle(self, mask, spatial_dims=2):
        return ndi.binary_fill_holes(mask != 0)


class TestRemoveSmallObjects(OpTester):
    op = "remove_small_objects"
    cases = [{"min_size": 3}, {"min_size": 12, "connectivity": 2}, {"min_size": 0}]
    dtypes = INTEGERS
    shapes = SHAPES
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros((5, 6)), 3), {}, TypeError, "remove_small_objects: expected mask of dtype bool, uint8"),
        ((np.zeros(5, bool), 3), {}, ArgumentError, r"expected mask of shape \(\.\.\., H, W\), got \(5,\)"),
        ((np.zeros((5, 6), bool), -1), {}, ArgumentError, "expected min_size of at least 0, got -1"),
        ((np.zeros((5, 6), bool), 3), {"connectivity": 6}, ArgumentError, "expected connectivity 1, 2, 4 or 8, got 6"),
        ((np.array([[1, -4]]), 3), {}, ArgumentError, "expected mask without negative values, got -4"),
    ]

    def inputs(self, rng, shape, dtype):
        if dtype == "bool":
            return (rng.random(shape) < 0.5,)
        # int32 and int64 beyond any table
        values = np.array([0, 0, 0, 1, 2, 5, 17, 100, np.iinfo(dtype).max], dtype)
        if np.prod(shape) == 0 or dtype != "uint8":
            return (rng.choice(values[: -1 if np.iinfo(dtype).max > 2**16 else None], shape),)
        return (rng.choice(values, shape),)

    def oracle(self, mask, min_size, connectivity=1, spatial_dims=2):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Only one label was provided")
            return morphology.remove_small_objects(mask, max_size=min_size, connectivity=connectivity)


class TestRemoveSmallHoles(OpTester):
    op = "remove_small_holes"
    cases = [{"max_size": 3}, {"max_size": 12, "connectivity": 2}, {"max_size": 0}]
    dtypes = (*INTEGERS, *FLOATS)
    shapes = SHAPES
    shapes_3d = AWKWARD_3D
    errors = [
        (
            (np.zeros(5), 3),
            {},
            ArgumentError,
            r"remove_small_holes: expected mask of shape \(\.\.\., H, W\), got \(5,\)",
        ),
        ((np.zeros((5, 6)), -1), {}, ArgumentError, "remove_small_holes: expected max_size of at least 0, got -1"),
        ((np.zeros((5, 6)), 3), {"connectivity": 6}, ArgumentError, "expected connectivity 1, 2, 4 or 8, got 6"),
        ((np.zeros((5, 6), np.complex64), 3), {}, TypeError, "remove_small_holes: expected mask of"),
    ]

    def inputs(self, rng, shape, dtype):
        return (random_mask(rng, shape, dtype),)

    def oracle(self, mask, max_size, connectivity=1, spatial_dims=2):
        return morphology.remove_small_holes(mask != 0, max_size=max_size, connectivity=connectivity)


MASKS = {
    "blobs": lambda rng: ndi.gaussian_filter(rng.standard_normal((400, 500)), 2) > 0,
    "noise": lambda rng: rng.random((401, 499)) < 0.55,
    "spiral": lambda rng: spiral(415),
    "not a spiral": lambda rng: ~spiral(415),
    "comb": lambda rng: comb(400, 401),
    "ones": lambda rng: np.ones((300, 400), bool),
    "zeros": lambda rng: np.zeros((300, 400), bool),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_large(name, threads, rng):
    """Components that stretch over the threads' strips keep their size and their touch of the border."""
    mask = MASKS[name](rng)
    before = fastcnn.get_num_threads()
    try:
        fastcnn.set_num_threads(threads)
        np.testing.assert_array_equal(fastcnn.ops.fill_holes(mask), ndi.binary_fill_holes(mask))
        for size in (5, 200, 10**6):
            for connectivity in (1, 2):
                np.testing.assert_array_equal(
                    fastcnn.ops.remove_small_objects(mask, size, connectivity),
                    morphology.remove_small_objects(mask, max_size=size, connectivity=connectivity),
                )
                np.testing.assert_array_equal(
                    fastcnn.ops.remove_small_holes(mask, size, connectivity),
                    morphology.remove_small_holes(mask, max_size=size, connectivity=connectivity),
                )
    finally:
        fastcnn.set_num_threads(before)


@pytest.mark.parametrize("connectivity", [1, 2, 3, 6, 18, 26])
def test_volumes(connectivity, rng):
    mask = rng.random((30, 61, 70)) < 0.3
    rank = {6: 1, 18: 2, 26: 3}.get(connectivity, connectivity)
    np.testing.assert_array_equal(
        fastcnn.ops.remove_small_objects(mask, 9, connectivity, spatial_dims=3),
        morphology.remove_small_objects(mask, max_size=9, connectivity=rank),
    )
    np.testing.assert_array_equal(
        fastcnn.ops.remove_small_holes(~mask, 9, connectivity, spatial_dims=3),
        morphology.remove_small_holes(~mask, max_size=9, connectivity=rank),
    )
    np.testing.assert_array_equal(fastcnn.ops.fill_holes(~mask, spatial_dims=3), ndi.binary_fill_holes(~mask))


def test_one_slice_is_all_border():
    ring = np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 1]]])
    assert not fastcnn.ops.fill_holes(ring, spatial_dims=3).all()
    assert fastcnn.ops.fill_holes(ring).all()


def test_labels_beyond_any_table(rng):
    labels = rng.choice(np.array([0, 3, 2**40, 2**62, 2**63 - 1]), (20, 30), p=[0.5, 0.2, 0.1, 0.1, 0.1])
    values, counts = np.unique(labels, return_counts=True)
    for size in (0, int(counts.min()), int(counts.max())):
        want = np.where(np.isin(labels, values[counts > size]), labels, 0)
        np.testing.assert_array_equal(fastcnn.ops.remove_small_objects(labels, size), want)


def test_integers_are_labels():
    """A 0-and-1 integer image has one object, as in scikit-image."""
    image = np.array([[1, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(fastcnn.ops.remove_small_objects(image, 2), image)
    np.testing.assert_array_equal(fastcnn.ops.remove_small_objects(image > 0, 1), [[0, 0, 1], [0, 0, 1]])


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**62])
def test_sizes_beyond_any_image(size):
    mask = np.ones((5, 6), bool)
    assert not fastcnn.ops.remove_small_objects(mask, size).any()
    assert fastcnn.ops.remove_small_holes(~mask, size).all()
