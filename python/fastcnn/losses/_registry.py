"""The losses by name. `@loss` on a function adds it; `named_loss` makes a sum of them from their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from fastcnn._errors import ArgumentError
from fastcnn.losses.combined import CombinedLoss

_Function = TypeVar("_Function", bound=Callable[..., Tensor])


class Registered(NamedTuple):
    """A loss.

    Attributes:
        function: of input and target.
        per_pixel: it treats each pixel separately, so it accepts class weights.
        spatial: it needs neighbouring pixels, so it does not apply to classification.
        arguments: default arguments of the function when it is chosen by name.
    """

    function: Callable[..., Tensor]
    per_pixel: bool
    spatial: bool
    arguments: dict[str, Any]


LOSSES: dict[str, Registered] = {}


def loss(
    name: str, *, per_pixel: bool = False, spatial: bool = False, **arguments: Any
) -> Callable[[_Function], _Function]:
    """Register a loss by a name, with the fields of `Registered`.

    Raises:
        ValueError: the name is already taken.
    """

    def register(function: _Function) -> _Function:
        if name in LOSSES:
            raise ValueError(f"loss: {name} is registered already")
        LOSSES[name] = Registered(function, per_pixel, spatial, arguments)
        return function

    return register


def loss_names(spatial: bool = True) -> tuple[str, ...]:
    """Return the names of all losses, or of those that need no neighbouring pixels."""
    return tuple(sorted(name for name, entry in LOSSES.items() if spatial or not entry.spatial))


def parse_loss(text: str, op: str, spatial: bool = True) -> dict[str, float]:
    """Return the weight of each loss in a text like "0.5*dice+cross_entropy".

    Raises:
        ArgumentError: an unknown name, a duplicate, or a weight that is not above 0; the message lists the names.
    """
    known = loss_names(spatial)
    weights: dict[str, float] = {}
    for term in text.split("+"):
        before, times, after = term.partition("*")
        name = (after if times else before).strip()
        try:
            weight = float(before) if times else 1.0
        except ValueError:
            weight = 0.0
        if name not in known or name in weights or not 0 < weight < float("inf"):
            raise ArgumentError(
                f"{op}: expected loss of different names among {', '.join(known)}, joined by '+', each with a weight "
                f"above 0 before it or none ('0.5*dice+cross_entropy'), got {text!r}"
            )
        weights[name] = weight
    return weights


def named_loss(text: str, op: str, *, class_weights: Any = None, spatial: bool = True, **options: Any) -> CombinedLoss:
    """Make a sum of losses from their names.

    Args:
        text: "dice", "dice+cross_entropy", "0.5*dice+focal".
        op: for messages.
        class_weights: for the losses that treat each pixel separately.
        spatial: accept losses that need neighbouring pixels.
        options: further arguments, passed to each loss that accepts them.

    Raises:
        ArgumentError: as `parse_loss`.
    """
    losses = {}
    for name, weight in parse_loss(text, op, spatial).items():
        entry = LOSSES[name]
        given = {**options, **({"class_weights": class_weights} if entry.per_pixel else {})}
        taken = {key: value for key, value in given.items() if key in inspect.signature(entry.function).parameters}
        losses[name] = weight, partial(entry.function, **entry.arguments, **taken)
    return CombinedLoss(losses)
