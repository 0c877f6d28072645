"""The exact Euclidean distance transform against SciPy."""

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester


def scipy_edt(mask, sampling=None, spatial_dims=2):
    """Per image, in float64."""
    flat = mask.reshape(-1, *mask.shape[mask.ndim - spatial_dims :])
    out = np.empty(flat.shape)
    for image, result in zip(flat, out, strict=True):
        result[...] = ndi.distance_transform_edt(image, sampling=sampling) if (image == 0).any() else np.inf
    return out.reshape(mask.shape)


class TestDistanceTransformEdt(OpTester):
    op = "distance_transform_edt"
    dtypes = (*INTEGERS, *FLOATS)
    cases = [{}, {"squared": True}, {"sampling": 0.7}, {"sampling": [2.0, 0.3]}, {"return_indices": True}]
    shapes = [*AWKWARD, (70, 200), (200, 70)]
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.ones(7),), {}, ArgumentError, r"expected mask of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.ones((7, 7)),), {"spatial_dims": 4}, ArgumentError, "expected spatial_dims 2 or 3, got 4"),
        ((np.ones((7, 7)),), {"sampling": 0.0}, ArgumentError, "expected sampling of positive values, got 0"),
        ((np.ones((7, 7)),), {"sampling": [1.0]}, ArgumentError, "expected sampling of 2 values, got 1"),
        ((np.eye(7),), {"sampling": 2.0, "squared": True}, ArgumentError, "no sampling with squared"),
        ((np.ones((7, 7)),), {"squared": True}, ArgumentError, "squared=True needs squares that fit int32"),
        ((np.ones((7, 7), np.complex64),), {}, TypeError, "expected mask of"),
    ]

    def inputs(self, rng, shape, dtype):
        mask = rng.random(shape) < 0.9
        if mask.size:
            mask[..., rng.integers(shape[-2]), rng.integers(shape[-1])] = False  # squared needs one in each image
        values = rng.integers(1, 100, shape)
        return ((np.where(mask, values, 0)).astype(dtype),)

    def oracle(self, mask, squared=False, sampling=None, return_indices=False, spatial_dims=2):
        distance = scipy_edt(mask, sampling, spatial_dims)
        if squared:
            return np.rint(distance**2).astype(np.int32)
        if return_indices:
            reference = fc.distance_transform_edt(mask, return_indices=True, spatial_dims=spatial_dims)[1]
            return distance.astype(np.float32), reference  # checked by test_indices
        return distance.astype(np.float32)


@pytest.mark.parametrize("shape", [(37, 53), (1, 9), (9, 1), (6, 11, 13)])
@pytest.mark.parametrize("sampling", [None, (0.5, 1.25, 3.0)])
def test_indices(rng, shape, sampling):
    """They name a zero, at the distance that SciPy finds, and of equally near ones the first in C order."""
    for share in (0.02, 0.3, 0.9):
        mask = rng.random(shape) > share
        mask[(0,) * len(shape)] = False
        spacing = None if sampling is None else sampling[: len(shape)]
        distance, indices = fc.distance_transform_edt(mask, spacing, return_indices=True, spatial_dims=len(shape))
        assert not mask[tuple(indices)].any()
        offsets = (indices - np.indices(shape)) * np.reshape(spacing or 1.0, (-1,) + (1,) * len(shape))
        np.testing.assert_array_equal(np.sqrt((offsets**2).sum(0)).astype(np.float32), distance)
        np.testing.assert_array_equal(distance, scipy_edt(mask, spacing, len(shape)).astype(np.float32))
        if spacing is None:
            zeros = np.argwhere(~mask)
            for p in itertools.product(*(range(0, n, 3) for n in shape)):
                squares = ((zeros - p) ** 2).sum(1)
                np.testing.assert_array_equal(indices[(slice(None), *p)], zeros[squares.argmin()])


def shapes_with_long_distances():
    """Every path of the kernel: near and far stretches in one row, one zero, a border, a disk, a comb."""
    y, x = np.ogrid[:311, :467]
    yield "disk", (y - 150) ** 2 + (x - 230) ** 2 < 140**2
    yield "blocks", ((y // 60 + x // 90) % 2).astype(bool)
    corner = np.ones((300, 400), bool)
    corner[-1, -1] = False
    yield "one zero", corner
    two = np.ones((257, 600), bool)
    two[3, 5] = two[250, 590] = False
    yield "two zeros", two
    yield "row", np.broadcast_to(y != 100, (311, 467))
    yield "column", np.broadcast_to(x != 7, (311, 467))
    comb = np.ones((40, 5000), bool)
    comb[:, ::611] = False
    yield "comb", comb
    yield "tall", np.broadcast_to(np.arange(5000)[:, None] % 1777 != 3, (5000, 3))


@pytest.mark.parametrize(
    ("name", "mask"), list(shapes_with_long_distances()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_long_distances(name, mask):
    expected = ndi.distance_transform_edt(mask)
    np.testing.assert_array_equal(fc.distance_transform_edt(mask), expected.astype(np.float32))
    np.testing.assert_array_equal(fc.distance_transform_edt(mask, squared=True), np.rint(expected**2).astype(np.int32))


def test_long_distances_3d(rng):
    """Along the depth too: beyond the reach of the min-plus pass."""
    mask = np.ones((90, 20, 70), bool)
    mask[3, 4, 5] = mask[85, 10, 60] = False
    mask[40, :, 30:32] = False
    expected = ndi.distance_transform_edt(mask)
    np.testing.assert_array_equal(fc.distance_transform_edt(mask, spatial_dims=3), expected.astype(np.float32))


def test_roots_above_2_to_the_24():
    """Squares that float32 cannot hold: the root is still rounded once."""
    mask = np.ones((3, 9001), bool)
    mask[0, 0] = False
    expected = np.hypot(*np.ogrid[:3, :9001]).astype(np.float32)
    np.testing.assert_array_equal(fc.distance_transform_edt(mask), expected)
    np.testing.assert_array_equal(fc.distance_transform_edt(mask[None], spatial_dims=3)[0], expected)


@pytest.mark.parametrize("shape", [(66000, 2), (2, 66000)])
def test_beyond_16_bits(shape):
    mask = np.ones(shape, bool)
    mask[0, 0] = False
    expected = np.hypot(*np.ogrid[: shape[0], : shape[1]])
    np.testing.assert_array_equal(fc.distance_transform_edt(mask), expected.astype(np.float32))
    with pytest.raises(ArgumentError, match="fit int32"):
        fc.distance_transform_edt(mask, squared=True)


def test_no_zero():
    for shape, dims in [((4, 5), 2), ((2, 300, 40), 2), ((3, 4, 5), 3), ((70, 3, 2), 3)]:
        mask = np.ones(shape, np.uint8)
        assert np.isposinf(fc.distance_transform_edt(mask, spatial_dims=dims)).all()
        distance, indices = fc.distance_transform_edt(mask, return_indices=True, spatial_dims=dims)
        assert np.isposinf(distance).all()
        assert (indices == -1).all()
    mixed = np.ones((2, 5, 6), bool)
    mixed[1, 2, 3] = False
    assert np.isposinf(fc.distance_transform_edt(mixed)[0]).all()
    assert np.isfinite(fc.distance_transform_edt(mixed)[1]).all()


def test_nan_and_signed_zero():
    mask = np.array([[np.nan, -0.0, np.inf]], np.float32)
    np.testing.assert_array_equal(fc.distance_transform_edt(mask), [[1, 0, 1]])
    half = torch.tensor([[float("nan"), -0.0, float("inf")]], dtype=torch.bfloat16)
    assert F.distance_transform_edt(half).tolist() == [[1, 0, 1]]
