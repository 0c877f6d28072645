"""Felzenszwalb's segments against scikit-image, and against the algorithm in plain Python where edges cost the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.data
import skimage.segmentation
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.op_tester import FLOATS, INTEGERS, OpTester, random_image


def plain(image: np.ndarray, scale: float = 1.0, min_size: int = 20) -> np.ndarray:
    """One image (H, W, C) of floats: every edge in a sorted list, every pixel with the name of its segment."""
    height, width = image.shape[:2]
    pixel = np.arange(height * width).reshape(height, width)
    ways = [
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ]
    ends = np.concatenate([np.stack([pixel[a].ravel(), pixel[b].ravel()], 1) for a, b in ways])
    costs = np.concatenate([np.sqrt(((image[a] - image[b]) ** 2).sum(-1)).ravel() for a, b in ways])
    costs[np.isnan(costs)] = np.inf
    order = np.argsort(costs, kind="stable")
    segment, threshold = pixel.ravel().copy(), np.full(pixel.size, np.float32(scale / 255))

    def join(a: int, b: int) -> None:
        segment[segment == b] = a

    for e in order:
        a, b = segment[ends[e]]
        if a != b and costs[e] < min(threshold[a], threshold[b]):
            join(a, b)
            threshold[a] = np.float32(costs[e] + scale / 255 / (segment == a).sum())
    for e in order:
        a, b = segment[ends[e]]
        if a != b and min((segment == a).sum(), (segment == b).sum()) < min_size:
            join(a, b)
    first = np.unique(segment, return_index=True)
    names = {name: i for i, name in enumerate(first[0][np.argsort(first[1])])}
    return np.array([names[s] for s in segment], np.int32).reshape(height, width)


def unit(image: np.ndarray) -> np.ndarray:
    wide = image.astype(np.float64)
    if image.dtype.kind == "u":
        return wide * (1 / np.iinfo(image.dtype).max)
    if image.dtype.kind == "i":
        limits = np.iinfo(image.dtype)
        return wide * (2 / (float(limits.max) - float(limits.min)))
    return wide


class TestFelzenszwalb(OpTester):
    op = "felzenszwalb"
    # Four edges of 24 bytes while they are sorted, a pixel in double, and the image packed.
    max_scratch = 4 * 24 + 8 + 8
    dtypes = (*INTEGERS, *FLOATS)
    cases = [
        {"sigma": 0, "scale": 1, "min_size": 0},
        {"sigma": 0, "scale": 300, "min_size": 5},
        {"sigma": 0, "scale": 1e-3},
    ]
    errors = [
        ((np.zeros(7),), {}, ArgumentError, r"felzenszwalb: expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        ((np.zeros((7, 7)),), {"scale": -1}, ArgumentError, "felzenszwalb: expected scale of at least 0, got -1"),
        ((np.zeros((7, 7)),), {"scale": np.nan}, ArgumentError, "felzenszwalb: expected scale of at least 0, got nan"),
        ((np.zeros((7, 7)),), {"sigma": -1}, ArgumentError, "felzenszwalb: expected sigma of at least 0, got -1"),
        ((np.zeros((7, 7)),), {"min_size": -1}, ArgumentError, "felzenszwalb: expected min_size of at least 0, got -1"),
        ((np.zeros((7, 7)),), {"channel_axis": 0}, ArgumentError, "expected image of shape three dimensions"),
        ((np.zeros((7, 7), np.complex64),), {}, TypeError, "felzenszwalb: expected image of"),
    ]

    def inputs(self, rng: np.random.Generator, shape: Any, dtype: str) -> tuple[np.ndarray, ...]:
        image = random_image(rng, shape, dtype)
        # Fractions of 32 bits are the same number for all of these.
        return (image * 10_000_019 if dtype in ("int32", "int64") else image,)

    def oracle(self, image: np.ndarray, sigma: float = 0, **kwargs: Any) -> np.ndarray:
        assert sigma == 0
        return plain(unit(image)[..., None], **kwargs)


@pytest.mark.parametrize("shape", [(40, 57), (1, 30), (30, 1), (31, 40, 3), (20, 33, 1), (25, 25, 5)])
@pytest.mark.parametrize("scale", [1, 30, 400])
@pytest.mark.parametrize("min_size", [0, 20])
def test_skimage(shape: tuple[int, ...], scale: float, min_size: int) -> None:
    """Floats, so that no two edges cost the same."""
    axis = -1 if len(shape) == 3 else None
    image = np.random.default_rng(1).random(shape)
    for values in (image, ndi.gaussian_filter(image, [2, 2, 0][: image.ndim])):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of five channels
            expected = skimage.segmentation.felzenszwalb(values, scale, 0, min_size, channel_axis=axis)
        np.testing.assert_array_equal(F.felzenszwalb(values, scale, 0, min_size, channel_axis=axis), expected)


def test_photograph() -> None:
    """With the blur. It sums in SciPy's order, so that even the costs are scikit-image's."""
    image = skimage.data.astronaut()[60:220, 120:330]
    for scale, sigma, min_size in ((100, 0.8, 50), (30, 0.5, 10), (300, 2.0, 0)):
        expected = skimage.segmentation.felzenszwalb(image, scale, sigma, min_size, channel_axis=-1)
        got = F.felzenszwalb(image, scale, sigma, min_size, channel_axis=-1)
        np.testing.assert_array_equal(got, expected)
        assert got.max() > 3
        planes = torch.from_numpy(image).permute(2, 0, 1)
        assert torch.equal(F.felzenszwalb(planes, scale, sigma, min_size, channel_axis=0), torch.from_numpy(got))


def test_equal_in_single_precision(isa_runner) -> None:
    """Costs that differ in bits that a float does not have, in all orders."""
    rng = np.random.default_rng(0)
    image = (1 + rng.integers(0, 5, (17, 23)) * 1e-12) * rng.integers(0, 3, (17, 23))
    for scale in (1e-9, 100.0):
        got = F.felzenszwalb(image, scale, 0, 2)
        np.testing.assert_array_equal(got, plain(image[..., None], scale, 2))
        for (other,) in isa_runner("felzenszwalb", (image,), {"scale": scale, "sigma": 0, "min_size": 2}):
            np.testing.assert_array_equal(other, got)


def test_strange_values() -> None:
    image = np.random.default_rng(0).random((12, 15))
    image[3, 4] = image[3, 5] = np.nan
    image[7, 8] = np.inf
    got = F.felzenszwalb(image, 100, 0, 0)
    np.testing.assert_array_equal(got, plain(image[..., None], 100, 0))
    assert (got == got[3, 4]).sum() == (got == got[7, 8]).sum() == 1
    joined = F.felzenszwalb(image, 100, 0, 3)
    assert np.bincount(joined.ravel()).min() >= 3
    assert F.felzenszwalb(np.zeros((30, 40)), 0, 0, 0).max() == 30 * 40 - 1  # nothing costs less than nothing
    assert (F.felzenszwalb(np.zeros((30, 40)), 1) == 0).all()
    assert F.felzenszwalb(np.zeros((2, 0, 3))).shape == (2, 0, 3)
    with pytest.raises(ArgumentError, match="expected image of at least one channel"):
        F.felzenszwalb(np.zeros((0, 5, 5)), channel_axis=0)
