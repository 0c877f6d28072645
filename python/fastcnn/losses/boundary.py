"""Losses that weight pixels by their exact distance to the target boundary."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn import ops
from fastcnn._errors import ArgumentError
from fastcnn.losses._common import Pixels, check_at_least_0, pixels, valid_mean
from fastcnn.losses._registry import loss


def _images(values: Tensor, found: Pixels) -> Tensor:
    return values.reshape(*values.shape[:-1], *found.shape)


def _check(input: Tensor, op: str) -> None:
    if input.ndim not in (4, 5):
        raise ArgumentError(f"{op}: expected input of shape (B, C, H, W) or (B, C, D, H, W), got {tuple(input.shape)}")


def _distance(mask: Tensor, dimensions: int) -> Tensor:
    """Return each pixel's distance to the mask's other side; 0 if the mask is constant."""
    both = mask.flatten(-dimensions).any(-1) & ~mask.flatten(-dimensions).all(-1)
    inside, outside = (ops.distance_transform_edt(side, spatial_dims=dimensions) for side in (mask, ~mask))
    return torch.where(both.reshape(*both.shape, *[1] * dimensions), inside + outside, 0.0)


@loss("boundary", spatial=True)
def boundary_loss(input: Tensor, target: Tensor, ignore_index: int | None = None) -> Tensor:
    """Average probabilities times the signed distance to the target region, which is negative inside.

    It can be negative and carries no signal for distant regions: combine it with a region loss (`CombinedLoss`).

    Args:
        input: logits, float (B, C, H, W) or (B, C, D, H, W).
        target: integer (B, ...), one class for each pixel, or (B, C, ...), each channel for itself: 1/2 and more is
            there.
        ignore_index: pixels of this value do not count (as background, they do have a distance).

    Returns:
        A scalar, float32 or wider, in pixels. A class that an image lacks, or that covers it, contributes 0. An
        empty batch gives 0, with a gradient of 0.

    Raises:
        ArgumentError: shapes that do not fit, or classes out of range (on the CPU).
        TypeError: input that is not float, or a target of classes that is not integer.

    Complexity: linear, and the exact distance transform of each class and image. Gradient: by input. Deterministic.

    Reference:
        H. Kervadec et al., "Boundary loss for highly unbalanced segmentation", 2019. Inside, distances count from the
        last pixel inside, as in the authors' code.

    Example:
        >>> import torch
        >>> from fastcnn.losses import boundary_loss
        >>> target = torch.zeros(1, 1, 1, 4)
        >>> target[..., :2] = 1
        >>> boundary_loss(torch.zeros(1, 1, 1, 4), target)  # half of -1, 0, 1 and 2
        tensor(0.2500)
    """
    op = "boundary_loss"
    _check(input, op)
    found = pixels(input, target, op, ignore_index)
    with torch.no_grad():
        mask = _images(found.target >= 0.5, found)
        distance = _distance(mask, len(found.shape))
        signed = torch.where(mask, (1 - distance) * (distance > 0), distance).flatten(2).to(found.logits.dtype)
    return valid_mean(found.probabilities() * signed, found.valid, (0, 1, 2))


@loss("hausdorff", spatial=True)
def hausdorff_loss(input: Tensor, target: Tensor, alpha: float = 2.0, ignore_index: int | None = None) -> Tensor:
    """Average squared errors times powers of the distances to the target and to the predicted boundary.

    Args:
        input: logits, float (B, C, H, W) or (B, C, D, H, W). A class is predicted where its probability is above 1/2.
        target: integer (B, ...), one class for each pixel, or (B, C, ...), each channel for itself: 1/2 and more is
            there.
        alpha: the power, at least 0; a large one weights the farthest errors only, as the Hausdorff distance does.
        ignore_index: pixels of this value do not count.

    Returns:
        A scalar, float32 or wider; of an empty batch 0, with a gradient of 0.

    Raises:
        ArgumentError: shapes that do not fit, or classes out of range (on the CPU).
        TypeError: input that is not float, or a target of classes that is not integer.

    Complexity: linear, and two exact distance transforms of each class and image. Gradient: by input, not through the
    distances. Deterministic.

    Reference:
        D. Karimi, S. E. Salcudean, "Reducing the Hausdorff distance in medical image segmentation with convolutional
        neural networks", 2019: equation (8).

    Example:
        >>> import torch
        >>> from fastcnn.losses import hausdorff_loss
        >>> target = torch.zeros(1, 1, 1, 4)
        >>> target[..., :2] = 1
        >>> hausdorff_loss(torch.zeros(1, 1, 1, 4), target)  # a quarter of the mean of 4, 1, 1 and 4
        tensor(0.6250)
    """
    op = "hausdorff_loss"
    check_at_least_0(alpha, op, "alpha")
    _check(input, op)
    found = pixels(input, target, op, ignore_index)
    probabilities = found.probabilities()
    with torch.no_grad():
        wanted, seen = (
            _distance(_images(values, found), len(found.shape)) for values in (found.target >= 0.5, probabilities > 0.5)
        )
        weight = (wanted**alpha + seen**alpha).flatten(2).to(probabilities.dtype)
    return valid_mean((probabilities - found.target).square() * weight, found.valid, (0, 1, 2))
