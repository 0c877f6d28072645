"""int8, uint32 and uint64 over their whole range. Ops that only compare values commute with monotonic maps, so the
oracle is the same op on the values' ranks; labels are checked against NumPy and scikit-image."""

import numpy as np
import pytest
import skimage.filters
import skimage.segmentation
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError

DTYPES = ["int8", "uint32", "uint64"]
KINDS = [np.asarray, torch.from_numpy]
kinds = pytest.mark.parametrize("of", KINDS, ids=["array", "tensor"])
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def picture(dtype, shape=(2, 19, 37), seed=5):
    """Both ends of the range, ties, and neighbours that a float does not tell apart."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    few = np.array(
        [limits.min, limits.min + 1, limits.max // 2, limits.max // 2 + 1, limits.max - 1, limits.max], dtype
    )
    any_value = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.7, rng.choice(few, shape), any_value)


def ranks_of(image):
    values, ranks = np.unique(image, return_inverse=True)
    return values, ranks.reshape(image.shape).astype(np.int16)


VALUE_OPS = {
    "erosion": lambda x: F.erosion(x, 3),
    "erosion of a volume": lambda x: F.erosion(x, (2, 3, 2), spatial_dims=3),
    "erosion with a disk": lambda x: F.erosion(x, F.disk(3)),
    "dilation": lambda x: F.dilation(x, (1, 5), border="mirror"),
    "opening": lambda x: F.opening(x, 3, border="reflect"),
    "closing": lambda x: F.closing(x, F.diamond(2)),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max_pool1d": lambda x: F.max_pool1d(x, 4, 1, 2),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (4, 5)),
    "resize": lambda x: F.resize(x, (11, 50), "nearest"),
}


@kinds
@dtypes
@pytest.mark.parametrize("op", VALUE_OPS)
def test_values(of, dtype, op):
    image = picture(dtype)
    values, ranks = ranks_of(image)
    got = np.asarray(VALUE_OPS[op](of(image)))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, values[np.asarray(VALUE_OPS[op](of(ranks)))])


def parts(result):
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


PLACE_OPS = {
    "local_maxima": lambda x: F.local_maxima(x),
    "local_minima": lambda x: F.local_minima(x, 1),
    "peak_local_max": lambda x: F.peak_local_max(x, 2),
    "peak_local_max_padded": lambda x: F.peak_local_max_padded(x, 50, 3),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[1],
    "max_pool1d": lambda x: F.max_pool1d(x, 5, 2, 2, return_indices=True)[1],
    "watershed": lambda x: F.watershed(x),
    "watershed in 3-D": lambda x: F.watershed(x, spatial_dims=3, connectivity=3),
}


@kinds
@dtypes
@pytest.mark.parametrize("op", PLACE_OPS)
def test_places(of, dtype, op):
    image = picture(dtype)
    got = parts(PLACE_OPS[op](of(image)))
    want = parts(PLACE_OPS[op](of(ranks_of(image)[1])))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)


@kinds
@dtypes
def test_the_range_saturates(of, dtype):
    image = picture(dtype)
    padded = np.pad(image.astype(object), ((0, 0), (1, 1), (1, 1)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    want = np.minimum(windows.max((-1, -2)) - windows.min((-1, -2)), np.iinfo(dtype).max).astype(dtype)
    np.testing.assert_array_equal(np.asarray(F.morphological_gradient(of(image), 3)), want)


@kinds
@dtypes
def test_the_value_of_a_constant_border(of, dtype):
    image, limits = picture(dtype, (6, 7)), np.iinfo(dtype)
    got = F.erosion(of(image), 3, border="constant", value=limits.min)
    assert (np.asarray(got)[[0, -1]] == limits.min).all()
    with pytest.raises(ArgumentError, match=f"erosion: expected value to be a {dtype}, got"):
        F.erosion(of(image), 3, border="constant", value=float(limits.max) * 2 + 2)


def large_labels(dtype):
    limit = np.iinfo(dtype).max
    labels = np.zeros((1, 8, 9), dtype)
    labels[0, :2, :2], labels[0, 3:5, 3:6], labels[0, 6, 4], labels[0, 3, 7] = 3, limit, limit - 1, 100
    return labels


@kinds
@pytest.mark.parametrize("dtype", [*DTYPES, "uint16", "int64"])
def test_labels(of, dtype):
    labels = large_labels(dtype)
    values, ranks = ranks_of(labels)
    new, inverse, count = F.relabel_sequential(of(labels))
    np.testing.assert_array_equal(np.asarray(new), ranks)
    np.testing.assert_array_equal(np.asarray(inverse)[0], values)
    assert int(count[0]) == 4
    assert np.asarray(new).dtype == np.asarray(inverse).dtype == dtype
    cleared = values[skimage.segmentation.clear_border(ranks[0])]
    np.testing.assert_array_equal(np.asarray(F.clear_border(of(labels)))[0], cleared)
    large = np.where(np.bincount(ranks.ravel())[ranks] > 1, labels, 0)
    np.testing.assert_array_equal(np.asarray(F.remove_small_objects(of(labels), 1)), large)
    if dtype not in ("uint64",):
        table = F.region_table(of(labels), of(labels))
        assert table.label.tolist() == [values[1:].tolist()]
        assert table.area.tolist() == [np.bincount(ranks.ravel())[1:].tolist()]
        assert np.asarray(table.intensity_max).tolist() == [values[1:].tolist()]


@kinds
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
@pytest.mark.parametrize("compactness", [0.0, 0.1])
def test_markers(of, dtype, compactness):
    limits = np.iinfo(dtype)
    image = np.random.default_rng(2).integers(0, 20, (25, 31))
    ranks = np.zeros(image.shape, np.int32)
    ranks[3, 4], ranks[20, 5], ranks[11, 25] = 1, 2, 3
    values = np.array([0, limits.max, 1, limits.min or limits.max - 1], dtype)
    got = np.asarray(F.watershed(of(image), of(values[ranks]), compactness=compactness))
    want = np.asarray(F.watershed(of(image), of(ranks), compactness=compactness))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, values[want])


@kinds
@dtypes
def test_peaks_of_labels(of, dtype):
    image = np.random.default_rng(3).integers(0, 20, (25, 31))
    ranks = np.kron(np.arange(4).reshape(2, 2), np.ones((13, 16), int))[:25, :31]
    values = np.array([0, 1, np.iinfo(dtype).max, np.iinfo(dtype).max - 1], dtype)
    got = F.peak_local_max(of(image), 3, labels=of(values[ranks]))
    np.testing.assert_array_equal(got, F.peak_local_max(of(image), 3, labels=of(ranks)))


@kinds
@dtypes
def test_otsu(of, dtype):
    values = np.random.default_rng(4).integers(0, 100, (30, 40)) ** 2 // 100
    lift = np.iinfo(dtype).min if dtype == "int8" else 4_000_000_000
    image = (values + lift).astype(dtype)
    got = F.threshold_otsu(of(image))
    assert np.asarray(got).dtype == dtype
    assert int(got) == skimage.filters.threshold_otsu(values) + lift


@kinds
@dtypes
def test_gradients_and_segments(of, dtype):
    """Converted, and not by the bits: hog, felzenszwalb."""
    small = np.kron(np.random.default_rng(6).integers(0, 100, (8, 8)), np.ones((4, 4), int))
    got = F.hog(of(small.astype(dtype)))
    np.testing.assert_allclose(got, F.hog(of(small)), rtol=1e-6, atol=1e-7)
    image = picture(dtype, (20, 20))
    limits = np.iinfo(dtype)
    unit = image / float(limits.max) if limits.min == 0 else image.astype(float) * 2 / (float(limits.max) - limits.min)
    got = F.felzenszwalb(of(image), scale=10)
    np.testing.assert_array_equal(got, F.felzenszwalb(of(unit), scale=10))


@kinds
@dtypes
def test_nearest_warp(of, dtype):
    image, limits = picture(dtype, (6, 7)), np.iinfo(dtype)
    shift = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    for fill, want in ((limits.max, limits.max), (-1e30, limits.min), (1e30, limits.max)):
        moved = np.asarray(F.warp_affine(of(image), of(shift), mode="nearest", fill=float(fill)))
        np.testing.assert_array_equal(moved[:, 1:], image[:, :-1])
        np.testing.assert_array_equal(moved[:, 0], np.full(6, want, dtype))
