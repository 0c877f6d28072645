"""Losses that compare the whole region of a class with its target: differentiable overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcnn._errors import ArgumentError
from fastcnn.losses._common import check_at_least_0, class_mean, mean, pixels, power
from fastcnn.losses._registry import loss

_ARGUMENTS = """Args:
        input: logits, float (B, C, ...).
        target: integer (B, ...), one class for each pixel, or (B, C, ...), each channel for itself.{own}
        smooth: added above and below the fraction.
        log: the negative logarithm of the overlap, instead of 1 - overlap.
        class_weights: C numbers.
        ignore_index: pixels of this value do not count.
        eps: least value of the fraction's lower part, and of the logarithm's argument.

    Returns:
        A scalar, float32 or wider. Overlaps are those of the whole batch; a class that is nowhere in it costs nothing.
        Of an empty batch 0, with a gradient of 0.

    Raises:
        ArgumentError: shapes that do not fit, classes out of range (on the CPU), wrong numbers of weights.
        TypeError: input that is not float, or a target of classes that is not integer.

    Complexity: linear. Gradient: by input. Deterministic."""


@loss("tversky", smooth=1.0)
def tversky_loss(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    smooth: float = 0.0,
    log: bool = False,
    class_weights: Sequence[float] | Tensor | None = None,
    ignore_index: int | None = None,
    eps: float = 1e-7,
) -> Tensor:
    """Return 1 - TP / (TP + alpha FP + beta FN) of probabilities, the mean of all classes.

    Equal to segmentation_models_pytorch's `TverskyLoss`. `dice_loss` has 1/2 and 1/2, `jaccard_loss` 1 and 1.

    {arguments}

    References:
        S. S. M. Salehi, D. Erdogmus, A. Gholipour, "Tversky loss function for image segmentation", 2017; N. Abraham,
        N. M. Khan, "A novel focal Tversky loss function", 2019.

    Example:
        >>> import torch
        >>> from fastcnn.losses import tversky_loss
        >>> tversky_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2), alpha=0.3, beta=0.7)
        tensor(0.4118)
    """
    op = "tversky_loss"
    check_at_least_0(gamma, op, "gamma")
    if alpha < 0 or beta < 0:
        raise ArgumentError(f"{op}: expected alpha and beta of at least 0, got {alpha} and {beta}")
    losses = _overlap_losses(input, target, alpha, beta, smooth, log, ignore_index, eps, op)
    return power(class_mean(losses, class_weights, op), gamma)


@loss("dice", smooth=1.0)
def dice_loss(
    input: Tensor,
    target: Tensor,
    smooth: float = 0.0,
    log: bool = False,
    class_weights: Sequence[float] | Tensor | None = None,
    ignore_index: int | None = None,
    eps: float = 1e-7,
) -> Tensor:
    """Return ``1 - 2 |A and B| / (|A| + |B|)`` of probabilities, the mean of all classes.

    Equal to segmentation_models_pytorch's `DiceLoss`.

    {arguments}

    Reference:
        F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net", 2016.

    Example:
        >>> import torch
        >>> from fastcnn.losses import dice_loss
        >>> dice_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2))
        tensor(0.3333)
    """
    losses = _overlap_losses(input, target, 0.5, 0.5, smooth, log, ignore_index, eps, "dice_loss")
    return class_mean(losses, class_weights, "dice_loss")


@loss("jaccard", smooth=1.0)
def jaccard_loss(
    input: Tensor,
    target: Tensor,
    smooth: float = 0.0,
    log: bool = False,
    class_weights: Sequence[float] | Tensor | None = None,
    ignore_index: int | None = None,
    eps: float = 1e-7,
) -> Tensor:
    """Return ``1 - |A and B| / |A or B|`` of probabilities, the mean of all classes.

    Equal to segmentation_models_pytorch's `JaccardLoss`.

    {arguments}

    Reference:
        M. A. Rahman, Y. Wang, "Optimizing intersection-over-union in deep neural networks for image
        segmentation", 2016.

    Example:
        >>> import torch
        >>> from fastcnn.losses import jaccard_loss
        >>> jaccard_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2))
        tensor(0.5000)
    """
    losses = _overlap_losses(input, target, 1.0, 1.0, smooth, log, ignore_index, eps, "jaccard_loss")
    return class_mean(losses, class_weights, "jaccard_loss")


_OWN = """
        alpha: what a false positive costs.
        beta: what a false negative costs.
        gamma: the loss is raised to this power, at least 0. Below 1 the gradient of a loss of 0 is taken as 0."""
for _loss in (tversky_loss, dice_loss, jaccard_loss):
    if _loss.__doc__ is not None:  # python -OO leaves it out
        _own = _OWN if _loss is tversky_loss else ""
        _loss.__doc__ = _loss.__doc__.replace("{arguments}", _ARGUMENTS.format(own=_own))


def _overlap_losses(
    input: Tensor, target: Tensor, alpha: float, beta: float, smooth: float, log: bool, ignore_index: int | None,
    eps: float, op: str,
) -> Tensor:  # fmt: skip
    found = pixels(input, target, op, ignore_index)
    probabilities, wanted = found.probabilities(), found.target
    if found.valid is not None:
        probabilities, wanted = probabilities * found.valid, wanted * found.valid
    some, all_wanted = probabilities.sum((0, 2)), wanted.sum((0, 2))
    # min(p, t): the product for targets of 0 and 1, and right for soft ones too (Wang et al., 2023).
    common = (some + all_wanted - (probabilities - wanted).abs().sum((0, 2))) / 2
    below = common + alpha * (some - common) + beta * (all_wanted - common) + smooth
    overlap = (common + smooth) / below.clamp(min=eps)
    losses = -torch.log(overlap.clamp(min=eps)) if log else 1 - overlap
    return losses * (all_wanted > 0)


@loss("lovasz")
def lovasz_loss(input: Tensor, target: Tensor, per_image: bool = False, ignore_index: int | None = None) -> Tensor:
    """Return the Lovasz extension of 1 - IoU: the only loss here with the same optimum as the IoU.

    Equal to segmentation_models_pytorch's `LovaszLoss`: for one class per pixel, Lovasz-softmax, the mean of the
    classes present; otherwise the Lovasz hinge of all channels together.

    Args:
        input: logits, float (B, C, ...).
        target: integer (B, ...), one class for each pixel, or (B, C, ...), each channel for itself, 0 or 1.
        per_image: the mean of each image's loss, instead of the batch's.
        ignore_index: pixels of this value do not count.

    Returns:
        A scalar, float32 or wider; of an empty batch 0, with a gradient of 0.

    Raises:
        ArgumentError: shapes that do not fit, or classes out of range (on the CPU).
        TypeError: input that is not float, or a target of classes that is not integer.

    Complexity: O(P log P) in pixels, for each class. Gradient: by input. Deterministic.

    Reference:
        M. Berman, A. R. Triki, M. B. Blaschko, "The Lovasz-softmax loss", 2018.

    Example:
        >>> import torch
        >>> from fastcnn.losses import lovasz_loss
        >>> lovasz_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2))
        tensor(1.)
    """
    found = pixels(input, target, "lovasz_loss", ignore_index)
    wanted = found.target
    if found.exclusive:
        errors = (wanted - found.probabilities()).abs()
    else:
        errors = (1 - found.logits * (2 * wanted - 1)).clamp(min=0)
    if found.valid is not None:
        # Excluded pixels get error 0 and target 0: they contribute to no prefix.
        errors, wanted = errors * found.valid, wanted * found.valid
    if found.exclusive:
        if not per_image:
            errors, wanted = (x.transpose(0, 1).flatten(1)[None] for x in (errors, wanted))
        losses, there = _extension(errors, wanted), (wanted.sum(-1) > 0)
        return mean((losses * there).sum(1) / there.sum(1).clamp(min=1), (0,))
    if not per_image:
        errors, wanted = errors[None], wanted[None]
    return mean(_extension(errors.flatten(1), wanted.flatten(1)), (0,))


def _extension(errors: Tensor, wanted: Tensor) -> Tensor:
    """Sum errors (..., P) in descending order, each times the decrease of the IoU of its prefix."""
    if errors.shape[-1] == 0:
        return errors.sum(-1)
    ordered, order = errors.sort(dim=-1, descending=True, stable=True)
    wanted = wanted.gather(-1, order)
    total = wanted.sum(-1, keepdim=True)
    lost = 1 - (total - wanted.cumsum(-1)) / (total + (1 - wanted).cumsum(-1))
    steps = torch.cat([lost[..., :1], lost[..., 1:] - lost[..., :-1]], -1)
    return (ordered * steps).sum(-1)
