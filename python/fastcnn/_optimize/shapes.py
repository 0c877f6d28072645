"""The result of every node of an optimised graph for inputs of one shape: shape, dtype and layout."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.steps import Step

aten = torch.ops.aten


@dataclass(eq=False)
class Value:
    """A planned tensor: its origin, and the tensor it is a view of."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    # The node that owns its memory: a step, or a tensor of torch or the caller.
    root: fx.Node
    view: bool = False
    # Strides in memory; None: channels last, without gaps.
    strides: tuple[int, ...] | None = None
    # The fake tensor for torch's operators, created on demand.
    fake: Tensor | None = None

    @property
    def nbytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize


class _Fakes:
    """Fake tensors, which torch's operators take and return. torch's machinery is loaded on first use."""

    def __init__(self) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        self.mode = FakeTensorMode()

    def of(self, value: Any) -> Any:
        if not isinstance(value, Value):
            return self.mode.from_tensor(value) if isinstance(value, Tensor) else value
        if value.fake is None:
            with self.mode:
                if value.strides is None:
                    value.fake = pixels(value.shape, lambda s: torch.empty(s, dtype=value.dtype))
                else:
                    value.fake = torch.empty_strided(value.shape, value.strides, dtype=value.dtype)
        return value.fake


def pixels(shape: tuple[int, ...], allocate: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
    """Return a tensor of shape (N, C, spatial...) with channels last in memory."""
    return allocate((shape[0], *shape[2:], shape[1])).movedim(-1, 1)


def infer(module: fx.GraphModule, inputs: dict[fx.Node, Any]) -> dict[fx.Node, Any]:
    """Return each node's value: `Value` for a tensor, anything else as it is.

    Steps infer their shapes, integers are computed, and torch's ops run on fake tensors, which show the strides and
    aliases of their results.
    """
    values: dict[fx.Node, Any] = {}
    fakes = functools.cache(_Fakes)
    for node in module.graph.nodes:
        if node.op == "placeholder":
            x = inputs[node]
            values[node] = Value(tuple(x.shape), x.dtype, node, strides=x.stride()) if isinstance(x, Tensor) else x
        elif node.op == "get_attr":
            values[node] = attribute(module, node.target)
        elif node.op == "call_module":
            step = attribute(module, node.target)
            assert isinstance(step, Step)
            first = values[node.args[0]]
            shapes = [values[a].shape if isinstance(values.get(a), Value) else values.get(a, a) for a in node.args]
            values[node] = Value(step.infer(*shapes), first.dtype, node)
        elif node.op == "call_function":
            values[node] = _call(node, values, fakes)
    return values


def _call(node: fx.Node, values: dict[fx.Node, Any], fakes: Callable[[], _Fakes]) -> Any:
    sources = [values[n] for n in node.all_input_nodes]
    function: Any = node.target
    if function is aten.sym_size.int and isinstance(sources[0], Value):
        axis: Any = node.args[1]
        return sources[0].shape[axis]
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: values[n])
    random = torch.Tag.nondeterministic_seeded in getattr(function, "tags", ())
    if not random and not any(isinstance(leaf, (Value, Tensor)) for leaf in pytree.tree_leaves(sources)):
        return function(*args, **kwargs)
    args, kwargs = pytree.tree_map(fakes().of, (args, kwargs))
    with fakes().mode:
        result = function(*args, **kwargs)
    owners = {
        value.fake.untyped_storage()._cdata: value.root
        for value in pytree.tree_leaves(sources)
        if isinstance(value, Value) and value.fake is not None
    }

    def of(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        root = owners.get(leaf.untyped_storage()._cdata)
        return Value(tuple(leaf.shape), leaf.dtype, root or node, view=root is not None, fake=leaf)

    return pytree.tree_map(of, result)
