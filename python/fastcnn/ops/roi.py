"""Regions of feature maps, pooled to a fixed size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn._dispatch import Array, is_tensor, native, zeros_like
from fastcnn._errors import ArgumentError

__all__ = ["ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"]


def roi_align(
    input: Array,
    boxes: Array | Sequence[Array],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Array:
    """Average regions of a feature map over bins, from bilinear samples (RoIAlign).

    As `torchvision.ops.roi_align`.

    Args:
        input: (N, C, H, W), float; channels_last in gives channels_last out.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``; or (L, 4) for each image.
        output_size: bins, height and width.
        spatial_scale: factor from box coordinates to input coordinates.
        sampling_ratio: samples of a bin along each axis; at most 0: the number of pixels it covers, rounded up.
        aligned: pixel centres lie at .5, and boxes have no minimum size. Recommended for new models.

    Returns:
        (K, C, height, width), of the input's dtype; float16 and bfloat16 are computed in float32.

    Raises:
        ArgumentError: wrong shapes, or an invalid image index.

    Samples outside [-1, H] x [-1, W], NaN ones too, count as 0. Complexity: O(K * C * (bins + pixels under a region)).
    Scratch: 32 channels of the input. Gradient: to the input, of any order. Deterministic, its gradient too: the result
    depends neither on threads nor on the instruction set.

    Reference:
        K. He, G. Gkioxari, P. Dollár, R. Girshick, "Mask R-CNN", 2017.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> F.roi_align(map, [torch.tensor([[0.0, 0, 4, 4]])], 2, aligned=True)
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    height, width = _pair(output_size, "roi_align")
    result: Array = native(
        "roi_align",
        input,
        _regions(input, boxes, "roi_align"),
        float(spatial_scale),
        height,
        width,
        sampling_ratio,
        aligned,
    )
    return result


def roi_pool(
    input: Array,
    boxes: Array | Sequence[Array],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Array:
    """Take the maxima of regions of a feature map over bins (RoI pooling).

    As `torchvision.ops.roi_pool`: corners are rounded to pixels, and bins may overlap by one.

    Args:
        input: (N, C, H, W), float; channels_last in gives channels_last out.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``; or (L, 4) for each image.
        output_size: bins, height and width.
        spatial_scale: factor from box coordinates to input coordinates.

    Returns:
        (K, C, height, width), of the input's dtype; 0 where a bin is empty. NaN is never a maximum; a bin of only NaN
        and -inf gives the lowest number.

    Raises:
        ArgumentError: wrong shapes, or an invalid image index.

    Complexity: O(K * C * pixels under the region). Scratch: 32 channels of the input. Gradient: to the input, to the
    first of equal maxima, of any order. Deterministic, its gradient too.

    Reference:
        R. Girshick, "Fast R-CNN", 2015.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> F.roi_pool(map, torch.tensor([[0.0, 0, 0, 3, 3]]), 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    height, width = _pair(output_size, "roi_pool")
    arguments = input, _regions(input, boxes, "roi_pool"), float(spatial_scale), height, width
    # The positions of the maxima, as large as the result, are stored only if a gradient needs them.
    traced: Any = input
    with_places = is_tensor(traced) and sys.modules["torch"].is_grad_enabled() and traced.requires_grad
    result: Array = native("roi_pool", *arguments)[0] if with_places else native("_roi_pool_values", *arguments)
    return result


def ps_roi_align(
    input: Array,
    boxes: Array | Sequence[Array],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Array:
    """Average regions over bins, each from its own channel (position-sensitive RoIAlign).

    As `torchvision.ops.ps_roi_align`; bin (i, j) of channel c reads channel ``(c * height + i) * width + j``.

    Args:
        input: (N, C * height * width, H, W), float.
        boxes: as `roi_align`.
        output_size: bins, height and width.
        spatial_scale: factor from box coordinates to input coordinates.
        sampling_ratio: as `roi_align`.

    Returns:
        (K, C, height, width); 0 for a region of no size (torchvision's is NaN).

    Raises:
        ArgumentError: wrong shapes, channels that are not a multiple of the bins, or an invalid image index.

    Gradient: to the input, of any order. Deterministic, its gradient too.

    Reference:
        Z. Li et al., "Light-head R-CNN: in defense of two-stage object detector", 2017.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
        >>> F.ps_roi_align(map, torch.tensor([[0.0, 1, 1, 5, 5]]), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    height, width = _pair(output_size, "ps_roi_align")
    found = native(
        "ps_roi_align",
        input,
        _regions(input, boxes, "ps_roi_align"),
        float(spatial_scale),
        height,
        width,
        sampling_ratio,
    )
    result: Array = found[0]
    return result


def ps_roi_pool(
    input: Array,
    boxes: Array | Sequence[Array],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Array:
    """Average regions over bins of whole pixels, each from its own channel (position-sensitive RoI pooling).

    As `torchvision.ops.ps_roi_pool`, which never reads the map's last row and column. Its gradient still adds to
    them; this one is the exact derivative.

    Args:
        input: (N, C * height * width, H, W), float.
        boxes: as `roi_pool`.
        output_size: bins, height and width.
        spatial_scale: factor from box coordinates to input coordinates.

    Returns:
        (K, C, height, width); 0 where a bin is empty.

    Raises:
        ArgumentError: wrong shapes, channels that are not a multiple of the bins, or an invalid image index.

    Gradient: to the input, of any order. Deterministic, its gradient too.

    Reference:
        J. Dai, Y. Li, K. He, J. Sun, "R-FCN: object detection via region-based fully convolutional networks", 2016.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
        >>> F.ps_roi_pool(map, torch.tensor([[0.0, 1, 1, 5, 5]]), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    height, width = _pair(output_size, "ps_roi_pool")
    result: Array = native(
        "ps_roi_pool", input, _regions(input, boxes, "ps_roi_pool"), float(spatial_scale), height, width
    )[0]
    return result


def _regions(input: Any, boxes: Any, op: str) -> Any:
    """Return (K, 5) regions from boxes of each image, or as they are."""
    listed = isinstance(boxes, (list, tuple)) and all(hasattr(b, "ndim") for b in boxes)
    given = boxes if listed else [boxes]
    if (is_tensor(input) and not all(map(is_tensor, given))) or (not is_tensor(input) and any(map(is_tensor, given))):
        raise TypeError(f"{op}: expected arrays only or tensors only, input and boxes are of both")
    if not listed:
        return boxes if is_tensor(boxes) else np.asarray(boxes)
    for i, b in enumerate(boxes):
        if b.ndim != 2 or b.shape[1] != 4:
            raise ArgumentError(f"{op}: expected boxes[{i}] of shape (L, 4), got {tuple(b.shape)}")
    library: Any = sys.modules["torch"] if is_tensor(input) else np
    rows = [library.concatenate([library.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)]
    return library.concatenate(rows) if rows else zeros_like(input, (0, 5))


def _pair(size: int | Sequence[int], op: str) -> tuple[int, int]:
    """Return height and width."""
    height, width = size if isinstance(size, Sequence) else (size, size)
    if height <= 0 or width <= 0:
        raise ArgumentError(f"{op}: expected output_size of at least 1, got {height} x {width}")
    return height, width
