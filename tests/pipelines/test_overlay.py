"""Pictures for people: outlines where they belong, neighbours told apart."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.segmentation

from fastcnn import ArgumentError
from fastcnn.pipelines import contact_sheet, draw_outlines
from fastcnn.pipelines.overlay import PALETTE


def voronoi(seed=0, count=60, size=120):
    """Cells that fill the picture, each touching its neighbours."""
    at = np.random.default_rng(seed).integers(0, size, (count, 2))
    seeds = np.zeros((size, size), int)
    seeds[tuple(at.T)] = np.arange(1, count + 1)
    _, index = ndi.distance_transform_edt(seeds == 0, return_indices=True)
    return skimage.segmentation.relabel_sequential(seeds[tuple(index)])[0].astype(np.int32)


def test_outlines_are_scikit_images_inner_boundaries():
    labels = voronoi() * (ndi.gaussian_filter(np.random.default_rng(1).random((120, 120)), 4) > 0.5)
    picture = draw_outlines(np.zeros(labels.shape, np.uint8), labels, thickness=1)
    expected = skimage.segmentation.find_boundaries(labels, connectivity=1, mode="inner")
    np.testing.assert_array_equal(picture.any(-1), expected)


@pytest.mark.parametrize("thickness", [1, 2, 3, 5])
def test_lines_are_as_thick_as_asked(thickness):
    labels = np.zeros((60, 60), np.int32)
    labels[20:40, 20:40] = 1
    row = draw_outlines(np.zeros((60, 60), np.uint8), labels, thickness=thickness)[30].any(-1)
    assert row.sum() == 2 * thickness


def test_neighbours_differ_in_colour():
    labels = voronoi(count=200, size=300)
    picture = draw_outlines(np.zeros(labels.shape, np.uint8), labels, thickness=2)
    colour = {}
    for label in range(1, labels.max() + 1):
        drawn = np.unique(picture[(labels == label) & picture.any(-1)], axis=0)
        assert len(drawn) == 1, "an object has one colour"
        colour[label] = tuple(drawn[0])
        assert list(colour[label]) in PALETTE.tolist()
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        for one, other in set(zip(a[a != b].tolist(), b[a != b].tolist(), strict=True)):
            assert colour[one] != colour[other]
    assert len(set(colour.values())) == len(PALETTE), "all of the palette is used"


def test_what_is_not_outlined_stays_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    before = image.copy()
    labels = np.zeros((50, 60), np.int32)
    np.testing.assert_array_equal(draw_outlines(image, labels), image)
    labels[10:30, 10:30] = 3
    picture = draw_outlines(image, labels)
    np.testing.assert_array_equal(picture[15:25, 15:25], image[15:25, 15:25])
    np.testing.assert_array_equal(picture[35:], image[35:])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32])
def test_other_depths_are_stretched(dtype):
    image = np.linspace(1000, 3000, 2000).reshape(40, 50).astype(dtype)
    picture = draw_outlines(image, np.zeros((40, 50), np.int32))
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture.max() == 255
    assert (np.diff(picture[..., 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("image", [np.zeros((4, 5), bool), np.full((4, 5), 7, np.uint16), np.zeros((0, 5), np.uint16)])
def test_flat_images(image):
    assert draw_outlines(image, np.zeros(image.shape, np.int32)).shape == (*image.shape, 3)


def test_shapes_are_checked():
    with pytest.raises(ArgumentError, match=r"draw_outlines: expected image of shape .* got \(4, 5\) and \(5, 4\)"):
        draw_outlines(np.zeros((4, 5)), np.zeros((5, 4), int))


def test_contact_sheet():
    pages = [np.full((10, 20, 3), i, np.uint8) for i in range(5)]
    assert contact_sheet(pages[:1]) is pages[0]
    sheet = contact_sheet(pages)
    # Two columns of twenty, three rows of ten, lines of two between.
    assert sheet.shape == (34, 42, 3)
    for i in range(5):
        top, left = 12 * (i // 2), 22 * (i % 2)
        assert (sheet[top : top + 10, left : left + 20] == i).all()
    assert (sheet[10:12] == 255).all()
    assert (sheet[24:, 22:] == 255).all()


def test_contact_sheet_stays_small():
    sheet = contact_sheet([np.zeros((100, 100, 3), np.uint8)] * 100, max_pixels=250_000)
    assert sheet.shape[0] * sheet.shape[1] <= 280_000
