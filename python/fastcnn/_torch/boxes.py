"""Suppression and boxes: fake kernels and derivatives."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op, wants_derivative

# --- suppression ------------------------------------------------------------------------------------------------------


def _some(boxes: Tensor, scores: Tensor, *args: Any) -> Tensor:
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def _some_scored(boxes: Tensor, scores: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    n = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty(n, dtype=torch.int64), scores.new_empty(n, dtype=torch.float64)


def _first(boxes: Tensor, scores: Tensor, iou_threshold: float, max_output: int, *args: Any) -> tuple[Tensor, Tensor]:
    shape = boxes.shape[0], max_output
    return boxes.new_empty(shape, dtype=torch.int64), boxes.new_empty(shape[:1], dtype=torch.int64)


def _batch_of_batches(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
    boxes, scores, classes = (
        None if t is None else (t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)).flatten(0, 1)
        for t, d in ((args[i], in_dims[i]) for i in (0, 1, 5))
    )
    result = _nms_padded(boxes, scores, *args[2:5], classes)
    return tuple(r.unflatten(0, (info.batch_size, -1)) for r in result), (0, 0)


register_op("nms", fake=_some)
register_op("batched_nms", fake=_some)
register_op("nms_rotated", fake=_some)
_nms_padded = register_op("nms_padded", fake=_first, batch=_batch_of_batches)
register_op("soft_nms", fake=_some_scored)
register_op("matrix_nms", fake=_some_scored)

# --- overlaps ---------------------------------------------------------------------------------------------------------


def _matrix(boxes1: Tensor, boxes2: Tensor, *args: Any) -> Tensor:
    return boxes1.new_empty((*boxes1.shape[:-1], boxes2.shape[-2]))


register_op("box_overlaps", fake=_matrix, images=(0, 1))
register_op("box_iou_rotated", fake=_matrix)


def overlaps_with_derivative(boxes1: Tensor, boxes2: Tensor, kind: str, eps: float) -> Tensor | None:
    """Return overlaps as a torch expression if a derivative is needed: only then is the whole matrix required."""
    if not wants_derivative(boxes1, boxes2) or boxes1.dtype != boxes2.dtype:
        return None
    a, b = (boxes if boxes.dtype == torch.float64 else boxes.float() for boxes in (boxes1, boxes2))
    return overlap(a[..., :, None, :], b[..., None, :, :], kind, eps).to(boxes1.dtype)


def _quotient(above: Tensor, below: Tensor) -> Tensor:
    """Divide. Division by zero gives the usual quotient, but a gradient of 0 instead of NaN."""
    there = below != 0
    return torch.where(there, above / torch.where(there, below, 1.0), (above / below).detach())


def _angle(width: Tensor, height: Tensor) -> Tensor:
    """Return atan(width / height). Boxes without height have a gradient; for a point, value and gradient are 0."""
    size = torch.maximum(width.abs(), height.abs()).detach()
    size = torch.where(size > 0, size, 1.0)  # scaled, so that squares of small sides do not underflow
    sign = torch.where(height < 0, -1.0, 1.0)
    return torch.atan2(width * sign / size, height * sign / size + 0.0)  # not -0.0, whose angle is pi


def overlap(boxes1: Tensor, boxes2: Tensor, kind: str, eps: float) -> Tensor:
    """Return the overlap of boxes broadcast against each other, with gradients of any order."""
    ax1, ay1, ax2, ay2 = boxes1.unbind(-1)
    bx1, by1, bx2, by2 = boxes2.unbind(-1)
    shared = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0) * (
        torch.minimum(ay2, by2) - torch.maximum(ay1, by1)
    ).clamp(min=0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
    loss = eps if kind.endswith("loss") else 0.0  # losses must not divide by zero
    kind = kind.removesuffix(" loss")
    iou = _quotient(shared, union + loss)
    if kind == "iou":
        return iou
    width = (torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)).clamp(min=0)
    height = (torch.maximum(ay2, by2) - torch.minimum(ay1, by1)).clamp(min=0)
    if kind == "generalized":
        around = width * height
        return iou - _quotient(around - union, around + loss)
    diagonal = width**2 + height**2 + eps
    distance = ((ax1 + ax2) / 2 - (bx1 + bx2) / 2) ** 2 + ((ay1 + ay2) / 2 - (by1 + by2) / 2) ** 2
    result = iou - distance / diagonal
    if kind == "distance":
        return result
    angles = _angle(ax2 - ax1, ay2 - ay1) - _angle(bx2 - bx1, by2 - by1)
    v = 4 / math.pi**2 * angles**2
    # The gradient treats the weight as a constant (Zheng et al., 2020), as in torchvision.
    alpha = (v / (1 - iou + v + eps)).detach().nan_to_num(nan=0.0)  # then the IoU itself is NaN
    return result - alpha * v


# --- formats ----------------------------------------------------------------------------------------------------------


def _box_per_mask(masks: Tensor) -> Tensor:
    return masks.new_empty((*masks.shape[:-2], 4), dtype=torch.float32)


register_op("masks_to_boxes", fake=_box_per_mask)
