"""Anchors, and the coding of boxes relative to them, for detectors that regress boxes."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn._dispatch import Array, cast_to, is_float, is_tensor, stack_last
from fastcnn._errors import ArgumentError
from fastcnn.ops.boxes import check_boxes

__all__ = ["decode_boxes", "encode_boxes", "generate_anchors"]

# Maximum growth of a side in decoding (torchvision, Detectron): extreme predictions must not overflow.
_MAX_GROWTH = math.log(1000 / 16)


def generate_anchors(
    feature_sizes: Sequence[tuple[int, int]],
    strides: Sequence[tuple[int, int]],
    sizes: Sequence[Sequence[float]],
    aspect_ratios: Sequence[Sequence[float]],
    like: Array | None = None,
) -> Array:
    """Return boxes of several sizes and shapes around every position of feature maps of several levels.

    As `torchvision.models.detection.anchor_utils.AnchorGenerator` for one image.

    Args:
        feature_sizes: height and width of each level's feature map.
        strides: of each level: distance of its pixels in the image, down and across.
        sizes: of each level: square roots of the anchors' areas.
        aspect_ratios: of each level: height over width.
        like: an array or a tensor whose kind, dtype and device the anchors get; None: a float32 array.

    Returns:
        (N, 4), ``x1, y1, x2, y2``, rounded around each position, ordered by level, row, column, aspect ratio and size.

    Raises:
        ArgumentError: different numbers of levels, or sizes or ratios of at most 0.

    Reference:
        S. Ren, K. He, R. Girshick, J. Sun, "Faster R-CNN", 2015.

    Example:
        >>> import fastcnn.ops as F
        >>> F.generate_anchors([(1, 2)], [(16, 16)], [[8]], [[1.0]])
        array([[-4., -4.,  4.,  4.],
               [12., -4., 20.,  4.]], dtype=float32)
    """
    for name, values in (("strides", strides), ("sizes", sizes), ("aspect_ratios", aspect_ratios)):
        if len(values) != len(feature_sizes):
            raise ArgumentError(f"generate_anchors: expected {name} for {len(feature_sizes)} levels, got {len(values)}")
    given: Any = np.zeros(0, np.float32) if like is None else like
    library: Any = sys.modules["torch"] if is_tensor(given) else np
    of = {"dtype": given.dtype, **({"device": given.device} if is_tensor(given) else {})}
    levels = [library.zeros((0, 4), **of)]
    for (height, width), (dy, dx), some, ratios in zip(feature_sizes, strides, sizes, aspect_ratios, strict=True):
        base = library.asarray(_shapes(some, ratios), **of).reshape(-1, 4)
        rows, columns = library.arange(height, **of) * dy, library.arange(width, **of) * dx
        y, x = library.meshgrid(rows, columns, indexing="ij")
        levels.append((stack_last([x, y, x, y]).reshape(-1, 1, 4) + base).reshape(-1, 4))
    anchors: Array = library.concatenate(levels)
    return anchors


def encode_boxes(boxes: Array, anchors: Array, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Array:
    """Return boxes relative to anchors, the training target of a regressor.

    Offsets of the centre relative to the anchor's sides, and logarithms of the ratios of sides, each times its weight.

    Args:
        boxes: (..., 4), float, ``x1, y1, x2, y2``.
        anchors: (..., 4), likewise.
        weights: of x, y, width, height; Fast R-CNN takes (10, 10, 5, 5).

    Returns:
        (..., 4). Gradient: of any order.

    Raises:
        ArgumentError: another shape.

    Reference:
        R. Girshick et al., "Rich feature hierarchies for accurate object detection and semantic segmentation", 2014.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.encode_boxes(np.array([[2.0, 0, 12, 10]]), np.array([[0.0, 0, 10, 10]]))
        array([[0.2, 0. , 0. , 0. ]])
    """
    check_boxes(boxes, "encode_boxes")
    check_boxes(anchors, "encode_boxes", "anchors")
    to_x, to_y, to_w, to_h = _centres(boxes)
    x, y, w, h = _centres(anchors)
    wx, wy, ww, wh = weights
    log: Any = sys.modules["torch"].log if is_tensor(boxes) else np.log
    deltas: Array = stack_last([wx * (to_x - x) / w, wy * (to_y - y) / h, ww * log(to_w / w), wh * log(to_h / h)])
    return deltas


def decode_boxes(deltas: Array, anchors: Array, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Array:
    """Return the boxes that a regressor predicted: the inverse of `encode_boxes`.

    A side grows at most 62.5 times, as in torchvision: extreme predictions stay finite.

    Args:
        deltas: (..., 4), float.
        anchors: (..., 4), ``x1, y1, x2, y2``.
        weights: as `encode_boxes`.

    Returns:
        (..., 4), ``x1, y1, x2, y2``. Gradient: of any order.

    Raises:
        ArgumentError: another shape.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.decode_boxes(np.array([[0.2, 0, 0, 0]]), np.array([[0.0, 0, 10, 10]]))
        array([[ 2.,  0., 12., 10.]])
    """
    check_boxes(deltas, "decode_boxes", "deltas")
    check_boxes(anchors, "decode_boxes", "anchors")
    x, y, w, h = _centres(anchors)
    exact = _exact(deltas)
    dx, dy, dw, dh = (exact[..., i] / weight for i, weight in enumerate(weights))
    exp: Any = sys.modules["torch"].exp if is_tensor(deltas) else np.exp
    to_x, to_y = dx * w + x, dy * h + y
    to_w, to_h = exp(dw.clip(max=_MAX_GROWTH)) * w, exp(dh.clip(max=_MAX_GROWTH)) * h
    boxes: Array = stack_last([to_x - 0.5 * to_w, to_y - 0.5 * to_h, to_x + 0.5 * to_w, to_y + 0.5 * to_h])
    return boxes


def _shapes(sizes: Sequence[float], aspect_ratios: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Return the rounded anchors of one position, around the origin: by aspect ratio, then by size."""
    found = []
    for ratio in aspect_ratios:
        if not (ratio > 0 and all(size > 0 for size in sizes)):
            raise ArgumentError(f"generate_anchors: expected sizes and aspect_ratios above 0, got {sizes}, {ratio}")
        height = math.sqrt(ratio)
        for size in sizes:
            w, h = size / height / 2, size * height / 2
            found.append((float(round(-w)), float(round(-h)), float(round(w)), float(round(h))))
    return found


def _exact(boxes: Any) -> Any:
    """Convert integers to a dtype in which they neither wrap around nor lose precision."""
    if is_float(boxes):
        return boxes
    return cast_to(boxes, "int64" if is_tensor(boxes) else "float64")


def _centres(boxes: Any) -> tuple[Any, Any, Any, Any]:
    """Return centres and sides: x, y, width, height."""
    exact = _exact(boxes)
    w, h = exact[..., 2] - exact[..., 0], exact[..., 3] - exact[..., 1]
    return exact[..., 0] + 0.5 * w, exact[..., 1] + 0.5 * h, w, h
