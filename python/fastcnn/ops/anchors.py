"""Anchors, and the coding of boxes relative to them, for detectors that regress boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcnn import _anchors


def generate_anchors(
    feature_sizes: Sequence[tuple[int, int]],
    strides: Sequence[tuple[int, int]],
    sizes: Sequence[Sequence[float]],
    aspect_ratios: Sequence[Sequence[float]],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return boxes of several sizes and shapes around every place of feature maps of several levels.

    As `torchvision.models.detection.anchor_utils.AnchorGenerator` for one image.

    Args:
        feature_sizes: height and width of each level's feature map.
        strides: its pixels' distance in the image, down and across.
        sizes: of each level: square roots of the anchors' areas.
        aspect_ratios: of each level: height over width.
        dtype: of the result.
        device: of the result.

    Returns:
        (N, 4), ``x1, y1, x2, y2``, rounded around each place: level by level, row by row, and at a place the ratios one
        after the other, each of all sizes.

    Raises:
        ArgumentError: numbers of levels that differ, or sizes or ratios of at most 0.

    Reference:
        S. Ren, K. He, R. Girshick, J. Sun, "Faster R-CNN", 2015.

    Example:
        >>> import fastcnn.ops as F
        >>> F.generate_anchors([(1, 2)], [(16, 16)], [[8]], [[1.0]])
        tensor([[-4., -4.,  4.,  4.],
                [12., -4., 20.,  4.]])
    """
    _anchors.check_levels(
        "generate_anchors", len(feature_sizes), strides=strides, sizes=sizes, aspect_ratios=aspect_ratios
    )
    levels = []
    for (height, width), (dy, dx), of, ratios in zip(feature_sizes, strides, sizes, aspect_ratios, strict=True):
        base = torch.tensor(_anchors.shapes(of, ratios), dtype=dtype, device=device).reshape(-1, 4)
        y = torch.arange(height, dtype=dtype, device=device) * dy
        x = torch.arange(width, dtype=dtype, device=device) * dx
        y, x = torch.meshgrid(y, x, indexing="ij")
        levels.append((torch.stack([x, y, x, y], -1).reshape(-1, 1, 4) + base).reshape(-1, 4))
    return torch.cat(levels) if levels else torch.zeros(0, 4, dtype=dtype, device=device)


def _exact(boxes: Tensor) -> Tensor:
    """Return integers as int64, in which small ones do not wrap."""
    return boxes if boxes.is_floating_point() else boxes.long()


def encode_boxes(boxes: Tensor, anchors: Tensor, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """Return boxes relative to anchors: what a regressor has to predict.

    Offsets of the centre in the anchor's sides, and logarithms of the sides' ratios, each times its weight.

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
        >>> import torch, fastcnn.ops as F
        >>> F.encode_boxes(torch.tensor([[2.0, 0, 12, 10]]), torch.tensor([[0.0, 0, 10, 10]]))
        tensor([[0.2000, 0.0000, 0.0000, 0.0000]])
    """
    result: Tensor = _anchors.encode(torch, _exact(boxes), _exact(anchors), weights)
    return result


def decode_boxes(deltas: Tensor, anchors: Tensor, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """Return the boxes that a regressor predicted: the inverse of `encode_boxes`.

    A side grows at most 62.5 times, as in torchvision: a wild prediction stays finite.

    Args:
        deltas: (..., 4), float.
        anchors: (..., 4), ``x1, y1, x2, y2``.
        weights: as `encode_boxes`.

    Returns:
        (..., 4), ``x1, y1, x2, y2``. Gradient: of any order.

    Raises:
        ArgumentError: another shape.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.decode_boxes(torch.tensor([[0.2, 0, 0, 0]]), torch.tensor([[0.0, 0, 10, 10]]))
        tensor([[ 2.,  0., 12., 10.]])
    """
    result: Tensor = _anchors.decode(torch, _exact(deltas), _exact(anchors), weights)
    return result
