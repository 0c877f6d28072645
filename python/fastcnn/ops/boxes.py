"""Boxes: suppression, overlaps, formats. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from fastcnn import _boxes
from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
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


_nms = register_op("nms", fake=_some)
_batched_nms = register_op("batched_nms", fake=_some)
_nms_rotated = register_op("nms_rotated", fake=_some)
_nms_padded = register_op("nms_padded", fake=_first, batch=_batch_of_batches)
_soft_nms = register_op("soft_nms", fake=_some_scored)
_matrix_nms = register_op("matrix_nms", fake=_some_scored)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Suppress boxes that overlap a better one: greedy non-maximum suppression.

    Boxes are taken by falling score; one is kept where no kept one overlaps it by more than the threshold. Equal to
    `torchvision.ops.nms` index for index, which computes the same quotient in the same order.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float. NaN comes first, as in `torch.sort`; equal scores are taken by index.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats.

    A box with a NaN or infinite coordinate, or of no or negative width or height, has an IoU of 0 or NaN with every
    other: it is kept and suppresses none. float16 and bfloat16 are computed in float32.

    Complexity: O(N log N) where boxes are spread out, thanks to a grid of the kept ones; O(N * M) vector operations
    where all lie on one spot. Scratch: about 110 bytes a box. Gradient: none. Deterministic: the result depends neither
    on threads nor on the instruction set.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
        >>> F.nms(boxes, torch.tensor([0.6, 0.9, 0.5]), 0.5)
        tensor([1, 2])
    """
    result: Tensor = _nms(boxes, scores, iou_threshold)
    return result


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Suppress boxes that overlap a better one of the same class.

    Equal to `torchvision.ops.boxes._batched_nms_vanilla`. Classes are a key, not an offset added to the coordinates:
    nothing is lost on large images, where `torchvision.ops.batched_nms` rounds them.

    Args:
        boxes: as `nms`.
        scores: as `nms`.
        idxs: (N), integer: the class of each box, any value.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats, or `idxs` that are not integers.

    Complexity, gradient and determinism: those of `nms`, class by class.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [0, 0, 10, 10]])
        >>> F.batched_nms(boxes, torch.tensor([0.6, 0.9, 0.5]), torch.tensor([0, 0, 1]), 0.5)
        tensor([1, 2])
    """
    result: Tensor = _batched_nms(boxes, scores, idxs, iou_threshold)
    return result


def nms_padded(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    max_output: int,
    score_threshold: float | None = None,
    classes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Suppress boxes in every image of a batch, in a fixed shape that graphs can hold.

    Args:
        boxes: (B, N, 4), float, ``x1, y1, x2, y2``.
        scores: (B, N), float.
        iou_threshold: from 0 to 1.
        max_output: K, how many boxes to return for an image: those of the highest scores.
        score_threshold: only scores above it take part. None: all.
        classes: (B, N), integer: boxes of different classes do not suppress each other. None: all of one class.

    Returns:
        Indices, int64 (B, K), by falling score, -1 behind the last; and counts, int64 (B), how many there are.

    Raises:
        ArgumentError: wrong shapes, a threshold outside [0, 1], or a negative `max_output`.
        TypeError: boxes or scores that are not floats, or `classes` that are not integers.

    What overlaps, and the order: as `nms`. Complexity, gradient and determinism: those of `nms`; each class ends at its
    K-th box.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]]])
        >>> F.nms_padded(boxes, torch.tensor([[0.6, 0.9, 0.5]]), 0.5, max_output=3)
        (tensor([[ 1,  2, -1]]), tensor([2]))
    """
    indices, counts = _nms_padded(boxes, scores, iou_threshold, max_output, score_threshold, classes)
    return indices, counts


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.5,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap better ones, instead of removing them (Soft-NMS).

    The box of the highest score is taken, the scores of all that are left are lowered by their IoU with it, and so on,
    until none is at least `min_score`.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float; NaN does not take part.
        iou_threshold: from 0 to 1, for "linear".
        sigma: above 0, for "gaussian".
        method: "gaussian": times ``exp(-IoU² / sigma)``; "linear": times ``1 - IoU`` where that is above the threshold.
        min_score: what falls below it is dropped.

    Returns:
        Indices, int64 (M), in the order they were taken, and their lowered scores (M), of the scores' dtype.

    Raises:
        ArgumentError: wrong shapes, a threshold outside [0, 1], a sigma of at most 0, or an unknown method.

    Complexity: O(N * M) in time, 60 bytes a box. Gradient: none. Deterministic: does not depend on threads.

    Reference:
        N. Bodla, B. Singh, R. Chellappa, L. S. Davis, "Soft-NMS: improving object detection with one line of code",
        2017.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> F.soft_nms(boxes, torch.tensor([0.9, 0.8, 0.5]), method="linear", iou_threshold=0.3)
        (tensor([0, 2, 1]), tensor([0.9000, 0.5000, 0.4000]))
    """
    check_choice(method, ("gaussian", "linear"), "soft_nms", "method")
    indices, values = _soft_nms(boxes, scores, iou_threshold, sigma, method == "gaussian", min_score)
    return indices, values.to(scores.dtype)


def matrix_nms(
    boxes: Tensor,
    scores: Tensor,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Lower all scores at once by their overlaps with better boxes (Matrix NMS).

    A box's score is multiplied by the least, over all better boxes, of ``f(IoU) / f(that box's own largest IoU with a
    better one)``: one that is itself suppressed takes less. f is ``exp(-x² / sigma)`` or ``1 - x``.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float; NaN does not take part.
        sigma: above 0, for "gaussian"; 0.5 is the paper's 2, which it multiplies by.
        method: "gaussian" or "linear".
        min_score: what is or falls below it is dropped.

    Returns:
        Indices, int64 (M), by falling lowered score, and these scores (M), of the scores' dtype.

    Raises:
        ArgumentError: wrong shapes, a sigma of at most 0, or an unknown method.

    Complexity: O(N²) in time, in parallel; never a matrix in memory. Gradient: none. Deterministic: does not depend on
    threads.

    Reference:
        X. Wang, R. Zhang, T. Kong, L. Li, C. Shen, "SOLOv2: dynamic and fast instance segmentation", 2020.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> F.matrix_nms(boxes, torch.tensor([0.9, 0.8, 0.5]), method="linear")
        (tensor([0, 2, 1]), tensor([0.9000, 0.5000, 0.4000]))
    """
    check_choice(method, ("gaussian", "linear"), "matrix_nms", "method")
    indices, values = _matrix_nms(boxes, scores, sigma, method == "gaussian", min_score)
    return indices, values.to(scores.dtype)


def nms_rotated(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Suppress rotated boxes that overlap a better one.

    Args:
        boxes: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen (y points down).
        scores: (N), float, as `nms`.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats.

    Overlaps are those of `box_iou_rotated`, in float64; a box of no area or with a NaN or infinite value is kept and
    suppresses none. Complexity: as `nms`, a polygon clipped for each pair whose surrounding boxes meet. Gradient: none.
    Deterministic: does not depend on threads.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes = torch.tensor([[0.0, 0, 10, 4, 0], [0, 0, 10, 4, 10], [0, 0, 10, 4, 90]])
        >>> F.nms_rotated(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
        tensor([0, 2])
    """
    result: Tensor = _nms_rotated(boxes, scores, iou_threshold)
    return result


# --- overlaps ---------------------------------------------------------------------------------------------------------


def _matrix(boxes1: Tensor, boxes2: Tensor, *args: Any) -> Tensor:
    return boxes1.new_empty((*boxes1.shape[:-1], boxes2.shape[-2]))


_box_overlaps = register_op("box_overlaps", fake=_matrix, images=(0, 1))
_box_iou_rotated = register_op("box_iou_rotated", fake=_matrix)


def _quotient(above: Tensor, below: Tensor) -> Tensor:
    """Divide; where by zero, the quotient is what it is, but its gradient 0 instead of NaN."""
    there = below != 0
    return torch.where(there, above / torch.where(there, below, 1.0), (above / below).detach())


def _angle(width: Tensor, height: Tensor) -> Tensor:
    """Return atan(width / height), 0 for a point; with a gradient for boxes without height, and 0 for a point."""
    size = torch.maximum(width.abs(), height.abs()).detach()
    size = torch.where(size > 0, size, 1.0)  # to that scale no square of a small side is lost
    sign = torch.where(height < 0, -1.0, 1.0)
    return torch.atan2(width * sign / size, height * sign / size + 0.0)  # not -0.0, whose angle is pi


def _overlap(boxes1: Tensor, boxes2: Tensor, kind: str, eps: float) -> Tensor:
    """Return the overlap of boxes that are broadcast against each other, with gradients of any order."""
    ax1, ay1, ax2, ay2 = boxes1.unbind(-1)
    bx1, by1, bx2, by2 = boxes2.unbind(-1)
    shared = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0) * (
        torch.minimum(ay2, by2) - torch.maximum(ay1, by1)
    ).clamp(min=0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
    loss = eps if kind.endswith("loss") else 0.0  # there, nothing may be divided by zero
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
    # The weight is a constant to the gradient (Zheng et al., 2020), as in torchvision.
    alpha = (v / (1 - iou + v + eps)).detach().nan_to_num(nan=0.0)  # the IoU is NaN itself then
    return result - alpha * v


def _pairs(boxes1: Tensor, boxes2: Tensor, kind: str, eps: float, op: str) -> Tensor:
    _boxes.check_boxes(boxes1, op, "boxes1")
    _boxes.check_boxes(boxes2, op, "boxes2")
    if not (boxes1.is_floating_point() and boxes2.is_floating_point()):
        # Whole numbers, and products of two, are exact.
        wide = torch.float64 in (boxes1.dtype, boxes2.dtype)
        exact = _pairs(boxes1.double(), boxes2.double(), kind, eps, op)
        return exact if wide else exact.float()
    if wants_derivative(boxes1, boxes2) and boxes1.dtype == boxes2.dtype:
        a, b = _wide(boxes1), _wide(boxes2)
        return _overlap(a[..., :, None, :], b[..., None, :, :], kind, eps).to(boxes1.dtype)
    result: Tensor = _box_overlaps(boxes1, boxes2, _boxes.OVERLAPS.index(kind), eps)
    return result


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the intersection over the union of all pairs of boxes.

    Args:
        boxes1: (N, 4) or (B, N, 4), ``x1, y1, x2, y2``; integers are computed in float64, where they are exact.
        boxes2: (M, 4) or (B, M, 4), of the same dtype.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype (torchvision's is float32 for half precision), float32 for integers.
        NaN where both have no area; the gradient is 0 there. Half precision is computed in float32.

    Raises:
        ArgumentError: wrong shapes.
        TypeError: different dtypes.

    Complexity: O(N * M). Gradient: of any order, to both boxes. Deterministic.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
        tensor([[0.3333, 0.0000]])
    """
    return _pairs(boxes1, boxes2, "iou", 0.0, "box_iou")


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the generalised IoU of all pairs: IoU less the share of the surrounding box that neither covers.

    From -1 to 1; boxes that do not meet still have a gradient. Arguments, errors, complexity: as `box_iou`.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        H. Rezatofighi et al., "Generalized intersection over union", 2019.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.generalized_box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [4, 0, 6, 2]]))
        tensor([[ 0.3333, -0.3333]])
    """
    return _pairs(boxes1, boxes2, "generalized", 0.0, "generalized_box_iou")


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Return the distance IoU of all pairs: IoU less the squared distance of centres in surrounding diagonals.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: is added to the squared diagonal.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        Z. Zheng et al., "Distance-IoU loss: faster and better learning for bounding box regression", 2020.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.distance_box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[2.0, 0, 4, 2]]))
        tensor([[-0.2000]])
    """
    return _pairs(boxes1, boxes2, "distance", eps, "distance_box_iou")


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Return the complete IoU of all pairs: distance IoU less a term for different aspect ratios.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: keeps quotients finite.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        Z. Zheng et al., "Distance-IoU loss: faster and better learning for bounding box regression", 2020. The weight
        of the aspect ratios is a constant to the gradient, as there.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.complete_box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 0, 2, 1]]))
        tensor([[0.4655]])
    """
    return _pairs(boxes1, boxes2, "complete", eps, "complete_box_iou")


def box_iou_rotated(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the intersection over the union of all pairs of rotated boxes.

    Args:
        boxes1: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen (y points down).
        boxes2: (M, 5).

    Returns:
        (N, M), of `boxes1`'s dtype, computed in float64; 0 where a box has no area, or a NaN or infinite value.

    Raises:
        ArgumentError: wrong shapes.
        TypeError: boxes that are not floats.

    Complexity: O(N * M), a polygon clipped for each pair whose surrounding boxes meet. Gradient: none. Deterministic.

    Reference:
        I. E. Sutherland, G. W. Hodgman, "Reentrant polygon clipping", 1974.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.box_iou_rotated(torch.tensor([[0.0, 0, 2, 2, 0]]), torch.tensor([[0.0, 0, 2, 2, 45], [0, 0, 2, 2, 90]]))
        tensor([[0.7071, 1.0000]])
    """
    result: Tensor = _box_iou_rotated(boxes1, boxes2)
    return result


# --- losses -----------------------------------------------------------------------------------------------------------


def _loss(boxes1: Tensor, boxes2: Tensor, kind: str, reduction: str, eps: float) -> Tensor:
    op = f"{kind}_box_iou_loss"
    _boxes.check_boxes(boxes1, op, "boxes1")
    check_choice(reduction, ("none", "mean", "sum"), op, "reduction")
    if boxes1.shape != boxes2.shape:
        raise ArgumentError(f"{op}: expected boxes2 of shape {tuple(boxes1.shape)}, got {tuple(boxes2.shape)}")
    a, b = (boxes if boxes.dtype == torch.float64 else boxes.float() for boxes in (boxes1, boxes2))
    loss = 1 - _overlap(a, b, f"{kind} loss", eps)
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
        (...), or one value: float32, or float64 where boxes are. Of no boxes, mean and sum are 0 with a gradient of 0.
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


# --- formats ----------------------------------------------------------------------------------------------------------


def _stack(values: list[Tensor]) -> Tensor:
    return torch.stack(values, -1)


def _wide(boxes: Tensor) -> Tensor:
    """Return boxes whose sums, differences and products fit: float32 for half precision, int64 for integers."""
    if boxes.is_floating_point():
        return boxes if boxes.dtype == torch.float64 else boxes.float()
    return boxes.long()


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Change the format of boxes.

    Args:
        boxes: (..., 4).
        in_fmt: "xyxy" (corners), "xywh" (corner, width, height) or "cxcywh" (centre, width, height).
        out_fmt: likewise.

    Returns:
        (..., 4), a copy. Of floats the same dtype; half precision is computed in float32. Integers become int64, or
        floats where a centre is taken or given, unless both formats are the same.

    Raises:
        ArgumentError: another shape, or an unknown format.

    Gradient: of any order.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.box_convert(torch.tensor([[1.0, 2, 4, 8]]), "xyxy", "cxcywh")
        tensor([[2.5000, 5.0000, 3.0000, 6.0000]])
    """
    found = _boxes.convert(boxes, in_fmt, out_fmt, _stack, _wide)
    return found.to(boxes.dtype) if boxes.is_floating_point() else found


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes (..., 4).

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.

    Returns:
        (...): int64 for integers, float64 for float64, float32 otherwise. Gradient: of any order.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.box_area(torch.tensor([[1.0, 2, 4, 8]]))
        tensor([18.])
    """
    width, height = _boxes.sides(_wide(boxes), "box_area")
    area: Tensor = width * height
    return area


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Move what lies outside an image onto its border.

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.
        size: the image's height and width.

    Returns:
        (..., 4), a copy of the same dtype. Gradient: to coordinates that lie inside.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.clip_boxes_to_image(torch.tensor([[-3.0, 2, 40, 8]]), (30, 20))
        tensor([[ 0.,  2., 20.,  8.]])
    """
    # Within the image and its old values at once, it fits the dtype again.
    return _boxes.clip(_wide(boxes), size, _stack).to(boxes.dtype)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Find the boxes whose sides are both at least `min_size` long.

    Args:
        boxes: (N, 4), ``x1, y1, x2, y2``.
        min_size: in the boxes' unit.

    Returns:
        int64 (M): their indices.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.remove_small_boxes(torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 1]]), 2)
        tensor([0])
    """
    width, height = _boxes.sides(_wide(boxes), "remove_small_boxes")
    found: Tensor = torch.where((width >= min_size) & (height >= min_size))[0]
    return found


def _box_per_mask(masks: Tensor) -> Tensor:
    return masks.new_empty((*masks.shape[:-2], 4), dtype=torch.float32)


_masks_to_boxes = register_op("masks_to_boxes", fake=_box_per_mask)


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Return the box around each mask.

    Args:
        masks: (..., H, W), any dtype, non-zero inside.

    Returns:
        float32 (..., 4): indices of the first and the last column and row, ``x1, y1, x2, y2``, as torchvision's; zeros
        where a mask is empty (torchvision fails).

    Raises:
        ArgumentError: fewer than two dimensions.

    Complexity: linear in the pixels. Gradient: none. Deterministic.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.masks_to_boxes(torch.tensor([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]]))
        tensor([[1., 1., 2., 2.]])
    """
    result: Tensor = _masks_to_boxes(masks)
    return result
