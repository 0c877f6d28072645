"""Pyramids: sizes, and each level against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.geometry.test_resize import interpolate, rounding


def test_levels() -> None:
    image = np.random.default_rng(0).random((2, 3, 61, 83)).astype(np.float32)
    levels = F.image_pyramid(image, 1.3, (20, 10))
    assert [level.shape[-2:] for level, _ in levels] == [(61, 83), (47, 64), (36, 49), (28, 38), (21, 29)]
    assert levels[0][0] is image
    for level, scale in levels:
        expected = interpolate(image, level.shape[-2:], antialias=True)
        bound = rounding(image.shape, level.shape[-2:], "bilinear", True, 2.0**-24)
        np.testing.assert_allclose(level, expected, rtol=0, atol=bound)
        whole = np.array([0, 0, level.shape[-1], level.shape[-2]])
        np.testing.assert_allclose(whole * scale, [0, 0, 83, 61], rtol=2.0**-23)  # the scale and the product in float32
    for (ours, scale), (other, its) in zip(
        F.image_pyramid(torch.from_numpy(image), 1.3, (20, 10)), levels, strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), other)
        np.testing.assert_array_equal(scale.numpy(), its)
    colour = np.moveaxis(image[0], 0, -1)
    for (ours, _), (other, _) in zip(F.image_pyramid(colour, channel_axis=-1), F.image_pyramid(image[0]), strict=True):
        np.testing.assert_array_equal(np.moveaxis(ours, -1, 0), other)


def test_ends() -> None:
    for image in (np.zeros((9, 5)), torch.zeros(9, 5)):
        assert [tuple(level.shape) for level, _ in F.image_pyramid(image, 2)] == [(9, 5), (4, 2), (2, 1), (1, 1)]
        assert len(F.image_pyramid(image, 2, max_levels=2)) == 2
        assert F.image_pyramid(image, 2, min_size=10) == []
        assert len(F.image_pyramid(image, 1.01, (9, 5))) == 1  # no size twice
        for options, text in (
            ({"factor": 1}, "expected factor above 1, got 1"),
            ({"factor": float("nan")}, "expected factor above 1, got nan"),
            ({"min_size": 0}, r"expected min_size of at least 1, got \(0, 0\)"),
            ({"max_levels": -1}, "expected max_levels of at least 0, got -1"),
        ):
            with pytest.raises(ArgumentError, match=f"image_pyramid: {text}"):
                F.image_pyramid(image, **options)
        with pytest.raises(ArgumentError, match="image_pyramid: expected image of shape"):
            F.image_pyramid(image[0])
