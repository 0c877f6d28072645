"""Against segmentation_models_pytorch, torch and SciPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch

import fastcnn.compat.torchvision  # noqa: F401  # not used by name: without it torchvision may not load here
import fastcnn.losses as L
from fastcnn import ArgumentError

import segmentation_models_pytorch as smp  # isort: skip

MODES = ("binary", "multiclass", "multilabel")
VOID = 250
# In float64, of means of 1,404 values (3 x 4 x 9 x 13) of at most about 50: pairwise sums and the functions before them
# round some 20 times, 20 * 2^-53 * 50 = 1.1e-13; quotients and logarithms of regions may multiply that by ten.
EXACT = 1e-12
ALL = (
    L.cross_entropy_loss, L.focal_loss, L.dice_loss, L.jaccard_loss, L.tversky_loss, L.lovasz_loss, L.boundary_loss,
    L.hausdorff_loss,
)  # fmt: skip


def sample(mode: str, seed: int = 0, void: bool = False, size: tuple[int, ...] = (9, 13)) -> tuple[Any, Any]:
    """Logits in float64, and a target that lacks class 2."""
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if mode == "binary" else 4
    logits = 2 * torch.randn(3, channels, *size, generator=generator, dtype=torch.float64)
    if mode == "multiclass":
        target = torch.randint(0, 3, (3, *size), generator=generator)
        target[target == 2] = 3
    else:
        target = torch.randint(0, 2, (3, channels, *size), generator=generator)
        if mode == "multilabel":
            target[:, 2] = 0
    if void:
        target[torch.rand(target.shape, generator=generator) < 0.2] = VOID
    return logits.requires_grad_(), target


def number(x: torch.Tensor) -> float:
    return float(x.detach())


def same(ours: torch.Tensor, theirs: torch.Tensor, logits: torch.Tensor, bound: float = EXACT) -> None:
    """Value and gradient."""
    assert ours.shape == ()
    grads = [torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (ours, theirs)]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=bound)
    torch.testing.assert_close(*grads, rtol=0, atol=bound)


REGIONS = {
    "dice": (L.dice_loss, smp.losses.DiceLoss, {}),
    "jaccard": (L.jaccard_loss, smp.losses.JaccardLoss, {}),
    "tversky": (L.tversky_loss, smp.losses.TverskyLoss, {"alpha": 0.3, "beta": 0.8, "gamma": 1.3}),
}


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize(("smooth", "log"), [(0.0, False), (1.5, True)])
def test_regions(name: str, mode: str, void: bool, smooth: float, log: bool) -> None:
    ours, theirs, options = REGIONS[name]
    logits, target = sample(mode, void=void)
    ignore = VOID if void else None
    expected = theirs(mode, smooth=smooth, log_loss=log, ignore_index=ignore, **options)
    got = ours(logits, target, smooth=smooth, log=log, ignore_index=ignore, **options)
    same(got, expected(logits, target), logits)
    if mode != "binary":
        weights = [1.0, 2.0, 0.5, 3.0]
        expected = theirs(mode, class_weights=weights, ignore_index=ignore, **options)
        same(
            ours(logits, target, class_weights=weights, ignore_index=ignore, **options),
            expected(logits, target),
            logits,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.25, "gamma": 1.5}, {"normalized": True}, {"reduced_threshold": 0.6}, {"gamma": 0.0}],
)
def test_focal(mode: str, void: bool, options: dict[str, Any]) -> None:
    if void and mode == "multilabel":
        target_of = sample("multilabel")[1]  # theirs cannot leave out single channels: it indexes by all at once
        assert target_of.max() == 1
        return
    logits, target = sample(mode, void=void)
    ignore = VOID if void else None
    expected = smp.losses.FocalLoss(mode, ignore_index=ignore, **options)
    same(L.focal_loss(logits, target, ignore_index=ignore, **options), expected(logits, target), logits)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
def test_lovasz(mode: str, void: bool, per_image: bool) -> None:
    logits, target = sample(mode, void=void)
    ignore = VOID if void else None
    expected = smp.losses.LovaszLoss(mode, per_image=per_image, ignore_index=ignore)
    # Theirs takes float32 alone. Steps of the IoU are differences of numbers up to 1, rounded to 6e-8; a thousand of
    # them, each times an error below 10, could add up to 6e-4 if all were rounded one way; at random, to 2e-5.
    logits = logits.detach().float().requires_grad_()
    same(L.lovasz_loss(logits, target, per_image, ignore_index=ignore), expected(logits, target), logits, 2e-5)


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0]])
def test_cross_entropy_of_classes(void: bool, smoothing: float, weights: list[float] | None) -> None:
    logits, target = sample("multiclass", void=void)
    expected = torch.nn.functional.cross_entropy(
        logits,
        target,
        None if weights is None else torch.tensor(weights, dtype=torch.float64),
        ignore_index=VOID,
        label_smoothing=smoothing,
    )
    same(L.cross_entropy_loss(logits, target, weights, smoothing, VOID if void else None), expected, logits)
    if not void and weights is None:
        theirs = smp.losses.SoftCrossEntropyLoss(smooth_factor=smoothing)
        same(L.cross_entropy_loss(logits, target, label_smoothing=smoothing), theirs(logits, target), logits)


@pytest.mark.parametrize("mode", ["binary", "multilabel"])
def test_cross_entropy_of_channels(mode: str) -> None:
    logits, target = sample(mode)
    theirs = smp.losses.SoftBCEWithLogitsLoss(ignore_index=None)
    same(L.cross_entropy_loss(logits, target), theirs(logits, target.double()), logits)
    soft = torch.rand(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, soft * 0.8 + 0.1)
    same(L.cross_entropy_loss(logits, soft, label_smoothing=0.2), expected, logits)
    logits, target = sample(mode, void=True)
    values = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.double() % VOID, reduction="none")
    per_channel = [values[:, c][target[:, c] != VOID].mean() for c in range(logits.shape[1])]
    same(L.cross_entropy_loss(logits, target, ignore_index=VOID), torch.stack(per_channel).mean(), logits)


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Negative inside, from -0 on its last pixels; as the paper's authors compute it."""
    if not mask.any() or mask.all():
        return np.zeros(mask.shape)
    return ndi.distance_transform_edt(~mask) * ~mask - (ndi.distance_transform_edt(mask) - 1) * mask


def probabilities(logits: torch.Tensor, mode: str) -> torch.Tensor:
    return logits.softmax(1) if mode == "multiclass" else logits.sigmoid()


def channels_of(target: torch.Tensor, mode: str) -> np.ndarray:
    hot = torch.nn.functional.one_hot(target, 4).movedim(-1, 1) if mode == "multiclass" else target
    return hot.bool().numpy()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(9, 13), (5, 6, 7)])
def test_boundary(mode: str, size: tuple[int, ...]) -> None:
    logits, target = sample(mode, size=size)
    masks = channels_of(target, mode)
    distances = np.stack([[signed_distance(m) for m in image] for image in masks])
    expected = (probabilities(logits, mode) * torch.from_numpy(distances)).mean()
    # Distances are float32: roots of whole numbers below 20, to 24 bits.
    same(L.boundary_loss(logits, target), expected, logits, 1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(9, 13), (5, 6, 7)])
def test_hausdorff(mode: str, size: tuple[int, ...]) -> None:
    def field(mask: np.ndarray) -> np.ndarray:
        if not mask.any() or mask.all():
            return np.zeros(mask.shape)
        return ndi.distance_transform_edt(mask) + ndi.distance_transform_edt(~mask)

    logits, target = sample(mode, size=size)
    masks, p = channels_of(target, mode), probabilities(logits, mode)
    found = (p > 0.5).numpy()
    weights = np.stack(
        [
            [field(a) ** 1.5 + field(b) ** 1.5 for a, b in zip(x, y, strict=True)]
            for x, y in zip(masks, found, strict=True)
        ]
    )
    expected = ((p - torch.from_numpy(masks).double()).square() * torch.from_numpy(weights)).mean()
    same(L.hausdorff_loss(logits, target, alpha=1.5), expected, logits, 1e-6)


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("mode", MODES)
def test_standards(loss: Any, mode: str) -> None:
    """Ignored pixels have no influence, nothing but ignored ones costs 0; half precision is computed in float32; a
    graph gives the same; a perfect answer costs less than a random one, and gradient descent lowers the loss."""
    logits, target = sample(mode, void=True)
    changed = target == VOID
    if mode == "multiclass":
        changed = changed[:, None].expand_as(logits)
    if loss is not L.hausdorff_loss:  # where the void pixels are decides where the found boundary is
        other = torch.where(changed, -logits, logits)
        torch.testing.assert_close(
            loss(other, target, ignore_index=VOID), loss(logits, target, ignore_index=VOID), rtol=0, atol=EXACT
        )
    nothing = loss(logits, torch.full_like(target, VOID), ignore_index=VOID)
    assert number(nothing) == 0
    assert torch.autograd.grad(nothing, logits)[0].eq(0).all()

    half = loss(logits.bfloat16(), target, ignore_index=VOID)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(logits.bfloat16().float(), target, ignore_index=VOID), rtol=0, atol=0)

    torch._dynamo.reset()
    run = torch.compile(partial(loss, ignore_index=VOID), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(run(logits, target), loss(logits, target, ignore_index=VOID), rtol=0, atol=EXACT)

    logits, target = sample(mode)
    hot = torch.from_numpy(channels_of(target, mode)).double()
    right = loss(20 * (2 * hot - 1), target)
    assert number(right) < number(loss(logits, target))
    step = logits - 0.1 * torch.autograd.grad(loss(logits, target), logits)[0]
    assert number(loss(step, target)) < number(loss(logits, target))


@pytest.mark.parametrize("loss", [f for f in ALL if f not in (L.boundary_loss, L.hausdorff_loss)])
def test_other_shapes(loss: Any) -> None:
    """Classification (no pixels), 3-D, one channel in both shapes, channels_last, bool targets."""
    torch.manual_seed(0)
    flat, kinds = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 3, 3])
    torch.testing.assert_close(loss(flat, kinds), loss(flat[..., None, None], kinds[:, None, None]))
    volume, target = torch.randn(2, 1, 3, 4, 5), torch.rand(2, 3, 4, 5) > 0.5
    expected = loss(volume, target[:, None].float())
    for t in (target, target[:, None], target.int()):
        torch.testing.assert_close(loss(volume, t), expected)
    image, target = torch.randn(2, 4, 6, 7), torch.randint(0, 4, (2, 6, 7))
    torch.testing.assert_close(loss(image.contiguous(memory_format=torch.channels_last), target), loss(image, target))


def test_combined() -> None:
    loss = L.CombinedLoss({"dice": (0.7, L.dice_loss), "edge": (0.01, partial(L.boundary_loss, ignore_index=VOID))})
    logits, target = sample("multiclass")
    parts = loss.parts(logits, target)
    assert list(parts) == ["dice", "edge"]
    assert number(parts["dice"]) == pytest.approx(0.7 * number(L.dice_loss(logits, target)))
    expected = 0.7 * L.dice_loss(logits, target) + 0.01 * L.boundary_loss(logits, target)
    torch.testing.assert_close(loss(logits, target), expected)
    with pytest.raises(ArgumentError, match="CombinedLoss: expected at least one loss"):
        L.CombinedLoss({})
    with pytest.raises(ArgumentError, match="CombinedLoss: expected a finite weight of dice, got nan"):
        L.CombinedLoss({"dice": (float("nan"), L.dice_loss)})


@pytest.mark.parametrize("loss", ALL)
def test_errors(loss: Any) -> None:
    name = loss.__name__
    logits = torch.zeros(2, 3, 4, 5)
    for target, error, text in (
        (
            torch.zeros(2, 4, 4, dtype=torch.int64),
            ArgumentError,
            r"expected target of shape \(2, 4, 5\) or \(2, 3, 4, 5\)",
        ),
        (torch.zeros(2, 4, 5), TypeError, "expected target of integers, a class for each pixel, got torch.float32"),
        (torch.full((2, 4, 5), 3), ArgumentError, "expected classes from 0 to 2 in target, got 3 to 3"),
    ):
        with pytest.raises(error, match=f"{name}: {text}"):
            loss(logits, target)
    with pytest.raises(TypeError, match=f"{name}: expected input of float, got torch.int64"):
        loss(logits.long(), torch.zeros(2, 4, 5, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=rf"{name}: expected input of shape \(B, C"):
        loss(torch.zeros(3), torch.zeros(3, dtype=torch.int64))


def test_errors_of_options() -> None:
    logits, target = torch.zeros(2, 3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)
    for loss in (L.cross_entropy_loss, L.focal_loss, L.dice_loss, L.jaccard_loss, L.tversky_loss):
        with pytest.raises(ArgumentError, match=f"{loss.__name__}: expected class_weights of 3 values"):
            loss(logits, target, class_weights=[1, 2])
    with pytest.raises(ArgumentError, match=r"label_smoothing from 0 to 1, got 1.5"):
        L.cross_entropy_loss(logits, target, label_smoothing=1.5)
    with pytest.raises(ArgumentError, match=r"alpha and beta of at least 0, got -1 and 0.5"):
        L.tversky_loss(logits, target, alpha=-1)


# --- values at the ends -----------------------------------------------------------------------------------------------


POWERS = {
    "focal 0.5": partial(L.focal_loss, gamma=0.5),
    "focal 0.1, normalized": partial(L.focal_loss, gamma=0.1, normalized=True, alpha=0.25),
    "focal 0.5, reduced": partial(L.focal_loss, gamma=0.5, reduced_threshold=0.4),
    "tversky 0.75": partial(L.tversky_loss, gamma=0.75),
    "dice, log": partial(L.dice_loss, log=True),
    "jaccard, log": partial(L.jaccard_loss, log=True),
    "tversky 0.5, log": partial(L.tversky_loss, gamma=0.5, log=True),
    "lovasz, per image": partial(L.lovasz_loss, per_image=True),
    "hausdorff 0.5": partial(L.hausdorff_loss, alpha=0.5),
    "entropy, smoothed": partial(L.cross_entropy_loss, label_smoothing=0.1),
}
EVERY = {**{f.__name__: f for f in ALL}, **POWERS}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EVERY)
def test_finite(name: str, mode: str, dtype: torch.dtype) -> None:
    """Value and gradient, of logits that are sure: right, wrong, both; of targets that are everywhere or nowhere."""
    _, target = sample(mode)
    right = 2 * torch.from_numpy(channels_of(target, mode)).to(dtype) - 1
    mixed = torch.where(torch.arange(13) % 2 == 0, right, -right)
    for wanted in (target, torch.zeros_like(target), torch.ones_like(target)):
        for sign in (right, -right, mixed):
            for size in (100.0, 18.0, 0.0):
                logits = (size * sign).requires_grad_()
                value = EVERY[name](logits, wanted)
                (gradient,) = torch.autograd.grad(value, logits)
                assert value.isfinite(), (size, value)
                assert gradient.isfinite().all(), size


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9, 1.0, 1.5])
def test_focal_of_sure_logits(gamma: float) -> None:
    """In float32, near the same in float64 by the formula in logarithms: (1 - p)^gamma is exp(-gamma softplus(z))."""
    z = torch.tensor([-100.0, -18, -1, 0, 1, 10, 16, 17, 18, 20, 40, 80])
    logits = z[:, None].clone().requires_grad_()
    exact = z.double()[:, None].requires_grad_()
    expected = (-gamma * torch.nn.functional.softplus(exact)).exp() * torch.nn.functional.softplus(-exact)
    values = torch.stack([L.focal_loss(x[None], torch.ones(1, 1), gamma=gamma) for x in logits])
    torch.testing.assert_close(values.double(), expected[:, 0], rtol=1e-5, atol=torch.finfo(torch.float32).tiny)
    got, wanted = torch.autograd.grad(values.sum(), logits)[0], torch.autograd.grad(expected.sum(), exact)[0]
    # torch's gradient of the cross entropy is sigmoid(z) - 1, rounded at 2^-24; times 1 + gamma at most.
    torch.testing.assert_close(got.double(), wanted, rtol=1e-5, atol=2.5 * 2.0**-23)


@pytest.mark.parametrize("size", [(0, 4, 5), (2, 0, 5), (2, 4, 0), (0, 0, 0), (0, 3, 4, 5)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EVERY)
def test_empty(name: str, mode: str, size: tuple[int, ...]) -> None:
    """No pictures, or none of a pixel: 0, with a gradient of 0."""
    batch, *shape = size
    channels = 1 if mode == "binary" else 3
    logits = torch.zeros(batch, channels, *shape, requires_grad=True)
    target = torch.zeros((batch, *shape) if mode == "multiclass" else logits.shape, dtype=torch.int64)
    for ignore in (None, VOID):
        value = EVERY[name](logits, target, ignore_index=ignore)
        assert value.shape == ()
        assert value.item() == 0
        assert torch.equal(torch.autograd.grad(value, logits)[0], torch.zeros_like(logits))


def test_empty_of_classes() -> None:
    """Classification, without a picture; and a loss of several."""
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = L.CombinedLoss({f.__name__: (0.5, f) for f in ALL if f not in (L.boundary_loss, L.hausdorff_loss)})
    value = loss(logits, torch.zeros(0, dtype=torch.int64))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    for loss in (L.focal_loss, L.dice_loss, L.tversky_loss):
        assert loss(torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.int64), class_weights=[0, 0, 0]) == 0


def test_errors_of_powers() -> None:
    logits, target = torch.zeros(2, 1, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)
    for loss in (L.focal_loss, L.tversky_loss):
        with pytest.raises(ArgumentError, match=f"{loss.__name__}: expected gamma of at least 0, got -1"):
            loss(logits, target, gamma=-1)
    with pytest.raises(ArgumentError, match="hausdorff_loss: expected alpha of at least 0, got nan"):
        L.hausdorff_loss(logits, target, alpha=float("nan"))
    with pytest.raises(ArgumentError, match="focal_loss: expected reduced_threshold above 0, got 0"):
        L.focal_loss(logits, target, reduced_threshold=0)
