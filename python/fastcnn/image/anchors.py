"""Anchors, and the coding of boxes relative to them, on NumPy arrays; `fastcnn.ops.anchors` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _anchors


def _float(boxes: ArrayLike) -> NDArray[Any]:
    array = np.asarray(boxes)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def generate_anchors(
    feature_sizes: Sequence[tuple[int, int]],
    strides: Sequence[tuple[int, int]],
    sizes: Sequence[Sequence[float]],
    aspect_ratios: Sequence[Sequence[float]],
) -> NDArray[np.float32]:
    """Return boxes of several sizes and shapes around every place of feature maps. See `fastcnn.ops.generate_anchors`.

    Args:
        feature_sizes: height and width of each level's feature map.
        strides: its pixels' distance in the image, down and across.
        sizes: of each level: square roots of the anchors' areas.
        aspect_ratios: of each level: height over width.

    Returns:
        float32 (N, 4).

    Example:
        >>> import fastcnn.image as I
        >>> I.generate_anchors([(1, 2)], [(16, 16)], [[8]], [[1.0]])
        array([[-4., -4.,  4.,  4.],
               [12., -4., 20.,  4.]], dtype=float32)
    """
    _anchors.check_levels(
        "generate_anchors", len(feature_sizes), strides=strides, sizes=sizes, aspect_ratios=aspect_ratios
    )
    levels = [np.zeros((0, 4), np.float32)]
    for (height, width), (dy, dx), of, ratios in zip(feature_sizes, strides, sizes, aspect_ratios, strict=True):
        base = np.array(_anchors.shapes(of, ratios), np.float32).reshape(-1, 4)
        y, x = np.meshgrid(
            np.arange(height, dtype=np.float32) * dy, np.arange(width, dtype=np.float32) * dx, indexing="ij"
        )
        levels.append((np.stack([x, y, x, y], -1).reshape(-1, 1, 4) + base).reshape(-1, 4).astype(np.float32))
    return np.concatenate(levels)


def encode_boxes(boxes: ArrayLike, anchors: ArrayLike, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> NDArray[Any]:
    """Return boxes relative to anchors. See `fastcnn.ops.encode_boxes`.

    Args:
        boxes: (..., 4).
        anchors: (..., 4).
        weights: of x, y, width, height.

    Returns:
        (..., 4).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.encode_boxes(np.array([[2.0, 0, 12, 10]]), np.array([[0.0, 0, 10, 10]]))
        array([[0.2, 0. , 0. , 0. ]])
    """
    result: NDArray[Any] = _anchors.encode(np, _float(boxes), _float(anchors), weights)
    return result


def decode_boxes(
    deltas: ArrayLike, anchors: ArrayLike, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
) -> NDArray[Any]:
    """Return the boxes that a regressor predicted. See `fastcnn.ops.decode_boxes`.

    Args:
        deltas: (..., 4).
        anchors: (..., 4).
        weights: of x, y, width, height.

    Returns:
        (..., 4).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.decode_boxes(np.array([[0.2, 0, 0, 0]]), np.array([[0.0, 0, 10, 10]]))
        array([[ 2.,  0., 12., 10.]])
    """
    result: NDArray[Any] = _anchors.decode(np, _float(deltas), _float(anchors), weights)
    return result
