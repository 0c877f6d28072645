"""`relabel_sequential` against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.segmentation import relabel_sequential

import fastcnn.ops
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD_3D, OpTester


class TestRelabelSequential(OpTester):
    op = "relabel_sequential"
    cases = [{"max_labels": 9}, {"max_labels": 3}, {"max_labels": 0}]
    dtypes = ("uint8", "uint16", "int16", "int32", "int64")
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros((5, 6)),), {}, TypeError, "relabel_sequential: expected labels of dtype bool, uint8"),
        (
            (np.zeros(5, int),),
            {"max_labels": 1},
            ArgumentError,
            r"expected labels of shape \(\.\.\., H, W\), got \(5,\)",
        ),
        ((np.array([[1, -3]]),), {}, ArgumentError, "expected labels without negative values, got -3"),
        ((np.ones((5, 6), int),), {"max_labels": -1}, ArgumentError, "expected max_labels of at least 0, got -1"),
    ]

    def inputs(self, rng, shape, dtype):
        largest = np.iinfo(dtype).max  # of int32 and int64 beyond any table
        values = np.array([0, 1, 2, 5, 17, 100, largest - 2, largest], dtype)
        return (rng.choice(values, shape),)

    def oracle(self, labels, max_labels, spatial_dims=2):
        new, _, inverse = relabel_sequential(labels)
        old = np.array(inverse)
        rows = np.zeros(max_labels + 1, labels.dtype)
        rows[: len(old)] = old[: max_labels + 1]
        return new.astype(labels.dtype), rows, np.int32(len(old) - 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_without_max_labels(dtype, rng):
    labels = (rng.integers(0, 3, (2, 20, 30)) * np.array([2, 50])[:, None, None]).astype(dtype)
    labels[1, 0, :4] = [7, 8, 9, 0]
    got = fastcnn.ops.relabel_sequential(labels)
    np.testing.assert_array_equal(got.count, [2, 5])
    np.testing.assert_array_equal(got.inverse_map, [[0, 2, 4, 0, 0, 0], [0, 7, 8, 9, 50, 100]])
    for i in range(2):
        np.testing.assert_array_equal(got.inverse_map[i][got.labels[i]], labels[i])
        np.testing.assert_array_equal(got.labels[i], relabel_sequential(labels[i])[0])
    again = fastcnn.ops.relabel_sequential(torch.from_numpy(labels))
    for g, t in zip(got, again, strict=True):
        np.testing.assert_array_equal(g, t)


def test_bool_and_nothing():
    np.testing.assert_array_equal(fastcnn.ops.relabel_sequential(np.eye(3, dtype=bool)).labels, np.eye(3, dtype=bool))
    got = fastcnn.ops.relabel_sequential(np.zeros((3, 4), int))
    assert got.count == 0
    np.testing.assert_array_equal(got.inverse_map, [0])


def test_many_labels_and_threads(rng):
    """A table, and a sorted list, of about as many labels as pixels."""
    for labels in (rng.integers(0, 250_000, (400, 500)), rng.integers(0, 2**62, (400, 500))):
        new, inverse, count = fastcnn.ops.relabel_sequential(labels)
        want, _, old = relabel_sequential(labels)
        np.testing.assert_array_equal(new, want)
        np.testing.assert_array_equal(inverse[: count + 1], np.concatenate([[0], np.unique(labels[labels > 0])]))
        assert len(np.array(old)) >= count
