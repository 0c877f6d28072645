"""The settings of a training run: checked before anything is loaded, and saved next to the result."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn._tasks import TASKS, task_named
from fastcnn.losses._registry import parse_loss

_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        task: "classify", "segment" or "detect".
        data: "digits", "cells" or "shapes", which need no files, or a path: see `find_sources`.
        model: a function of `fastcnn.models`; "" for the task's default: lenet5, unet or yolox_nano.
        model_arguments: of that function. Channels and classes follow from the data.
        weights: a file to start from, with the names of `weights_source`; the last layers may have other shapes.
        weights_source: see `fastcnn.models.load_weights`.
        image_size: (height, width) to which images are resized; 0, 0 for the size of the data.
        objects: masks hold object numbers, and touching objects are to be separated. False: classes.
        epochs: number of passes through the data.
        batch_size: images per step, on each device.
        optimizer: "adamw" or "sgd" (Nesterov's momentum, 0.9).
        learning_rate: its maximum: it rises during `warmup`, and then falls with a cosine to a hundredth.
        weight_decay: for weights, not for biases and normalisation layers.
        warmup: its share of all steps.
        clip: maximum norm of the gradient; 0 for no limit.
        augment: transform training images at random.
        mosaic: probability of mosaics of four images, in detection, until the last fifth of the epochs.
        label_smoothing: in classification.
        average: decay of the moving average of the weights, which is the final result; 0 for none.
        precision: "32-true", "bf16-mixed" or "16-mixed".
        patience: stop after this many epochs without improvement; 0 for never.
        devices: number of processes or GPUs.
        workers: processes that prepare images, for each device.
        seed: for all random numbers.
        on_error: "refuse" broken files, or "skip" them with a warning.
        validation: share of the data to hold out, if the data has no validation part of its own.
        half: store the resulting weights in float16: half the file size.
        loss: of `fastcnn.losses` without "_loss", "+" for a sum, with weights or without: "dice+cross_entropy",
            "0.5*dice+focal"; boundary and hausdorff in segmentation only. "" for the task's default: "cross_entropy" in
            classification, "cross_entropy+dice" in segmentation. Detectors have a fixed loss of their own.
    """

    task: str
    data: str
    model: str = ""
    model_arguments: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    weights_source: str = "fastcnn"
    image_size: tuple[int, int] = (0, 0)
    objects: bool = True
    epochs: int = 20
    batch_size: int = 16
    optimizer: str = "adamw"
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 0.0
    augment: bool = True
    mosaic: float = 0.5
    label_smoothing: float = 0.0
    average: float = 0.99
    precision: str = "32-true"
    patience: int = 0
    devices: int = 1
    workers: int = 0
    seed: int = 0
    on_error: str = "refuse"
    validation: float = 0.2
    half: bool = False
    loss: str = ""

    def __post_init__(self) -> None:
        """Refuse invalid settings."""
        for name, known in (
            ("task", tuple(TASKS)), ("optimizer", ("adamw", "sgd")), ("precision", _PRECISIONS),
            ("on_error", ("refuse", "skip")),
        ):  # fmt: skip
            check_choice(getattr(self, name), known, "train", name)
        if self.loss:
            self._check_loss()
        if not self.data:
            raise ArgumentError("train: expected data, got nothing")
        for name in ("epochs", "batch_size", "devices"):
            self._number(name, 1)
        for name in ("patience", "workers", "seed", "learning_rate", "weight_decay", "clip"):
            self._number(name, 0)
        for name in ("warmup", "mosaic", "average", "label_smoothing", "validation"):
            self._number(name, 0, 1)
        if self.learning_rate == 0:
            raise ArgumentError("train: expected learning_rate above 0, got 0")
        if len(self.image_size) != 2 or min(self.image_size) < 0 or (0 in self.image_size and any(self.image_size)):
            raise ArgumentError(f"train: expected image_size of two numbers, got {self.image_size}")

    def _check_loss(self) -> None:
        task = task_named(self.task)
        if not task.default_loss:
            raise ArgumentError(f"train: {self.task} has the loss of its network; expected no other, got {self.loss!r}")
        names = parse_loss(self.loss, "train", task.spatial_losses)
        if self.label_smoothing and "cross_entropy" not in names:
            raise ArgumentError(f"train: label_smoothing goes with the loss cross_entropy, got {self.loss!r}")

    def _number(self, name: str, low: float, high: float = math.inf) -> None:
        value = getattr(self, name)
        if not (low <= value <= high and value < math.inf):
            allowed = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
            raise ArgumentError(f"train: expected {name} {allowed}, got {value}")

    @property
    def model_name(self) -> str:
        """The function of `fastcnn.models`."""
        return self.model or task_named(self.task).default_model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as YAML."""
        from fastcnn.io import replacing

        values = asdict(self)
        values["image_size"] = list(self.image_size)
        with replacing(Path(path)) as (file,):
            Path(file).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Settings:
        """Read them from YAML.

        Raises:
            ArgumentError: a file that cannot be read, or contains anything but settings.
        """
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ArgumentError(f"train: {path}: cannot be read ({' '.join(str(error).split())[:120]})") from None
        known = {f.name for f in fields(Settings)}
        if not isinstance(values, dict) or not {"task", "data"} <= values.keys() <= known:
            raise ArgumentError(f"train: {path}: does not hold the settings of a run")
        values["image_size"] = tuple(values.get("image_size", (0, 0)))
        try:
            return Settings(**values)
        except TypeError as error:
            raise ArgumentError(f"train: {path}: {error}") from None
