"""A moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class MovingAverage(WeightAveraging):
    """Lightning's averaging with a decay that starts low, so that the first steps soon lose their weight.

    Args:
        decay: the final decay; after n steps it is at most (1 + n) / (10 + n).
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Any, current: Any, count: Tensor) -> None:
            n = float(count)
            share = 1 - min(decay, (1 + n) / (10 + n))
            for old, new in zip(averaged, current, strict=True):
                if old.is_floating_point():
                    old.lerp_(new.to(old), share)
                else:
                    old.copy_(new)

        super().__init__(multi_avg_fn=torch.no_grad()(average))
