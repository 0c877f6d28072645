"""`clear_border` against scikit-image."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.segmentation import clear_border

import fastcnn
import fastcnn.ops
from fastcnn import ArgumentError
from tests.labeling.masks import spiral
from tests.op_tester import AWKWARD_3D, INTEGERS, OpTester


class TestClearBorder(OpTester):
    op = "clear_border"
    dtypes = INTEGERS
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros((5, 6)),), {}, TypeError, "clear_border: expected labels of dtype bool, uint8"),
        ((np.zeros(5, int),), {}, ArgumentError, r"expected labels of shape \(\.\.\., H, W\), got \(5,\)"),
    ]

    def inputs(self, rng, shape, dtype):
        objects = rng.random(shape) < 0.3
        values = rng.integers(0 if dtype.startswith("u") else -1, 3, shape)
        return ((objects * values).astype(dtype),)

    def oracle(self, labels, spatial_dims=2):
        return clear_border(labels)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("kind", ["labels", "mask", "spiral", "rings"])
def test_large(threads, kind, rng):
    blobs = ndi.gaussian_filter(rng.standard_normal((300, 400)), 3) > 0.02
    y, x = np.ogrid[-150:150, -150:150]
    image = {
        "labels": lambda: ndi.label(blobs)[0],
        "mask": lambda: blobs,
        "spiral": lambda: spiral(301).astype(np.int32),
        "rings": lambda: np.hypot(x, y).astype(np.int64) // 5 % 4,
    }[kind]()
    before = fastcnn.get_num_threads()
    try:
        fastcnn.set_num_threads(threads)
        np.testing.assert_array_equal(fastcnn.ops.clear_border(image), clear_border(image))
    finally:
        fastcnn.set_num_threads(before)


def test_a_label_in_two_parts():
    labels = np.zeros((5, 7), int)
    labels[0, 1] = labels[2, 3] = 4
    got = fastcnn.ops.clear_border(labels)
    assert got[0, 1] == 0
    assert got[2, 3] == 4


def test_the_end_slices_are_border():
    """A volume of one slice is all border, as in scikit-image; a batch of images is not a volume."""
    labels = np.zeros((1, 5, 5), int)
    labels[0, 2, 2] = 1
    assert fastcnn.ops.clear_border(labels, spatial_dims=3).max() == 0
    assert fastcnn.ops.clear_border(labels).max() == 1
    assert fastcnn.ops.clear_border(labels > 0, spatial_dims=3).max() == 0
