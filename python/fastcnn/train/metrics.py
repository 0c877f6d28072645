"""Metrics that torchmetrics does not have."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class ObjectF1(Metric):
    """Harmonic mean of precision and recall of labelled objects; two are the same where their IoU is above a threshold.

    Args:
        threshold: at least 1/2, so that no object has two partners.
    """

    higher_is_better = True
    found: Tensor
    wanted: Tensor
    same: Tensor

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold
        for name in ("found", "wanted", "same"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, labels: Tensor, target: Tensor) -> None:
        """Add pictures (B, H, W) of found and wanted labels."""
        for one, other in zip(labels, target, strict=True):
            n, m = (int(x.max()) + 1 if x.numel() else 1 for x in (one, other))
            common = torch.bincount(one.flatten().long() * m + other.flatten().long(), minlength=n * m).reshape(n, m)
            areas, wanted = common.sum(1)[1:], common.sum(0)[1:]
            overlap = common[1:, 1:] / (areas[:, None] + wanted - common[1:, 1:])
            self.found += (areas > 0).sum()
            self.wanted += (wanted > 0).sum()
            self.same += (overlap > self.threshold).sum()

    def compute(self) -> Tensor:
        """Return the score; 1 where there is nothing, found or wanted."""
        total = self.found + self.wanted
        return torch.where(total > 0, 2 * self.same / total.clamp(min=1), 1.0)
