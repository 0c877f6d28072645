"""Regions of feature maps pooled to a fixed size, on NumPy arrays; `fastcnn.ops.roi` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def roi_align(
    input: ArrayLike,
    boxes: ArrayLike,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> NDArray[Any]:
    """Average regions of a feature map over bins, from bilinear samples. See `fastcnn.ops.roi_align`.

    Args:
        input: (N, C, H, W), float.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``.
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.
        sampling_ratio: samples of a bin along each axis; at most 0: as many as it covers pixels.
        aligned: pixels' centres lie at .5.

    Returns:
        (K, C, height, width), of the input's dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.roi_align(np.arange(16.0).reshape(1, 1, 4, 4), np.array([[0.0, 0, 0, 4, 4]]), 2, aligned=True)
        array([[[[ 2.5,  4.5],
                 [10.5, 12.5]]]])
    """
    height, width = _pair(output_size)
    return _core.roi_align(np.asarray(input), np.asarray(boxes), spatial_scale, height, width, sampling_ratio, aligned)


def roi_pool(
    input: ArrayLike, boxes: ArrayLike, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> NDArray[Any]:
    """Take the maxima of regions of a feature map over bins. See `fastcnn.ops.roi_pool`.

    Args:
        input: (N, C, H, W), float.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``.
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.

    Returns:
        (K, C, height, width), of the input's dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.roi_pool(np.arange(16.0).reshape(1, 1, 4, 4), np.array([[0.0, 0, 0, 3, 3]]), 2)
        array([[[[ 5.,  7.],
                 [13., 15.]]]])
    """
    height, width = _pair(output_size)
    return _core._roi_pool_values(np.asarray(input), np.asarray(boxes), spatial_scale, height, width)
