"""Training of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastcnn._errors import ArgumentError
from fastcnn.data import Affine, Color, Compose, DataError, Flip, Mosaic, Resize, Sample, Samples
from fastcnn.models import Detector
from fastcnn.pipelines import draw_boxes
from fastcnn.train.loading import padded_boxes, pictures
from fastcnn.train.metrics import AveragePrecision
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources, warn_of_nothing
from fastcnn.train.task import Task


class Detect(Task):
    """Find objects and their classes."""

    name = "detect"
    part = "boxes"
    default_model = "yolox_nano"
    metric = "map"

    def __init__(self, settings: Settings, sources: Sources) -> None:
        first = sources.train[0]
        if first.boxes is None:
            raise DataError(first.source, "has no boxes")
        warn_of_nothing(sources, settings, "a box", lambda samples, i: samples.boxes_of(i) != 0)
        names = sources.train.class_names
        super().__init__(settings, {"num_classes": len(names), "in_channels": len(first.image)}, names)
        if not isinstance(self.network, Detector):
            raise ArgumentError(f"train: {settings.model_name} is no detector")
        self.detector: Detector = self.network
        height, width = settings.image_size if any(settings.image_size) else first.image.shape[-2:]
        self.size = self.detector.size_for((height, width))
        self.average_precision = AveragePrecision()

    def augmentation(self, train: Samples) -> Any:
        """Mosaics, small motions, flips, and changes of brightness."""
        if not self.settings.augment:
            return Resize(self.size, keep_aspect=True)
        self.mosaic = Mosaic(train, self.size, p=self.settings.mosaic)
        return Compose([self.mosaic, Affine(0, (0.7, 1.4), 0, 0.1), Flip(), Color(0.1, 0.2, 0.3, noise=0.03)])

    def preparation(self) -> Any:
        """Resize to the input size."""
        return Resize(self.size, keep_aspect=True)

    @staticmethod
    def collate(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, C, H, W), boxes (B, M, 4) and classes (B, M), -1 where there is none."""
        return pictures(samples), *padded_boxes(samples)

    def _late(self) -> bool:
        return self.current_epoch >= 0.8 * self.settings.epochs

    def on_train_epoch_start(self) -> None:
        """Switch mosaics off towards the end: the model will be used on whole images."""
        super().on_train_epoch_start()
        if self.settings.augment and self._late():
            self.mosaic.p = 0.0

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The losses of the network, with l1 towards the end if it has one."""
        images, boxes, classes = batch
        options = {"l1": True} if self._late() and self.settings.model_name.startswith("yolox") else {}
        parts: dict[str, Tensor] = self.detector.loss(self.network(images), boxes, classes, **options)
        return parts

    def measure(self, batch: Any) -> None:
        """Add detections and ground truth."""
        images, boxes, classes = batch
        found = self.network(images)
        for i, n in enumerate(found.count.tolist()):
            there = classes[i] >= 0
            rows = (found.boxes[i, :n], found.classes[i, :n], found.scores[i, :n])
            self.average_precision.update(rows, boxes[i, there], classes[i, there])

    def measured(self) -> dict[str, float]:
        """Average precision at IoU 0.5 to 0.95, and at 0.5."""
        values = self.average_precision.compute()
        self.average_precision.reset()
        return {name: max(0.0, value) for name, value in zip(("map", "map50"), values, strict=True)}

    def picture(self, sample: Sample) -> NDArray[np.uint8]:
        """Return the image with boxes."""
        with torch.no_grad():
            found = self.network(sample.image[None].to(self.device))
        shown = found.scores[0] > 0.3
        pixels = (sample.image.clamp(0, 1) * 255).byte()
        image = pixels[0].numpy() if len(pixels) == 1 else pixels[:3].permute(1, 2, 0).contiguous().numpy()
        boxes, scores, classes = (x[0][shown].cpu().numpy() for x in (found.boxes, found.scores, found.classes))
        return draw_boxes(
            image, boxes, classes, [f"{self.class_names[c]} {s:.2f}" for c, s in zip(classes, scores, strict=True)]
        )

    def about(self) -> dict[str, Any]:
        """Add the size of images."""
        return {**super().about(), "image_size": list(self.size)}
