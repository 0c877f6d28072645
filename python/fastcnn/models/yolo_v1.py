"""The first YOLO: a grid of cells, each with a few boxes and one set of class probabilities."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn._errors import ArgumentError
from fastcnn.models._detection import Detections, Detector, overlaps, select
from fastcnn.models._registry import model

# Figure 3: kernel and width of each convolution; "M" for 2 x 2 max pooling, "S" for a stride of 2 in the next layer.
_LAYERS: tuple[tuple[int, int] | str, ...] = (
    "S", (7, 64), "M", (3, 192), "M", (1, 128), (3, 256), (1, 256), (3, 512), "M",
    *((1, 256), (3, 512)) * 4, (1, 512), (3, 1024), "M",
    *((1, 512), (3, 1024)) * 2, (3, 1024), "S", (3, 1024), (3, 1024), (3, 1024),
)  # fmt: skip
_CELL = 64  # pixels of the image per cell, along each axis
_BOXES, _EMPTY = 5.0, 0.5  # lambda_coord and lambda_noobj


class YOLOv1Predictions(NamedTuple):
    """The network's output for each cell, row by row.

    Attributes:
        boxes: (B, S * S, n, 4): x and y of the centre within the cell, from 0 to 1; square roots of width and height
            relative to the image.
        confidences: (B, S * S, n).
        classes: (B, S * S, num_classes).
    """

    boxes: Tensor
    confidences: Tensor
    classes: Tensor


class YOLOv1(Detector):
    """Twenty-four convolutions and two linear layers."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        grid: int,
        boxes: int,
        width: float,
        hidden: int,
        batch_norm: bool,
        dropout: float,
        score_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> None:
        super().__init__(in_channels, num_classes, (_CELL * grid, _CELL * grid), exact=True)
        self.set_thresholds(score_threshold, iou_threshold, max_detections)
        self.grid, self.boxes = grid, boxes
        layers: list[nn.Module] = []
        channels, stride = in_channels, 1
        for layer in _LAYERS:
            if isinstance(layer, str):
                if layer == "M":
                    layers.append(fnn.MaxPool2d(2))
                else:
                    stride = 2
                continue
            kernel, wide = layer[0], max(1, round(layer[1] * width))
            layers.append(fnn.Conv2d(channels, wide, kernel, stride, kernel // 2, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(wide))
            layers.append(nn.LeakyReLU(0.1, inplace=True))
            channels, stride = wide, 1
        self.features = nn.Sequential(*layers)
        last = nn.Linear(hidden, grid * grid * (5 * boxes + num_classes))
        self.classifier = nn.Sequential(
            nn.Linear(channels * grid * grid, hidden),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Dropout(dropout),
            last,
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(last.weight, 0, 0.01)

    def predictions(self, x: Tensor) -> YOLOv1Predictions:
        """(B, in_channels, 64 S, 64 S) to the predictions of all cells, the result of a call in training mode."""
        self.check(x)
        values: Tensor = self.classifier(self.features(x).flatten(1))
        values = values.to(torch.promote_types(values.dtype, torch.float32)).reshape(len(values), self.grid**2, -1)
        classes, confidences, boxes = torch.split(values, [self.num_classes, self.boxes, 4 * self.boxes], -1)
        return YOLOv1Predictions(boxes.reshape(*boxes.shape[:2], self.boxes, 4), confidences, classes)

    def corners(self, boxes: Tensor) -> Tensor:
        """Convert predicted boxes (B, S * S, n, 4) to ``x1, y1, x2, y2`` in pixels."""
        cell = torch.arange(self.grid**2, device=boxes.device)
        left_top = torch.stack([cell % self.grid, cell // self.grid], -1)[:, None]
        centre = (boxes[..., :2] + left_top) * _CELL
        half = boxes[..., 2:].square() * (_CELL * self.grid / 2)
        return torch.cat([centre - half, centre + half], -1)

    def detections(self, predictions: YOLOv1Predictions) -> Detections:
        """Convert predictions to the result of a call in eval mode. A score is confidence times class probability."""
        best, classes = predictions.classes.max(-1, keepdim=True)
        scores = (predictions.confidences * best).flatten(1)
        corners = self.corners(predictions.boxes).flatten(1, 2)
        classes = classes.expand(-1, -1, self.boxes).flatten(1)
        return select(corners, scores, classes, self.iou_threshold, self.score_threshold, self.max_detections)

    def forward(self, x: Tensor) -> YOLOv1Predictions | Detections:
        """(B, in_channels, 64 S, 64 S) to `Detections`; in training mode to `YOLOv1Predictions`."""
        predictions = self.predictions(x)
        return predictions if self.training else self.detections(predictions)

    def loss(self, predictions: YOLOv1Predictions, boxes: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Compare predictions with ground truth: equation (3) of the paper.

        Args:
            predictions: of B images.
            boxes: (B, M, 4), ``x1, y1, x2, y2`` in pixels.
            classes: int64 (B, M); -1 where there is no box. If several centres lie in one cell, the first counts.

        Returns:
            "boxes", "objectness" (confidences with and without an object) and "classes", each a sum of squares divided
            by B; their sum is to be minimised.

        Raises:
            ArgumentError: wrong shapes, or classes out of range.
        """
        batch, cells = predictions.confidences.shape[:2]
        self.check_targets(boxes, classes, batch)
        boxes = boxes.to(predictions.boxes.dtype)
        if boxes.shape[1] == 0:  # gathering needs one entry; no cell uses it
            boxes, classes = boxes.new_zeros(batch, 1, 4), classes.new_full((batch, 1), -1)
        number = boxes.shape[1]
        centre = (boxes[..., :2] + boxes[..., 2:]) / (2 * _CELL)
        place = centre.floor().clamp(0, self.grid - 1)
        cell = (place[..., 1] * self.grid + place[..., 0]).long()
        order = torch.arange(number, device=boxes.device).expand(batch, -1)
        first = torch.full((batch, cells), number, device=boxes.device).scatter_reduce(
            1, cell, torch.where(classes >= 0, order, number), "amin"
        )
        there = first < number
        at = first.clamp(max=number - 1)

        def of_cell(values: Tensor) -> Tensor:
            return values.gather(1, at[..., None].expand(-1, -1, values.shape[-1]))

        sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0) / (_CELL * self.grid)
        target = of_cell(torch.cat([centre - place, sides.sqrt()], -1))[:, :, None]
        with torch.no_grad():
            overlap = overlaps(self.corners(predictions.boxes), of_cell(boxes)[:, :, None])
            responsible = torch.zeros_like(overlap, dtype=torch.bool).scatter(2, overlap.argmax(-1, keepdim=True), True)
            responsible &= there[..., None]
        own = nn.functional.one_hot(classes.gather(1, at).clamp(min=0), self.num_classes)

        def total(values: Tensor) -> Tensor:
            return values.sum() / max(batch, 1)  # 0 for an empty batch

        confidence = (predictions.confidences - overlap * responsible).square()
        return {
            "boxes": _BOXES * total((predictions.boxes - target).square() * responsible[..., None]),
            "objectness": total(confidence * torch.where(responsible, 1.0, _EMPTY)),
            "classes": total((predictions.classes - own).square() * there[..., None]),
        }


@model()
def yolo_v1(
    num_classes: int = 20,
    in_channels: int = 3,
    grid: int = 7,
    boxes: int = 2,
    width: float = 1.0,
    hidden: int = 4096,
    batch_norm: bool = False,
    dropout: float = 0.5,
    score_threshold: float = 0.2,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> YOLOv1:
    """Make the first YOLO: 271,703,550 parameters as in the paper, for 20 classes.

    Args:
        num_classes: number of object classes.
        in_channels: of the images, (B, in_channels, 64 S, 64 S).
        grid: S, cells along each side: 7 in the paper, for 448 x 448 pixels.
        boxes: boxes per cell, 2 in the paper.
        width: factor for the channels of all convolutions.
        hidden: width of the first linear layer.
        batch_norm: add batch norm after each convolution. The paper has none, but training without pretrained weights
            needs it.
        dropout: after the first linear layer.
        score_threshold: only scores above it are detections.
        iou_threshold: if two boxes of one class overlap by more, the one with the lower score is removed.
        max_detections: K, the number of detections returned per image.

    In eval mode a call gives `Detections` of fixed shape, so that all of it, including suppression, is one graph. In
    training mode it gives the predictions that its method `loss` takes.

    Raises:
        ArgumentError: numbers below 1, or thresholds outside [0, 1].

    Reference:
        J. Redmon, S. Divvala, R. Girshick, A. Farhadi, "You only look once: unified, real-time object detection", 2016.

    Example:
        >>> import torch, fastcnn.models as M
        >>> model = M.yolo_v1(num_classes=3, grid=3, width=0.1, hidden=64).eval()
        >>> model(torch.zeros(1, 3, 192, 192)).boxes.shape
        torch.Size([1, 100, 4])
    """
    for name, value in (("grid", grid), ("boxes", boxes), ("hidden", hidden)):
        if value < 1:
            raise ArgumentError(f"yolo_v1: expected {name} of at least 1, got {value}")
    if not width > 0:
        raise ArgumentError(f"yolo_v1: expected width above 0, got {width}")
    return YOLOv1(
        num_classes, in_channels, grid, boxes, width, hidden, batch_norm, dropout, score_threshold, iou_threshold,
        max_detections,
    )  # fmt: skip
