"""Arithmetic of boxes that is the same on tensors and arrays. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError

Boxes = TypeVar("Boxes")
_FORMATS = ("xyxy", "xywh", "cxcywh")
OVERLAPS = ("iou", "generalized", "distance", "complete")


def check_boxes(boxes: Any, op: str, argument: str = "boxes", columns: int = 4) -> None:
    """Refuse what has not that many values in its last dimension."""
    if boxes.ndim == 0 or boxes.shape[-1] != columns:
        raise ArgumentError(f"{op}: expected {argument} of shape (..., {columns}), got {tuple(boxes.shape)}")


def convert(
    boxes: Any, in_fmt: str, out_fmt: str, stack: Callable[[list[Any]], Boxes], wide: Callable[[Any], Any]
) -> Boxes:
    """Change the format of boxes; `stack` joins values along a new last dimension, and `wide` makes room for sums."""
    op = "box_convert"
    check_boxes(boxes, op)
    check_choice(in_fmt, _FORMATS, op, "in_fmt")
    check_choice(out_fmt, _FORMATS, op, "out_fmt")
    if in_fmt == out_fmt:
        return stack([boxes[..., i] for i in range(4)])
    boxes = wide(boxes)
    a, b, c, d = (boxes[..., i] for i in range(4))
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack([a, b, c, d])


def clip(boxes: Any, size: tuple[int, int], stack: Callable[[list[Any]], Boxes]) -> Boxes:
    """Move what lies outside an image of (height, width) onto its border."""
    check_boxes(boxes, "clip_boxes_to_image")
    height, width = size
    return stack([boxes[..., i].clip(0, height if i % 2 else width) for i in range(4)])


def sides(boxes: Any, op: str) -> tuple[Any, Any]:
    """Return widths and heights."""
    check_boxes(boxes, op)
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
