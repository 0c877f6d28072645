"""Losses that treat each pixel separately."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fastcnn._errors import ArgumentError
from fastcnn.losses._common import check_at_least_0, class_mean, pixels, valid_mean
from fastcnn.losses._registry import loss


@loss("cross_entropy", per_pixel=True)
def cross_entropy_loss(
    input: Tensor,
    target: Tensor,
    class_weights: Sequence[float] | Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Tensor:
    """Average the negative log-likelihood of the target.

    Args:
        input: logits, float (B, C, ...).
        target: integer (B, ...), one class for each pixel: torch's `cross_entropy`; or (B, C, ...), any real dtype,
            each channel for itself: `binary_cross_entropy_with_logits`. With C = 1 either shape.
        class_weights: C numbers. A pixel has the weight of its class; a channel its own weight.
        label_smoothing: this share of the likelihood is spread over all classes.
        ignore_index: pixels of this value are excluded, also from the mean; 0 if none is left.

    Returns:
        A scalar, float32 or wider; of an empty batch 0, with a gradient of 0.

    Raises:
        ArgumentError: shapes that do not fit, classes out of range (on the CPU), wrong numbers of weights.
        TypeError: input that is not float, or a target of classes that is not integer.

    Complexity: linear. Gradient: by input. Deterministic.

    Example:
        >>> import torch
        >>> from fastcnn.losses import cross_entropy_loss
        >>> cross_entropy_loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
        tensor(1.3863)
    """
    op = "cross_entropy_loss"
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"{op}: expected label_smoothing from 0 to 1, got {label_smoothing}")
    found = pixels(input, target, op, ignore_index)
    channels = found.logits.shape[1]
    if found.exclusive:
        weights = found.logits.new_ones(channels) if class_weights is None else torch.as_tensor(class_weights)
        if weights.shape != (channels,):
            raise ArgumentError(f"{op}: expected class_weights of {channels} values, got shape {tuple(weights.shape)}")
        weights = weights.to(found.logits)[:, None]
        likely = found.logits.log_softmax(1) * weights
        losses = (label_smoothing - 1) * (found.target * likely).sum(1) - label_smoothing * likely.mean(1)
        share = (found.target * weights).sum(1)
        if found.valid is not None:
            losses, share = losses * found.valid[:, 0], share * found.valid[:, 0]
        total = share.sum()
        return losses.sum() / torch.where(total > 0, total, 1)
    wanted = found.target * (1 - label_smoothing) + label_smoothing / 2
    values = functional.binary_cross_entropy_with_logits(found.logits, wanted, reduction="none")
    return class_mean(valid_mean(values, found.valid, (0, 2)), class_weights, op)


@loss("focal", per_pixel=True)
def focal_loss(
    input: Tensor,
    target: Tensor,
    alpha: float | None = None,
    gamma: float = 2.0,
    class_weights: Sequence[float] | Tensor | None = None,
    normalized: bool = False,
    reduced_threshold: float | None = None,
    ignore_index: int | None = None,
) -> Tensor:
    """Average each channel's cross entropy, down-weighted by ``(1 - p)^gamma`` where it is already right.

    Equal to segmentation_models_pytorch's `FocalLoss`; with one class per pixel, each class against the others.

    Args:
        input: logits, float (B, C, ...).
        target: integer (B, ...), one class for each pixel, or (B, C, ...), each channel for itself.
        alpha: weight of positives; negatives have 1 - alpha. None: both 1.
        gamma: the exponent, at least 0; 0 for the cross entropy.
        class_weights: C numbers.
        normalized: divide each class's losses by the sum of their ``(1 - p)^gamma`` before the mean.
        reduced_threshold: no reduction where p is below it, and ``((1 - p) / threshold)^gamma`` elsewhere.
        ignore_index: pixels of this value do not count.

    Returns:
        A scalar, float32 or wider; of an empty batch 0, with a gradient of 0.

    Raises:
        ArgumentError, TypeError: as `cross_entropy_loss`; and a negative gamma, or a threshold not above 0.

    Complexity: linear. Gradient: by input, finite for every gamma and every finite logit. Deterministic.

    Reference:
        T.-Y. Lin et al., "Focal loss for dense object detection", 2017.

    Example:
        >>> import torch
        >>> from fastcnn.losses import focal_loss
        >>> focal_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2))
        tensor(0.1733)
    """
    op = "focal_loss"
    check_at_least_0(gamma, op, "gamma")
    if reduced_threshold is not None and not reduced_threshold > 0:
        raise ArgumentError(f"{op}: expected reduced_threshold above 0, got {reduced_threshold}")
    found = pixels(input, target, op, ignore_index)
    entropy = functional.binary_cross_entropy_with_logits(found.logits, found.target, reduction="none")
    # Clamp above 0, where the gradient of a root is infinite; the gradient of clamped values is 0.
    wrong = -torch.expm1(-entropy.clamp(min=torch.finfo(entropy.dtype).tiny))
    if reduced_threshold is None:
        focus = wrong**gamma
    else:
        focus = torch.where(torch.exp(-entropy) < reduced_threshold, 1.0, (wrong / reduced_threshold) ** gamma)
    values = focus * entropy
    if alpha is not None:
        values = values * (alpha * found.target + (1 - alpha) * (1 - found.target))
    if normalized:
        counted = focus if found.valid is None else focus * found.valid
        values = values / counted.sum((0, 2), keepdim=True).clamp(min=1e-6)
    return class_mean(valid_mean(values, found.valid, (0, 2)), class_weights, op)
