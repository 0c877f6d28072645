"""A weighted sum of losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from fastcnn._errors import ArgumentError


class CombinedLoss(nn.Module):
    """A weighted sum of losses.

    Args:
        losses: for each name, a weight and a function of input and target (with other arguments: `functools.partial`).

    Raises:
        ArgumentError: no loss, or a weight that is not finite.

    Example:
        >>> import torch
        >>> from fastcnn.losses import CombinedLoss, cross_entropy_loss, dice_loss
        >>> loss = CombinedLoss({"dice": (1.0, dice_loss), "entropy": (0.5, cross_entropy_loss)})
        >>> loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2))
        tensor(0.6799)
    """

    def __init__(self, losses: Mapping[str, tuple[float, Callable[[Tensor, Tensor], Tensor]]]) -> None:
        super().__init__()
        if not losses:
            raise ArgumentError("CombinedLoss: expected at least one loss")
        for name, (weight, _) in losses.items():
            if not math.isfinite(weight):
                raise ArgumentError(f"CombinedLoss: expected a finite weight of {name}, got {weight}")
        self.losses = dict(losses)

    def parts(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return each loss by name, times its weight."""
        return {name: weight * loss(input, target) for name, (weight, loss) in self.losses.items()}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the sum of all parts."""
        first, *others = self.parts(input, target).values()
        return sum(others, start=first)
