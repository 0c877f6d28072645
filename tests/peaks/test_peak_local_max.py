"""Peaks against scikit-image."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.feature
import torch

import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester, random_image

ERRORS = [
    ((np.zeros(7),), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
    ((np.zeros((7, 7)),), {"min_distance": 0}, ArgumentError, "expected min_distance of at least 1, got 0"),
    ((np.zeros((7, 7)), 1, None, np.zeros((7, 6), int)), {}, ArgumentError, r"expected labels of shape \(7, 7\)"),
    ((np.zeros((7, 7)), 1, None, np.zeros((7, 7))), {}, TypeError, "expected labels of dtype"),
    ((np.zeros((7, 7), np.complex64),), {}, TypeError, "expected image of"),
]


def ordered(image, rows):
    """By falling value, then index: scikit-image orders label by label."""
    if len(rows) == 0:
        return rows.reshape(0, image.ndim).astype(np.int64)
    values = image[tuple(rows.T)].astype(np.float64)
    return rows[np.lexsort((np.ravel_multi_index(tuple(rows.T), image.shape), -values))].astype(np.int64)


def peer(image, labels=None, spatial_dims=2, **kwargs):
    # float16 has no filter in SciPy, bool no order in scikit-image.
    wide = image.astype(np.float64 if image.dtype.kind == "f" else np.int64)
    lead = image.shape[: image.ndim - spatial_dims]
    rows = []
    for index in np.ndindex(*lead):
        one = wide[index]
        found = skimage.feature.peak_local_max(
            one, exclude_border=False, labels=None if labels is None else labels[index], **kwargs
        )
        found = ordered(one, found)
        rows.append(np.concatenate([np.broadcast_to(np.array(index, int), (len(found), len(lead))), found], axis=1))
    return np.concatenate(rows) if rows else np.zeros((0, image.ndim), np.int64)


class TestPeakLocalMax(OpTester):
    op = "peak_local_max"
    dtypes = (*INTEGERS, *FLOATS)
    cases = [{}, {"min_distance": 3}, {"min_distance": 2, "threshold_abs": 1.5}]
    shapes = AWKWARD
    shapes_3d = AWKWARD_3D
    fixed_shape = False
    batched = False
    errors = ERRORS

    def oracle(self, image, **kwargs):
        return peer(image, **kwargs)


class TestPeakLocalMaxPadded(OpTester):
    op = "peak_local_max_padded"
    dtypes = (*INTEGERS, *FLOATS)
    cases = [{"max_peaks": 4}, {"max_peaks": 50, "min_distance": 2}, {"max_peaks": 0}]
    shapes_3d = AWKWARD_3D
    errors = [((np.zeros((7, 7)),), {"max_peaks": -1}, ArgumentError, "expected max_peaks of at least 0, got -1")]

    def oracle(self, image, max_peaks, spatial_dims=2, **kwargs):
        coordinates = np.full((max_peaks, spatial_dims), -1)
        found = peer(image, spatial_dims=spatial_dims, **kwargs)[:max_peaks]
        coordinates[: len(found)] = found
        return coordinates, np.array(len(found))

    def test_empty(self, case):
        for shape, batch in [((0, 5, 7), (0,)), ((2, 0, 7), (2,)), ((0, 0), ())]:
            for op, image in ((self.run, np.zeros(shape)), (self.run, torch.zeros(shape))):
                coordinates, counts = op(image, **case)
                assert tuple(coordinates.shape) == (*batch, case["max_peaks"], 2)
                assert (coordinates == -1).all()
                assert tuple(counts.shape) == batch
                assert (counts == 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("min_distance", [1, 2, 5])
def test_labels(rng, dtype, min_distance):
    """Each label by itself, labels of one value among them."""
    for shape, dims in [((40, 53), 2), ((9, 14, 17), 3)]:
        for size in (1, 4):
            image = random_image(rng, shape, dtype)
            image = np.asarray(ndi.uniform_filter(image, size))
            blocks = rng.integers(0, 6, [-(-n // 5) for n in shape])
            labels = np.kron(blocks, np.ones((5,) * dims, int))[tuple(slice(n) for n in shape)]
            image[labels == 2] = 3  # trivial
            got = fc.peak_local_max(image, min_distance, labels=labels, spatial_dims=dims)
            np.testing.assert_array_equal(got, peer(image, labels, dims, min_distance=min_distance))
            for kind in (np.int32, np.uint8):
                again = fc.peak_local_max(image, min_distance, labels=labels.astype(kind), spatial_dims=dims)
                np.testing.assert_array_equal(again, got)


def test_distance_transform(rng):
    """As the main job uses it."""
    mask = ndi.gaussian_filter(rng.random((200, 300)), 4) > 0.5
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1)
    labels, _ = ndi.label(mask)
    for d in (1, 4, 9):
        np.testing.assert_array_equal(fc.peak_local_max(distance, d), peer(distance, min_distance=d))
        got = fc.peak_local_max(distance, d, labels=labels)
        np.testing.assert_array_equal(got, peer(distance, labels, min_distance=d))


def test_one_value():
    for shape in [(1, 1), (1, 4), (5, 6)]:
        assert fc.peak_local_max(np.ones(shape)).shape == (0, 2)
    assert fc.peak_local_max(np.ones((1, 1)), threshold_abs=0.0).tolist() == [[0, 0]]


def test_batch_rows_and_thresholds():
    """Each image has its own least value; rows carry the batch index."""
    image = np.zeros((2, 1, 3, 4), np.float32)
    image[0, 0, 1, 2] = 5
    image[1] = 100
    image[1, 0, 0, 0] = 101
    assert fc.peak_local_max(image).tolist() == [[0, 0, 1, 2], [1, 0, 0, 0]]


def test_nan_is_no_peak_and_hides_its_window():
    image = np.array([[0, 2, 0, 0, np.nan, 0, 3, 0, 1]], np.float32)
    assert fc.peak_local_max(image).tolist() == [[0, 6], [0, 1], [0, 8]]  # NaN is two columns away
    assert fc.peak_local_max(image, 2).tolist() == [[0, 1]]


def test_wider_than_the_image(rng):
    image = rng.random((5, 7))
    assert len(fc.peak_local_max(image, 10**6)) == 1


def test_graph_of_a_data_dependent_shape():
    image = torch.rand(20, 30)
    program = torch.export.export(Rows(), (image,))
    assert torch.equal(program.module()(image), F.peak_local_max(image, 2))


class Rows(torch.nn.Module):
    def forward(self, image):
        return F.peak_local_max(image, 2)
