"""Losses of boxes that are regressed: torch alone has them."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._arguments import check_choice
from fastcnn._checked import check_all
from fastcnn._errors import ArgumentError
from fastcnn._torch.boxes import overlap
from fastcnn.ops.boxes import check_boxes

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss"]


def _loss(boxes1: Tensor, boxes2: Tensor, kind: str, reduction: str, eps: float) -> Tensor:
    op = f"{kind}_box_iou_loss"
    check_boxes(boxes1, op, "boxes1")
    check_choice(reduction, ("none", "mean", "sum"), op, "reduction")
    if boxes1.shape != boxes2.shape:
        raise ArgumentError(f"{op}: expected boxes2 of shape {tuple(boxes1.shape)}, got {tuple(boxes2.shape)}")
    a, b = (boxes if boxes.dtype == torch.float64 else boxes.float() for boxes in (boxes1, boxes2))
    loss = 1 - overlap(a, b, f"{kind} loss", eps)
    if reduction == "mean" and loss.numel() > 0:
        return loss.mean()
    return loss if reduction == "none" else loss.sum()


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 less the generalised IoU of boxes, pair by pair; as `torchvision.ops.generalized_box_iou_loss`.

    Args:
        boxes1: (..., 4), float, ``x1, y1, x2, y2``.
        boxes2: of the same shape.
        reduction: "none", "mean" or "sum".
        eps: is added to what is divided by.

    Returns:
        (...), or one value: float32, or float64 where boxes are. Without boxes, mean and sum are 0 with zero gradient.
        Value and gradient are finite for boxes without width or height, and for inverted ones, too.

    Raises:
        ArgumentError: different shapes, or an unknown reduction.

    Gradient: of any order, to both.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.generalized_box_iou_loss(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[4.0, 0, 6, 2]]))
        tensor([1.3333])
    """
    return _loss(boxes1, boxes2, "generalized", reduction, eps)


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 less the distance IoU of boxes, pair by pair; as `torchvision.ops.distance_box_iou_loss`.

    Args:
        boxes1: as `generalized_box_iou_loss`.
        boxes2: as `generalized_box_iou_loss`.
        reduction: "none", "mean" or "sum".
        eps: is added to what is divided by.

    Returns:
        As `generalized_box_iou_loss`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.distance_box_iou_loss(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[2.0, 0, 4, 2]]))
        tensor([1.2000])
    """
    return _loss(boxes1, boxes2, "distance", reduction, eps)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """Return 1 less the complete IoU of boxes, pair by pair; as `torchvision.ops.complete_box_iou_loss`.

    Args:
        boxes1: as `generalized_box_iou_loss`.
        boxes2: as `generalized_box_iou_loss`.
        reduction: "none", "mean" or "sum".
        eps: is added to what is divided by.

    Returns:
        As `generalized_box_iou_loss`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.complete_box_iou_loss(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 0, 2, 1]]))
        tensor([0.5345])
    """
    return _loss(boxes1, boxes2, "complete", reduction, eps)


check_all(__name__, __all__)
