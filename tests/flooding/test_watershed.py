"""The watershed against its definition in NumPy, and against scikit-image where ties do not matter."""

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.data
import skimage.filters
import skimage.segmentation
import torch

import fastcnn.ops as F
import fastcnn.ops as fc
from fastcnn import ArgumentError
from tests.flooding.watershed_oracle import watershed as by_definition
from tests.op_tester import AWKWARD, AWKWARD_3D, FLOATS, INTEGERS, OpTester, random_image

ZEROS = np.zeros((7, 7))
MARKERS = np.zeros((7, 7), np.int32)


class TestWatershed(OpTester):
    op = "watershed"
    dtypes = (*INTEGERS, *FLOATS)
    cases = [{}, {"connectivity": 2}, {"connectivity": 2, "watershed_line": True}]
    shapes = AWKWARD
    shapes_3d = AWKWARD_3D
    errors = [
        ((np.zeros(7), np.zeros(7, np.int32)), {}, ArgumentError, r"expected image of shape \(\.\.\., H, W\)"),
        ((ZEROS, MARKERS[:, :6]), {}, ArgumentError, r"expected markers of shape \(7, 7\), got \(7, 6\)"),
        ((ZEROS, MARKERS, 1, MARKERS[:6]), {}, ArgumentError, r"expected mask of shape \(7, 7\), got \(6, 7\)"),
        ((ZEROS, MARKERS, 3), {}, ArgumentError, "expected connectivity 1, 2, 4 or 8, got 3"),
        ((ZEROS, MARKERS), {"compactness": -1.0}, ArgumentError, "expected compactness"),
        ((ZEROS, MARKERS), {"compactness": 1.0, "watershed_line": True}, ArgumentError, "watershed_line"),
        ((ZEROS, ZEROS), {}, TypeError, "expected markers of dtype uint8, .*int64, got float64"),
    ]

    def inputs(self, rng, shape, dtype):
        markers = np.where(rng.random(shape) < 0.06, rng.integers(-3, 40, shape), 0)
        return random_image(rng, shape, dtype), markers.astype(np.int32)

    def oracle(self, image, markers, connectivity=1, spatial_dims=2, **kwargs):
        return by_definition(wide(image), markers, connectivity, **kwargs)


def wide(image):
    return image.astype(np.float64 if image.dtype.kind == "f" else np.int64)


def scenes(rng, shape):
    """Reliefs and markers: plateaus, noise, distances, few and many markers, adjacent ones, masks with islands."""
    for kind in range(6):
        if kind == 0:
            image = rng.integers(0, 3, shape)
        elif kind == 1:
            image = rng.integers(0, 256, shape)
        elif kind == 2:
            image = ndi.gaussian_filter(rng.random(shape) * 255, 1.5)
        elif kind == 3:
            image = -ndi.distance_transform_edt(rng.random(shape) < 0.8)
        elif kind == 4:
            image = np.zeros(shape)
        else:
            image = np.add.outer(np.arange(shape[-2]), np.arange(shape[-1])) % 7 + np.zeros(shape)
        for share in (0.003, 0.05, 0.5):
            markers = np.where(rng.random(shape) < share, rng.integers(-5, 99, shape), 0)
            mask = None if kind % 2 else rng.random(shape) < 0.85
            yield image, markers.astype(np.int64 if kind == 1 else np.int32), mask


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(24, 31), (1, 60), (45, 1), (70, 65), (6, 9, 11)])
def test_definition(dtype, shape):
    rng = np.random.default_rng(len(shape))
    for image, markers, mask in scenes(rng, shape):
        image = image.astype(dtype)
        for connectivity in range(1, len(shape) + 1):
            for line in (False, True):
                got = fc.watershed(image, markers, connectivity, mask, watershed_line=line, spatial_dims=len(shape))
                assert got.dtype == markers.dtype
                np.testing.assert_array_equal(got, by_definition(image, markers, connectivity, mask, line))


def beside(values, connectivity):
    """Pairs of neighbouring values, each pair once."""
    steps = [s for s in itertools.product((-1, 0, 1), repeat=values.ndim) if 0 < np.abs(s).sum() <= connectivity]
    for step in steps[len(steps) // 2 :]:
        yield tuple(
            values[
                tuple(slice(max(0, sign * s), n + min(0, sign * s)) for s, n in zip(step, values.shape, strict=True))
            ]
            for sign in (1, -1)
        )


@pytest.mark.parametrize("front", [fc.watershed, lambda *a, **k: F.watershed(*map(torch.from_numpy, a), **k).numpy()])
@pytest.mark.parametrize("shape", [(1, 60), (45, 33), (6, 9, 11)])
def test_a_line_parts_all_labels(rng, shape, front):
    """Labels touch nowhere but between two markers, and nothing else was cleared than one of two that touched."""
    for image, markers, _ in scenes(rng, shape):
        # Markers on plateaus of their own, higher and lower than what is around.
        image = np.where(markers != 0, rng.permutation(image.ravel()).reshape(shape) * 3 - 50, image)
        for connectivity in range(1, len(shape) + 1):
            options = {"connectivity": connectivity, "spatial_dims": len(shape)}
            full = front(image, markers, **options)
            line = front(image, markers, watershed_line=True, **options)
            kept = line != 0
            np.testing.assert_array_equal(line[kept], full[kept])
            assert kept[markers != 0].all()
            touched = np.zeros(shape, bool)
            for (a, b), (p, q), (m, n), (s, t) in zip(
                *(beside(x, connectivity) for x in (line, full, markers != 0, touched)), strict=True
            ):
                assert not ((a != b) & (a != 0) & (b != 0) & ~(m & n)).any()
                s |= p != q
                t |= p != q
            assert touched[~kept & (full != 0)].all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
def test_a_line_beside_a_marker(dtype):
    """The greater goes; where it is a marker, the other; and both stay where both are."""
    for image, markers, expected in [
        ([0, 1, 5], [1, 0, 2], [1, 0, 2]),
        ([5, 1, 0], [2, 0, 1], [2, 0, 1]),
        ([0, 1, 5, 5], [1, 0, 2, 3], [1, 0, 2, 3]),
        ([0, 1, 2, 9], [1, 0, 0, 2], [1, 1, 0, 2]),
        ([0, 1, 9, 1, 0], [1, 0, 0, 0, 2], [1, 1, 0, 2, 2]),
        ([9, 1, 9], [1, 0, 2], [1, 0, 2]),
    ]:
        for shape in [(1, -1), (-1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)]:
            relief, seeds = np.reshape(image, shape).astype(dtype), np.reshape(markers, shape)
            got = fc.watershed(relief, seeds, watershed_line=True, spatial_dims=len(shape))
            np.testing.assert_array_equal(got.ravel(), expected)


def test_scikit_image_where_no_ties_decide(rng):
    """Distinct values: only one flood is possible, labels included."""
    for shape in [(60, 83), (11, 13, 17)]:
        image = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)
        markers = np.where(rng.random(shape) < 0.01, rng.integers(1, 50, shape), 0).astype(np.int32)
        mask = rng.random(shape) < 0.9
        for connectivity in range(1, len(shape) + 1):
            expected = skimage.segmentation.watershed(image, markers, connectivity, mask=mask)
            got = fc.watershed(image, markers, connectivity, mask, spatial_dims=len(shape))
            np.testing.assert_array_equal(got, expected)


def test_scikit_image_on_a_photograph():
    """The gradient of the coins, as its own example floods it: equal to the last pixel."""
    coins = skimage.data.coins()
    relief = skimage.filters.sobel(coins)
    markers = np.zeros(coins.shape, np.int32)
    markers[coins < 30], markers[coins > 150] = 1, 2
    np.testing.assert_array_equal(fc.watershed(relief, markers), skimage.segmentation.watershed(relief, markers))


def test_without_markers(rng):
    image = ndi.gaussian_filter(rng.random((50, 60)), 3)
    mask = rng.random(image.shape) < 0.95
    for connectivity in (1, 2):
        expected = skimage.segmentation.watershed(image, connectivity=connectivity)
        np.testing.assert_array_equal(fc.watershed(image, connectivity=connectivity), expected)
        expected = skimage.segmentation.watershed(image, connectivity=connectivity, mask=mask)
        np.testing.assert_array_equal(fc.watershed(image, connectivity=connectivity, mask=mask), expected)
    tensor = torch.from_numpy(image)
    np.testing.assert_array_equal(F.watershed(tensor).numpy(), fc.watershed(image))


@pytest.mark.parametrize("compactness", [0.01, 1.0, 100.0])
def test_compact(rng, compactness):
    for shape in [(40, 57), (8, 10, 12)]:
        image = rng.random(shape)
        markers = np.where(rng.random(shape) < 0.01, 1, 0)
        markers[markers > 0] = np.arange(1, markers.sum() + 1)
        mask = rng.random(shape) < 0.95
        expected = skimage.segmentation.watershed(image, markers, compactness=compactness, mask=mask)
        got = fc.watershed(image, markers.astype(np.int32), 1, mask, compactness, spatial_dims=len(shape))
        np.testing.assert_array_equal(got, expected)


def test_extremes_and_specials():
    """The type's extremes are values like others; so are ±inf; NaN is flooded last; both zeros are one level."""
    for dtype in ("uint8", "uint16", "int16", "int32", "int64", "float32", "float64"):
        limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
        image = np.full((9, 12), limits.max, dtype)
        image[:, 3:5] = limits.min
        image[4] = limits.max
        markers = np.zeros(image.shape, np.int32)
        markers[0, 3], markers[8, 11] = np.iinfo(np.int32).min, np.iinfo(np.int32).max
        for connectivity in (1, 2):
            expected = by_definition(image, markers, connectivity)
            np.testing.assert_array_equal(fc.watershed(image, markers, connectivity), expected)
    image = np.array([[0.0, -0.0, np.inf, np.nan, -np.inf, 0.0, np.nan, np.nan]], np.float32)
    for dtype in (np.float16, np.float32, np.float64):
        for at in range(8):
            markers = np.zeros((1, 8), np.int32)
            markers[0, at], markers[0, (at + 3) % 8] = 5, -7
            expected = by_definition(image, markers)
            np.testing.assert_array_equal(fc.watershed(image.astype(dtype), markers), expected)


def test_nothing_to_flood(rng):
    image = rng.random((6, 7))
    none, all_masked = np.zeros(image.shape, np.int32), np.zeros(image.shape, bool)
    assert not fc.watershed(image, none).any()
    assert not fc.watershed(image, none + 1, mask=all_masked).any()
    mask = np.ones(image.shape, bool)
    mask[:, 3] = False
    markers = none.copy()
    markers[2, 1], markers[0, 3] = 4, 9  # the second one lies outside the mask
    got = fc.watershed(image, markers, mask=mask)
    assert (got[:, :3] == 4).all()
    assert not got[:, 3:].any()


def test_long_ways():
    """A spiral corridor: one label has to follow every turn; and a plateau deeper than 16 bits of generations."""
    y, x = np.ogrid[-150:151, -150:151]
    corridor = (np.hypot(y, x) / 6 + np.arctan2(y, x) / np.pi) % 2 < 1
    image = np.where(corridor, 1, 200).astype(np.uint8)
    markers = np.zeros(image.shape, np.int32)
    markers[150, 150], markers[0, 0] = 1, 2
    np.testing.assert_array_equal(fc.watershed(image, markers), by_definition(image, markers))
    line = np.zeros((1, 200_000), np.uint8)
    ends = np.zeros(line.shape, np.int32)
    ends[0, 0], ends[0, -1] = 1, 2
    got = fc.watershed(line, ends)
    assert (got[0, :100_000] == 1).all()
    assert (got[0, 100_000:] == 2).all()
    np.testing.assert_array_equal(fc.watershed(line.astype(np.float32), ends), got)


@pytest.mark.parametrize("share", [0.2, 0.9, 1.0])
def test_dense_markers(rng, share):
    """More markers than one batch of roots holds, most of them without a child; several tiles; all neighbourhoods."""
    for shape in [(6, 22), (70, 90), (9, 20, 35)]:
        for dtype in (np.uint8, np.float64):
            image = rng.integers(0, 4, shape).astype(dtype)
            markers = np.where(rng.random(shape) < share, rng.integers(-4, 5, shape), 0)
            mask = rng.random(shape) < 0.8
            for connectivity in range(1, len(shape) + 1):
                got = fc.watershed(image, markers, connectivity, mask, spatial_dims=len(shape))
                np.testing.assert_array_equal(got, by_definition(image, markers, connectivity, mask))


def test_every_small_image_agrees(rng):
    """Many random small images, where a rare mistake has room to show."""
    for _ in range(1500):
        shape = tuple(rng.integers(1, 16, 2)) if rng.random() < 0.7 else tuple(rng.integers(1, 9, 3))
        dtype = rng.choice(["bool", "uint8", "uint16", "int32", "int64", "float16", "float32", "float64"])
        image = random_image(rng, shape, str(dtype))
        markers = np.where(rng.random(shape) < rng.choice([0.02, 0.1, 0.5, 0.95]), rng.integers(-4, 5, shape), 0)
        mask = None if rng.random() < 0.5 else rng.random(shape) < 0.7
        connectivity, line = int(rng.integers(1, len(shape) + 1)), bool(rng.random() < 0.4)
        got = fc.watershed(image, markers, connectivity, mask, watershed_line=line, spatial_dims=len(shape))
        np.testing.assert_array_equal(got, by_definition(image, markers, connectivity, mask, line))


@pytest.mark.parametrize(("dims", "count", "rank"), [(2, 4, 1), (2, 8, 2), (3, 6, 1), (3, 18, 2), (3, 26, 3)])
def test_connectivity_as_a_number_of_neighbours(rng, dims, count, rank):
    image, markers, mask = next(scenes(rng, (5, 12, 13)))
    expected = fc.watershed(image, markers, rank, mask, spatial_dims=dims)
    np.testing.assert_array_equal(fc.watershed(image, markers, count, mask, spatial_dims=dims), expected)


def test_mask_of_any_dtype(rng):
    image, markers, mask = next(scenes(rng, (20, 30)))
    expected = fc.watershed(image, markers, mask=mask)
    for kind in (np.uint8, np.int64, np.float32):
        np.testing.assert_array_equal(fc.watershed(image, markers, mask=mask.astype(kind) * 3), expected)


def test_vmap_over_a_shared_mask(rng):
    images = torch.rand(3, 12, 14)
    markers = torch.from_numpy(np.where(rng.random((3, 12, 14)) < 0.05, 3, 0).astype(np.int32))
    mask = torch.rand(12, 14) < 0.9
    got = torch.vmap(lambda i, m: F.watershed(i, m, 1, mask))(images, markers)
    expected = F.watershed(images, markers, 1, mask.expand(3, -1, -1))
    assert torch.equal(got, expected)
