"""Anchors and their regression, the same on tensors and arrays (`xp` is torch or numpy). Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn._errors import ArgumentError
from fastcnn._ops.boxes import check_boxes

# Sides grow at most so much in one decoding (torchvision, Detectron): a wild regression must not overflow.
MOST_GROWTH = math.log(1000 / 16)


def check_levels(op: str, levels: int, **arguments: Sequence[Any]) -> None:
    """Refuse arguments without one value for each level."""
    for name, values in arguments.items():
        if len(values) != levels:
            raise ArgumentError(f"{op}: expected {name} for {levels} levels, got {len(values)}")


def shapes(sizes: Sequence[float], aspect_ratios: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Return the anchors of one place, around the origin: ratio by ratio, each of all sizes; rounded."""
    found = []
    for ratio in aspect_ratios:
        if not (ratio > 0 and all(size > 0 for size in sizes)):
            raise ArgumentError(f"generate_anchors: expected sizes and aspect_ratios above 0, got {sizes}, {ratio}")
        height = math.sqrt(ratio)
        for size in sizes:
            w, h = size / height / 2, size * height / 2
            found.append((float(round(-w)), float(round(-h)), float(round(w)), float(round(h))))
    return found


def encode(xp: Any, boxes: Any, anchors: Any, weights: Sequence[float]) -> Any:
    """Return what a regressor has to predict."""
    check_boxes(boxes, "encode_boxes")
    check_boxes(anchors, "encode_boxes", "anchors")
    w, h = anchors[..., 2] - anchors[..., 0], anchors[..., 3] - anchors[..., 1]
    x, y = anchors[..., 0] + 0.5 * w, anchors[..., 1] + 0.5 * h
    to_w, to_h = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    to_x, to_y = boxes[..., 0] + 0.5 * to_w, boxes[..., 1] + 0.5 * to_h
    wx, wy, ww, wh = weights
    return xp.stack([wx * (to_x - x) / w, wy * (to_y - y) / h, ww * xp.log(to_w / w), wh * xp.log(to_h / h)], axis=-1)


def decode(xp: Any, deltas: Any, anchors: Any, weights: Sequence[float]) -> Any:
    """Return the boxes that were predicted."""
    check_boxes(deltas, "decode_boxes", "deltas")
    check_boxes(anchors, "decode_boxes", "anchors")
    w, h = anchors[..., 2] - anchors[..., 0], anchors[..., 3] - anchors[..., 1]
    x, y = anchors[..., 0] + 0.5 * w, anchors[..., 1] + 0.5 * h
    wx, wy, ww, wh = weights
    to_x, to_y = deltas[..., 0] / wx * w + x, deltas[..., 1] / wy * h + y
    to_w = xp.exp((deltas[..., 2] / ww).clip(max=MOST_GROWTH)) * w
    to_h = xp.exp((deltas[..., 3] / wh).clip(max=MOST_GROWTH)) * h
    return xp.stack([to_x - 0.5 * to_w, to_y - 0.5 * to_h, to_x + 0.5 * to_w, to_y + 0.5 * to_h], axis=-1)
