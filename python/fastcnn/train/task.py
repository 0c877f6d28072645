"""The part of training that all tasks share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn

from fastcnn import models
from fastcnn._errors import ArgumentError
from fastcnn.data import Sample, Samples
from fastcnn.losses import CombinedLoss
from fastcnn.losses._registry import named_loss
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources, find_part


class Task(LightningModule, ABC):
    """A network and its training. Subclasses define the loss, the metrics and the example images.

    Attributes:
        name: the word for the task, as in `fastcnn._tasks`.
        part: the part of samples that is learned: "label", "mask" or "boxes".
        default_model: a function of `fastcnn.models`.
        default_loss: names of losses, as in `Settings.loss`; "" if the network has a fixed loss of its own.
        spatial_losses: whether losses that need neighbouring pixels may be chosen.
        metric: the name of the metric that determines the best epoch.
    """

    name: str
    part: str
    default_model: str
    default_loss = ""
    spatial_losses = True
    metric: str

    def __init__(self, settings: Settings, arguments: dict[str, Any], class_names: Sequence[str]) -> None:
        super().__init__()
        self.settings, self.class_names = settings, list(class_names)
        self.arguments = {**arguments, **settings.model_arguments}
        name = settings.model_name
        if name not in models.MODELS:
            raise ArgumentError(f"train: expected a model of fastcnn.models, got {name}")
        try:
            self.network: nn.Module = models.MODELS[name].factory(**self.arguments)
        except TypeError as error:
            raise ArgumentError(f"train: {name} does not take these arguments ({error})") from None
        if settings.weights:
            start: Any = settings.weights
            if start in models.shipped():
                start = models.load_model(start).model.state_dict()
            models.load_weights(self.network, start, settings.weights_source, fitting_only=True)

    @classmethod
    def find_data(cls, settings: Settings) -> Sources:
        """Find the datasets of a run, whose samples must have the part that the task learns."""
        return find_part(settings, cls.part)

    def chosen_loss(self, **options: Any) -> CombinedLoss:
        """Return the sum of losses named in the settings; each gets the options that it accepts."""
        names = self.settings.loss or self.default_loss
        return named_loss(names, "train", spatial=self.spatial_losses, **options)

    # --- specific to a task -------------------------------------------------------------------------------------------

    @abstractmethod
    def augmentation(self, train: Samples) -> Any:
        """Return the transform of training images."""

    @abstractmethod
    def preparation(self) -> Any:
        """Return the transform of images for validation."""

    @staticmethod
    @abstractmethod
    def collate(samples: list[Sample]) -> Any:
        """Join samples to a batch."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the loss's parts by name."""

    @abstractmethod
    def measure(self, batch: Any) -> None:
        """Add a batch to the metrics."""

    @abstractmethod
    def measured(self) -> dict[str, float]:
        """Return the metrics by name, and reset them."""

    @abstractmethod
    def picture(self, sample: Sample) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) of the predictions for a sample."""

    def about(self) -> dict[str, Any]:
        """Return the metadata for the model's file."""
        return {"task": self.name, "classes": self.class_names, "image_size": list(self.settings.image_size)}

    # --- Lightning ----------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Select the random transforms of this epoch."""
        self.trainer.datamodule.train_set.set_epoch(self.current_epoch)  # type: ignore[attr-defined]  # a Loading

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss."""
        parts = self.losses(batch)
        total = torch.stack(list(parts.values())).sum()
        for name, value in parts.items():
            self.log(f"loss/{name}", value.detach(), batch_size=len(batch[0]))
        self.log("loss", total.detach(), prog_bar=True, batch_size=len(batch[0]))
        if not torch.compiler.is_compiling() and not math.isfinite(float(total.detach())):
            raise ArgumentError(
                f"train: the loss is {float(total.detach())} in epoch {self.current_epoch}: lower the learning rate"
            )
        return total

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure."""
        self.measure(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics."""
        for name, value in self.measured().items():
            self.log(name, value, prog_bar=name == self.metric, sync_dist=False)

    def configure_optimizers(self) -> Any:
        """Make optimiser and schedule."""
        settings = self.settings
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer: torch.optim.Optimizer
        if settings.optimizer == "adamw":
            optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        else:
            optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        rise = max(1, round(settings.warmup * steps))

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
