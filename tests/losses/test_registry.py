"""Losses by name."""

from __future__ import annotations

import pytest
import torch

import fastcnn.losses as L
from fastcnn import ArgumentError
from fastcnn.losses import _registry
from fastcnn.losses._registry import LOSSES, loss, loss_names, named_loss, parse_loss


def test_every_loss_has_its_name() -> None:
    functions = {name for name in L.__all__ if name.islower()}
    assert {f"{name}_loss" for name in LOSSES} == functions
    for name, entry in LOSSES.items():
        assert entry.function is getattr(L, f"{name}_loss")
    assert set(loss_names()) - set(loss_names(spatial=False)) == {"boundary", "hausdorff"}


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("dice", {"dice": 1.0}),
        ("dice+cross_entropy", {"dice": 1.0, "cross_entropy": 1.0}),
        (" 0.5*dice + 2 * focal ", {"dice": 0.5, "focal": 2.0}),
    ],
)
def test_texts(text: str, weights: dict[str, float]) -> None:
    assert parse_loss(text, "op") == weights


@pytest.mark.parametrize(
    "text", ["", "+", "dice+", "dise", "dice+dice", "x*dice", "0*dice", "-1*dice", "inf*dice", "nan*dice", "1*2*dice"]
)
def test_wrong_texts(text: str) -> None:
    """One error, with all names."""
    with pytest.raises(ArgumentError) as told:
        parse_loss(text, "op")
    assert ", ".join(sorted(LOSSES)) in str(told.value)
    assert str(told.value).startswith("op: expected loss of")


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(), (6, 5)])
def test_value_and_options(name: str, shape: tuple[int, ...]) -> None:
    """That of the function, with the options that it has; without pixels beside each other not of all."""
    if not shape and LOSSES[name].spatial:
        with pytest.raises(ArgumentError, match=f"got '{name}'"):
            named_loss(name, "op", spatial=False)
        return
    input, target = torch.randn(4, 3, *shape, requires_grad=True), torch.randint(0, 3, (4, *shape))
    chosen = named_loss(
        f"3*{name}", "op", class_weights=[1.0, 2.0, 0.5], spatial=bool(shape), ignore_index=1, label_smoothing=0.1
    )
    options = {
        "cross_entropy": {"class_weights": [1.0, 2.0, 0.5], "label_smoothing": 0.1},
        "focal": {"class_weights": [1.0, 2.0, 0.5]},
        **{region: {"smooth": 1.0} for region in ("dice", "jaccard", "tversky")},
    }.get(name, {})
    expected = 3 * getattr(L, f"{name}_loss")(input, target, ignore_index=1, **options)
    value = chosen(input, target)
    assert torch.equal(value, expected)
    value.backward()
    assert bool(input.grad.abs().sum() > 0)


def test_a_loss_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decorator is all that the choice needs."""
    monkeypatch.setattr(_registry, "LOSSES", dict(LOSSES))

    @loss("distance", factor=2.0)
    def distance(input: torch.Tensor, target: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
        return factor * (input - target).abs().mean()

    assert named_loss("distance", "op")(torch.zeros(2, 1), torch.ones(2, 1)) == 2
    with pytest.raises(ValueError, match="distance is registered already"):
        loss("distance")(distance)
