"""Training of classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from fastcnn.data import Affine, Color, Compose, DataError, Flip, Resize, Sample, Samples
from fastcnn.train.loading import pictures
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources
from fastcnn.train.task import Task


class Classify(Task):
    """Predict the class of an image."""

    name = "classify"
    part = "label"
    default_model = "lenet5"
    default_loss = "cross_entropy"
    spatial_losses = False
    metric = "accuracy"

    def __init__(self, settings: Settings, sources: Sources) -> None:
        first = sources.train[0]
        if first.label is None:
            raise DataError(first.source, "has no label")
        names = sources.train.class_names
        if len(names) < 2:
            raise DataError(settings.data, "has one class only: there is nothing to be learned")
        arguments: dict[str, Any] = {"num_classes": len(names), "in_channels": len(first.image)}
        height, width = settings.image_size if any(settings.image_size) else first.image.shape[-2:]
        if settings.model_name == "lenet5":
            # Its layers would reduce digits of 8 x 8 pixels to nothing.
            height = width = max(height, width) if any(settings.image_size) else max(28, height, width)
            arguments |= {"variant": "relu", "image_size": height, **settings.model_arguments}
            height = width = int(arguments["image_size"])
        elif settings.model_name == "mlp":
            arguments["image_size"] = height, width
        super().__init__(settings, arguments, names)
        self.size = height, width
        self.loss = self.chosen_loss(label_smoothing=settings.label_smoothing)
        self.accuracy = MulticlassAccuracy(len(names), average="micro")

    def augmentation(self, train: Samples) -> Any:
        """Small motions and changes of brightness; flips only for colour images, assumed to be photographs."""
        size = min(self.size)
        steps: list[Any] = [Resize(self.size)]
        if self.settings.augment:
            fill = 0.0 if self.arguments["in_channels"] == 1 else 0.5
            steps.append(Affine(12, (0.85, 1.15), 8, min(0.1, 2 / size), fill=fill))
            steps.append(Color(0.1, 0.2, noise=0.02))
            if self.arguments["in_channels"] == 3:
                steps.append(Flip())
        return Compose(steps)

    def preparation(self) -> Any:
        """Resize to the input size."""
        return Resize(self.size)

    @staticmethod
    def collate(samples: list[Sample]) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B)."""
        return pictures(samples), torch.tensor([sample.label for sample in samples])

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The chosen losses; those of auxiliary classifiers are weighted by 0.3."""
        images, labels = batch
        found = self.network(images)
        if isinstance(found, Tensor):
            return self.loss.parts(found, labels)
        first, *auxiliary = found
        return {
            **self.loss.parts(first, labels),
            "auxiliary": 0.3 * torch.stack([self.loss(x, labels) for x in auxiliary]).sum(),
        }

    def measure(self, batch: Any) -> None:
        """Count the correct predictions."""
        images, labels = batch
        self.accuracy.update(self.network(images), labels)

    def measured(self) -> dict[str, float]:
        """Return the accuracy."""
        value = float(self.accuracy.compute())
        self.accuracy.reset()
        return {"accuracy": value}

    def picture(self, sample: Sample) -> NDArray[np.uint8]:
        """Return the image with a frame: green if the prediction is correct, red if not."""
        with torch.no_grad():
            found = int(self.network(sample.image[None].to(self.device))[0].argmax())
        grey = (sample.image.clamp(0, 1) * 255).byte()
        image = (grey.expand(3, -1, -1) if len(grey) == 1 else grey[:3]).permute(1, 2, 0).numpy()
        factor = max(1, 96 // min(image.shape[:2]))
        image = image.repeat(factor, 0).repeat(factor, 1)
        frame = np.array((60, 220, 90) if found == sample.label else (255, 70, 70), np.uint8)
        framed = np.broadcast_to(frame, (image.shape[0] + 8, image.shape[1] + 8, 3)).copy()
        framed[4:-4, 4:-4] = image
        return framed

    def about(self) -> dict[str, Any]:
        """Add the size of images."""
        return {**super().about(), "image_size": list(self.size)}
