"""Windows: each is the part of the image that its box says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError


@pytest.mark.parametrize(("size", "stride"), [(3, 1), ((4, 2), (3, 5)), ((7, 9), 1), (1, (2, 3))])
def test_windows(size, stride) -> None:
    image = np.random.default_rng(0).random((2, 7, 9))
    height, width = (size, size) if isinstance(size, int) else size
    down, right = (stride, stride) if isinstance(stride, int) else stride
    for given in (image, torch.from_numpy(image)):
        windows, boxes = F.sliding_windows(given, size, stride)
        assert windows.shape == (2, (7 - height) // down + 1, (9 - width) // right + 1, height, width)
        assert boxes.shape == (*windows.shape[1:3], 4)
        for i, j in np.ndindex(*windows.shape[1:3]):
            x1, y1, x2, y2 = map(int, boxes[i, j])
            assert (y1, x1) == (i * down, j * right)
            np.testing.assert_array_equal(windows[:, i, j], image[:, y1:y2, x1:x2])
    assert np.shares_memory(F.sliding_windows(image, size, stride)[0], image)


def test_errors() -> None:
    for image in (np.zeros((7, 9)), torch.zeros(7, 9)):
        for arguments, text in (
            ((8, 1), r"expected image of at least 8 x 8 pixels, got \(7, 9\)"),
            ((0, 1), r"expected size of at least 1, got \(0, 0\)"),
            ((1, (1, 0)), r"expected stride of at least 1, got \(1, 0\)"),
        ):
            with pytest.raises(ArgumentError, match=f"sliding_windows: {text}"):
                F.sliding_windows(image, *arguments)
        with pytest.raises(ArgumentError, match="sliding_windows: expected image of shape"):
            F.sliding_windows(image[0], 1, 1)
