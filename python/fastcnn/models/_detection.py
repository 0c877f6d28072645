"""Shared by the detectors: results of a fixed shape, suppression within the module, and padded targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastcnn import ops
from fastcnn._errors import ArgumentError
from fastcnn._torch.register import register_named_tuple_for_export
from fastcnn.models._common import Model


class Detections(NamedTuple):
    """Objects found in a batch of images, by descending score. Zeros, and class -1, follow the last of an image.

    Attributes:
        boxes: float (B, K, 4), ``x1, y1, x2, y2`` in pixels of the input image.
        scores: float (B, K).
        classes: int64 (B, K).
        count: int64 (B): number of detections.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    count: Any  # a Tensor, but tuples have a method of this name


register_named_tuple_for_export(Detections, "fastcnn.models.Detections")


class YOLOXPredictions(NamedTuple):
    """Predictions of YOLOX at N grid positions, those of stride 8 first.

    Attributes:
        boxes: (B, N, 4), ``x1, y1, x2, y2`` in pixels.
        objectness: (B, N), logits.
        classes: (B, N, num_classes), logits.
        places: (N, 3): x and y of the grid cell's top left corner, and its stride, in pixels.
    """

    boxes: Tensor
    objectness: Tensor
    classes: Tensor
    places: Tensor


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Return the differentiable IoU of boxes (..., 4) that broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return common / (areas - common + 1e-16)


def select(
    boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float, score_threshold: float, max_detections: int
) -> Detections:
    """Suppress overlapping boxes (B, N, 4) of each class; the result has a fixed shape."""
    kept, count = ops.nms_padded(boxes, scores, iou_threshold, max_detections, score_threshold, classes)
    there = kept >= 0
    at = kept.clamp(min=0)
    return Detections(
        boxes.gather(1, at[..., None].expand(-1, -1, 4)) * there[..., None],
        scores.gather(1, at) * there,
        torch.where(there, classes.gather(1, at), -1),
        count,
    )


class Detector(Model):
    """A network that finds boxes.

    In eval mode a call gives `Detections`; in training mode, the predictions that `loss` takes.

    Attributes:
        score_threshold: only scores above it are detections.
        iou_threshold: if two boxes of one class overlap by more, the one with the lower score is removed.
        max_detections: K, the number of detections returned per image.
    """

    score_threshold: float
    iou_threshold: float
    max_detections: int

    def loss(self, predictions: Any, boxes: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Compare predictions with ground truth: boxes (B, M, 4), classes (B, M), -1 for none."""
        raise NotImplementedError  # implemented by each detector

    def set_thresholds(self, score: float, iou: float, largest: int) -> None:
        """Check and set the three attributes."""
        name = type(self).__name__
        for argument, value in (("score_threshold", score), ("iou_threshold", iou)):
            if not 0 <= value <= 1:
                raise ArgumentError(f"{name}: expected {argument} from 0 to 1, got {value}")
        if largest < 1:
            raise ArgumentError(f"{name}: expected max_detections of at least 1, got {largest}")
        self.score_threshold, self.iou_threshold, self.max_detections = score, iou, largest

    def check_targets(self, boxes: Tensor, classes: Tensor, batch: int) -> None:
        """Refuse targets that are not padded boxes and classes for `batch` images."""
        name = type(self).__name__
        if boxes.ndim != 3 or boxes.shape[0] != batch or boxes.shape[2] != 4:
            raise ArgumentError(f"{name}: expected boxes of shape ({batch}, M, 4), got {tuple(boxes.shape)}")
        if classes.shape != boxes.shape[:2]:
            raise ArgumentError(
                f"{name}: expected classes of shape {tuple(boxes.shape[:2])}, got {tuple(classes.shape)}"
            )
        if torch.compiler.is_compiling() or classes.numel() == 0:
            return
        low, high = int(classes.min()), int(classes.max())
        if low < -1 or high >= self.num_classes:
            raise ArgumentError(
                f"{name}: expected classes from 0 to {self.num_classes - 1}, or -1 for none, got {low} to {high}"
            )
