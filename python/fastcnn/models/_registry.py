"""The models by name. `@model` on a factory adds it, with the maps for published weights of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

State = dict[str, Tensor]
# Takes the network, a state dict with another library's parameter names, and possible names of the model it came from;
# returns a state dict with the network's own names.
WeightMap = Callable[[Any, State, Sequence[str]], State]
_Factory = TypeVar("_Factory", bound=Callable[..., nn.Module])


class Registered(NamedTuple):
    """A model.

    Attributes:
        factory: makes the network.
        network: the network class of `weights`, or None.
        weights: for each source, the map from its parameter names.
    """

    factory: Callable[..., nn.Module]
    network: type[nn.Module] | None
    weights: Mapping[str, WeightMap]


MODELS: dict[str, Registered] = {}


def model(
    network: type[nn.Module] | None = None, weights: Mapping[str, WeightMap] | None = None, name: str = ""
) -> Callable[[_Factory], _Factory]:
    """Register a factory of networks.

    Args:
        network: the class of networks that accept weights of other libraries.
        weights: for each source of weights ("torchvision", "timm", ...), the map from its names to the network's.
        name: name of the model, also passed to the function. Default: the function's own name.

    Raises:
        ValueError: the name is already taken, or there are maps without a class.
    """

    def register(factory: _Factory) -> _Factory:
        factory.__name__ = factory.__qualname__ = name or factory.__name__
        if factory.__name__ in MODELS:
            raise ValueError(f"model: {factory.__name__} is registered already")
        if weights and network is None:
            raise ValueError(f"model: expected the class that the weights of {factory.__name__} are for")
        MODELS[factory.__name__] = Registered(factory, network, weights or {})
        return factory

    return register


def sources() -> tuple[str, ...]:
    """Return the sources of weights; fastcnn itself is the first."""
    return ("fastcnn", *sorted({source for entry in MODELS.values() for source in entry.weights}))


def map_for(network: nn.Module, source: str) -> WeightMap | None:
    """Return the map from a source's parameter names to those of a network."""
    if source == "fastcnn":
        return same_names
    entries = (e for e in MODELS.values() if e.network is not None and isinstance(network, e.network))
    return next((e.weights[source] for e in entries if source in e.weights), None)


def same_names(network: nn.Module, state: State, models: Sequence[str]) -> State:
    """Return the state unchanged: the parameter names are the same."""
    return state


def renamed(state: State, pairs: Iterable[tuple[str, str]]) -> State:
    """Replace prefixes of names, the first of each pair by the second; other names are kept, as unknown ones."""
    table = dict(pairs)
    result = {}
    for name, value in state.items():
        prefix, _, last = name.rpartition(".")
        result[f"{table[prefix]}.{last}" if prefix in table else name] = value
    return result
