"""Batches of samples: collation, order, and transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from fastcnn.data import Augmented, DataError, Sample, Samples
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources

Collate = Callable[[list[Sample]], Any]


class Loading(LightningDataModule):
    """Loaders for training and validation.

    The order of an epoch depends only on seed and epoch, and every process takes its share, so an interrupted run
    continues as if it had not been interrupted.
    """

    def __init__(self, sources: Sources, settings: Settings, train: Any, validate: Any, collate: Collate) -> None:
        super().__init__()
        self.settings, self.collate = settings, collate
        self.train_set = Augmented(sources.train, train, settings.seed)
        self.validation_set = Augmented(sources.validation, validate, settings.seed)
        if len(self.train_set) == 0 or len(self.validation_set) == 0:
            raise DataError(settings.data, "has no pictures for training, or none for validation")

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return the loader for an epoch."""
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the loader for validation."""
        return self._loader(self.validation_set, shuffle=False)

    def _loader(self, dataset: Samples, shuffle: bool) -> DataLoader[Sample]:
        trainer = self.trainer
        replicas, rank = (trainer.world_size, trainer.global_rank) if trainer is not None else (1, 0)
        sampler: DistributedSampler[Sample] = DistributedSampler(
            dataset, replicas, rank, shuffle=shuffle, seed=self.settings.seed
        )
        # The last batch of an epoch may be small; batch norm cannot compute statistics of a single image.
        rest = len(sampler) % self.settings.batch_size
        return DataLoader(
            dataset,
            self.settings.batch_size,
            sampler=sampler,
            num_workers=self.settings.workers,
            collate_fn=self.collate,
            persistent_workers=self.settings.workers > 0,
            drop_last=shuffle and rest == 1 and len(sampler) > 1,
        )


def pictures(samples: Sequence[Sample]) -> Tensor:
    """Stack images, which must have the same size."""
    shapes = {tuple(sample.image.shape) for sample in samples}
    if len(shapes) > 1:
        raise DataError(samples[0].source, f"and others have pictures of sizes {sorted(shapes)}; give image_size")
    return torch.stack([sample.image for sample in samples])


def padded_boxes(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Pad boxes to (B, M, 4) and classes to (B, M), with class -1 where there is none."""
    maximum = max((len(sample.boxes) for sample in samples if sample.boxes is not None), default=0)
    boxes = torch.zeros(len(samples), maximum, 4)
    classes = torch.full((len(samples), maximum), -1)
    for i, sample in enumerate(samples):
        if sample.boxes is None or sample.classes is None:
            raise DataError(sample.source, "has no boxes")
        boxes[i, : len(sample.boxes)] = sample.boxes
        classes[i, : len(sample.boxes)] = sample.classes
    return boxes, classes
