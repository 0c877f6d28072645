"""YOLOX's loss, and SimOTA: which grid positions are assigned to which box. All images at once, in fixed shapes.

Z. Ge et al., "YOLOX", 2021, section 2; the numbers that the paper omits are those of its authors' code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fastcnn.models._detection import YOLOXPredictions, overlaps

# A position is a candidate for a box within this many strides of the box's centre.
_RADIUS = 1.5
# Weight of the overlap relative to the classes; cost of a position that is a candidate only of another box.
_OVERLAP, _ELSEWHERE = 3.0, 1e6
# The number of positions of a box is the sum of this many of its best overlaps.
_MAX = 10
_BOXES = 5.0


class Assignment(NamedTuple):
    """For every position, (B, N): its assigned box, or -1, and the overlap of the two."""

    box: Tensor
    overlap: Tensor


@torch.no_grad()
def assign(predictions: YOLOXPredictions, boxes: Tensor, classes: Tensor) -> Assignment:
    """Assign positions to boxes (B, M, 4) of classes (B, M), -1 for none."""
    batch, number = predictions.objectness.shape
    if boxes.shape[1] == 0:
        shape = batch, number
        return Assignment(classes.new_full(shape, -1), predictions.boxes.new_zeros(shape))
    real = (classes >= 0)[..., None]
    places, stride = predictions.places[:, :2], predictions.places[:, 2]
    distance = (places + stride[:, None] / 2) - ((boxes[..., :2] + boxes[..., 2:]) / 2)[:, :, None]
    near = (distance.abs().amax(-1) < _RADIUS * stride) & real  # (B, M, N)
    candidate = near.any(1, keepdim=True)

    overlap = overlaps(boxes[:, :, None], predictions.boxes[:, None]) * (candidate & real)
    # Binary cross entropy of all classes: the cost without an object, corrected for the box's own class.
    joint = (predictions.classes.sigmoid() * predictions.objectness.sigmoid()[..., None]).sqrt()
    absent, present = -torch.log1p(-joint).clamp(min=-100), -joint.log().clamp(min=-100)
    own = classes.clamp(min=0)[:, :, None].expand(-1, -1, number)
    cost = absent.sum(-1)[:, None] + (present - absent).transpose(1, 2).gather(1, own)
    cost = cost - _OVERLAP * torch.log(overlap + 1e-8) + _ELSEWHERE * ~near
    cost = cost.masked_fill(~(candidate & real), torch.inf)

    maximum = min(_MAX, number)
    wanted = overlap.topk(maximum).values.sum(-1).int().clamp(min=1)
    cheapest = cost.topk(maximum, largest=False)
    taken = (torch.arange(maximum, device=boxes.device) < wanted[..., None]) & cheapest.values.isfinite()
    matched = torch.zeros_like(near).scatter(2, cheapest.indices, taken)
    # A position wanted by several boxes is assigned to the one with the lowest cost.
    several = matched.sum(1, keepdim=True) > 1
    minimum = torch.zeros_like(near).scatter(1, cost.argmin(1, keepdim=True), True)
    matched = torch.where(several, minimum, matched)
    box = torch.where(matched.any(1), matched.int().argmax(1), -1)
    return Assignment(box, (overlap * matched).sum(1))


def loss(predictions: YOLOXPredictions, boxes: Tensor, classes: Tensor, l1: bool) -> dict[str, Tensor]:
    """Return the parts of the loss by name."""
    boxes = boxes.to(predictions.boxes.dtype)
    if boxes.shape[1] == 0:  # gathering needs one entry; nothing is assigned to it
        boxes, classes = boxes.new_zeros(len(boxes), 1, 4), classes.new_full((len(boxes), 1), -1)
    box, overlap = assign(predictions, boxes, classes)
    assigned = box >= 0
    at = box.clamp(min=0)
    target = boxes.gather(1, at[..., None].expand(-1, -1, 4))
    own = functional.one_hot(classes.gather(1, at).clamp(min=0), predictions.classes.shape[-1])
    number = assigned.sum().clamp(min=1)

    def total(values: Tensor) -> Tensor:
        return values.sum() / number

    entropy = functional.binary_cross_entropy_with_logits
    # Select instead of multiplying by 0 where nothing is assigned: an overflowed box must not make the gradient NaN.
    found = torch.where(assigned[..., None], predictions.boxes, target)
    parts = {
        "boxes": _BOXES * total((1 - overlaps(found, target).square()) * assigned),
        "objectness": total(entropy(predictions.objectness, assigned.to(predictions.objectness), reduction="none")),
        "classes": total(
            entropy(predictions.classes, own * overlap[..., None].to(predictions.classes), reduction="none")
            * assigned[..., None]
        ),
    }
    if l1:
        difference = _parameters(found, predictions.places) - _parameters(target, predictions.places)
        parts["l1"] = total(difference.abs() * assigned[..., None])
    return parts


def _parameters(boxes: Tensor, places: Tensor) -> Tensor:
    """Return the output of the last layers that encodes boxes (B, N, 4) at the grid positions."""
    stride = places[:, 2:]
    centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return torch.cat([(centre - places[:, :2]) / stride, torch.log(size / stride + 1e-8)], -1)
