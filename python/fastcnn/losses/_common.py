"""Shared first steps of all losses: interpret the target and bring input and target to one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastcnn._errors import ArgumentError


class Pixels(NamedTuple):
    """Logits and targets, pixel by pixel.

    Attributes:
        logits: (B, C, P), float32 or wider.
        target: (B, C, P) of the logits' dtype: how much each channel is present.
        valid: bool (B, 1 or C, P), or None where all pixels count.
        exclusive: one channel of C for each pixel.
        shape: of the pixels, whose product is P.
    """

    logits: Tensor
    target: Tensor
    valid: Tensor | None
    exclusive: bool
    shape: tuple[int, ...]

    def probabilities(self) -> Tensor:
        """(B, C, P)."""
        return self.logits.softmax(1) if self.exclusive else self.logits.sigmoid()


def pixels(input: Tensor, target: Tensor, op: str, ignore_index: int | None) -> Pixels:
    """Check the arguments of a loss and reshape them to one shape."""
    if not input.is_floating_point():
        raise TypeError(f"{op}: expected input of float, got {input.dtype}")
    if input.ndim < 2 or input.shape[1] == 0:
        raise ArgumentError(f"{op}: expected input of shape (B, C, ...), got {tuple(input.shape)}")
    batch, channels, *shape = input.shape
    one_of_many = channels > 1 and target.shape == (batch, *shape)
    if not one_of_many and target.shape not in ((batch, channels, *shape), (batch, *shape)):
        raise ArgumentError(
            f"{op}: expected target of shape {(batch, *shape)} or {(batch, channels, *shape)}, "
            f"got {tuple(target.shape)}"
        )
    if one_of_many and (target.is_floating_point() or target.dtype == torch.bool):
        raise TypeError(f"{op}: expected target of integers, a class for each pixel, got {target.dtype}")
    logits = (input.flatten(2) if shape else input[..., None]).to(torch.promote_types(input.dtype, torch.float32))
    given = target.reshape(batch, 1 if one_of_many else channels, logits.shape[2])
    valid = None if ignore_index is None else given != ignore_index
    if one_of_many:
        _check_classes(given, valid, channels, op)
        wanted = given == torch.arange(channels, device=given.device)[:, None]
    else:
        wanted = given if valid is None else torch.where(valid, given, torch.zeros_like(given))
    return Pixels(logits, wanted.to(logits.dtype), valid, one_of_many, tuple(shape))


def _check_classes(target: Tensor, valid: Tensor | None, channels: int, op: str) -> None:
    # Otherwise this would synchronise the device, and a graph cannot branch on it: there, wrong classes match no class.
    if torch.compiler.is_compiling() or target.device.type != "cpu" or target.numel() == 0:
        return
    seen = target if valid is None else torch.where(valid, target, 0)
    low, high = int(seen.min()), int(seen.max())
    if low < 0 or high >= channels:
        raise ArgumentError(f"{op}: expected classes from 0 to {channels - 1} in target, got {low} to {high}")


def class_mean(losses: Tensor, class_weights: Sequence[float] | Tensor | None, op: str) -> Tensor:
    """Return the mean of (C), weighted if class_weights are given."""
    if class_weights is None:
        return losses.mean()  # there is at least one class
    weights = torch.as_tensor(class_weights, dtype=losses.dtype, device=losses.device)
    if weights.shape != losses.shape:
        raise ArgumentError(f"{op}: expected class_weights of {len(losses)} values, got shape {tuple(weights.shape)}")
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, 1)


def valid_mean(values: Tensor, valid: Tensor | None, dims: tuple[int, ...]) -> Tensor:
    """Return the mean of (B, C, P) over some dimensions, of valid pixels only; 0 if there are none."""
    if valid is None:
        return mean(values, dims)
    valid = valid.expand_as(values)
    return torch.where(valid, values, 0.0).sum(dims) / valid.sum(dims).clamp(min=1)


def mean(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the mean over some dimensions; for no values, as in an empty batch, 0 with a gradient of 0."""
    return values.mean(dims) if values.numel() > 0 else values.sum(dims)


def power(base: Tensor, exponent: float) -> Tensor:
    """Return a power of values >= 0 (except for rounding). The gradient at 0, where it may be infinite, is 0."""
    if exponent == 1:
        return base
    above = base > torch.finfo(base.dtype).tiny
    return torch.where(above, torch.where(above, base, 1.0) ** exponent, 0.0**exponent)


def check_at_least_0(value: float, op: str, argument: str) -> None:
    """Refuse an exponent that would divide by zero."""
    if not value >= 0:
        raise ArgumentError(f"{op}: expected {argument} of at least 0, got {value}")
