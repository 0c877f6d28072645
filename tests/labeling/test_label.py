"""`label` against SciPy, whose numbering it shares."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

import fastcnn
import fastcnn.ops
from fastcnn import ArgumentError, _core
from tests.labeling.masks import comb, late_first_pixel, random_mask, spiral
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester


def expected(mask, connectivity=None):
    structure = ndi.generate_binary_structure(mask.ndim, connectivity or mask.ndim)
    labels, count = ndi.label(mask != 0, structure)
    return labels.astype(np.int32), count


class TestLabel(OpTester):
    op = "label"
    cases = [{}, {"connectivity": 1}, {"connectivity": 2, "return_num": True}]
    dtypes = (*INTEGERS, *FLOATS)
    shapes = [*AWKWARD, (2, 63), (3, 64), (2, 128), (9, 129), (33, 191), (64, 1)]
    shapes_3d = [*AWKWARD_3D, (2, 2, 65), (5, 6, 128), (7, 3, 1)]
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"label: expected mask of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"connectivity": 3}, ArgumentError, "label: expected connectivity 1, 2, 4 or 8, got 3"),
        ((np.zeros((7, 7)),), {"connectivity": 0}, ArgumentError, "label: expected connectivity"),
        ((np.zeros((7, 7)),), {"spatial_dims": 4}, ArgumentError, "label: expected spatial_dims 2 or 3, got 4"),
        ((np.zeros((7, 7)),), {"spatial_dims": 3}, ArgumentError, r"expected mask of shape \(\.\.\., D, H, W\)"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "label: expected mask of"),
    ]

    def inputs(self, rng, shape, dtype):
        return (random_mask(rng, shape, dtype, rng.choice([0.2, 0.5, 0.8])),)

    def oracle(self, mask, connectivity=None, return_num=False, spatial_dims=2):
        labels, count = expected(mask, connectivity)
        return (labels, np.asarray(count, np.int32)) if return_num else labels


@pytest.mark.parametrize("dims", [2, 3])
def test_neighbour_counts_name_the_same_connectivity(dims, rng):
    mask = rng.random((7, 9, 11)[:dims]) < 0.4
    for rank, count in enumerate([(4, 8), (6, 18, 26)][dims - 2], 1):
        got = fastcnn.ops.label(mask, connectivity=count, spatial_dims=dims)
        np.testing.assert_array_equal(got, expected(mask, rank)[0])
        np.testing.assert_array_equal(got, fastcnn.ops.label(mask, connectivity=rank, spatial_dims=dims))


LARGE = {
    "blobs": lambda rng: ndi.gaussian_filter(rng.standard_normal((500, 700)), 3) > 0,
    "p=0.1": lambda rng: rng.random((500, 701)) < 0.1,
    "p=0.4": lambda rng: rng.random((501, 700)) < 0.4,
    "p=0.6": lambda rng: rng.random((500, 640)) < 0.6,
    "p=0.9": lambda rng: rng.random((500, 639)) < 0.9,
    "ones": lambda rng: np.ones((400, 500), bool),
    "zeros": lambda rng: np.zeros((400, 500), bool),
    "spiral": lambda rng: spiral(515),
    "comb": lambda rng: comb(513, 400),
    "comb upside down": lambda rng: comb(513, 400)[::-1],
    "comb sideways": lambda rng: comb(513, 400).T,
    "checkerboard": lambda rng: np.indices((400, 401)).sum(0) % 2 == 0,
    "late first pixel": lambda rng: late_first_pixel(400),
    "one column": lambda rng: rng.random((200_000, 1)) < 0.5,
    "one row": lambda rng: rng.random((1, 200_000)) < 0.5,
    "two columns": lambda rng: rng.random((100_000, 2)) < 0.3,
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("connectivity", [1, 2])
def test_strips_join(name, connectivity, rng):
    """Images large enough that each of many threads has a strip, joined along the borders."""
    mask = LARGE[name](rng)
    want, count = expected(mask, connectivity)
    before = fastcnn.get_num_threads()
    try:
        for threads in (1, 2, 3, 16):
            fastcnn.set_num_threads(threads)
            got, n = fastcnn.ops.label(mask, connectivity, return_num=True)
            np.testing.assert_array_equal(got, want)
            assert n == count
    finally:
        fastcnn.set_num_threads(before)


@pytest.mark.parametrize("shape", [(30, 80, 90), (2, 400, 300), (300, 1, 400), (90, 70, 1), (400, 3, 129)])
@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_strips_join_in_3d(shape, connectivity, rng):
    before = fastcnn.get_num_threads()
    try:
        for density in (0.1, 0.3, 0.5):
            mask = rng.random(shape) < density
            want, count = expected(mask, connectivity)
            for threads in (1, 2, 7):
                fastcnn.set_num_threads(threads)
                got, n = fastcnn.ops.label(mask, connectivity, return_num=True, spatial_dims=3)
                np.testing.assert_array_equal(got, want)
                assert n == count
    finally:
        fastcnn.set_num_threads(before)


def test_bfloat16(rng):
    mask = torch.from_numpy(random_mask(rng, (20, 70), "float32")).bfloat16()  # the subnormals round to zero
    want = expected(mask.float().numpy())[0]
    np.testing.assert_array_equal(fastcnn.ops.label(mask), want)


def test_torch_threads(rng):
    mask = torch.from_numpy(rng.random((600, 500)) < 0.5)
    want = expected(mask.numpy())[0]
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            np.testing.assert_array_equal(fastcnn.ops.label(mask), want)
    finally:
        torch.set_num_threads(before)


def test_counts_of_a_batch(rng):
    masks = rng.random((2, 3, 20, 30)) < 0.3
    labels, counts = fastcnn.ops.label(masks, return_num=True)
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts, labels.max((-1, -2)))
    assert fastcnn.ops.label(masks[0, 0], return_num=True)[1].shape == ()
    assert fastcnn.ops.label(torch.from_numpy(masks), return_num=True)[1].shape == (2, 3)
    np.testing.assert_array_equal(fastcnn.ops.label(masks[:, :, :0], return_num=True)[1], np.zeros((2, 3)))


def test_a_mask_that_is_not_0_and_1():
    """torch's bool views of bytes may hold any byte."""
    mask = torch.tensor([[2, 0, 255], [0, 0, 4]], dtype=torch.uint8).view(torch.bool)
    np.testing.assert_array_equal(fastcnn.ops.label(mask), [[1, 0, 2], [0, 0, 2]])


def test_scratch_is_what_the_docstring_says():
    mask = np.indices((1000, 1024)).sum(0) % 2 == 0
    for connectivity, maximum in ((2, 2.3), (1, 4.3)):
        _core.take_peak_scratch()
        fastcnn.ops.label(mask, connectivity)
        assert _core.take_peak_scratch() <= maximum * mask.size
