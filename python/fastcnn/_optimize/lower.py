"""Lower torch's ops to steps: each handler takes one node of the captured graph and fuses it if possible.

Nodes are visited in order, so a node's inputs are already steps. A handler that does not replace its node leaves it to
torch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.steps import Convolution, Step

aten = torch.ops.aten
Handler = Callable[..., None]
_HANDLERS: dict[Any, Handler] = {}
FLOATS = (torch.float32, torch.float64)
_KEEP_PIXELS = {
    aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default, aten.slice.Tensor, aten.narrow.default,
    aten.upsample_bilinear2d.vec, aten.upsample_bicubic2d.vec, aten.gelu.default, aten.mish.default,
}  # fmt: skip


def lowers(*targets: Any) -> Callable[[Handler], Handler]:
    """Register a handler, which gets the op's arguments by name."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return register


class Lowering:
    """One pass over a graph."""

    def __init__(self, module: fx.GraphModule, states: set[str]) -> None:
        self.module, self.graph = module, module.graph
        # Attributes that calls modify.
        self.states = states
        self.count = 0

    def run(self) -> None:
        for node in list(self.graph.nodes):
            handler = _HANDLERS.get(node.target) if node.op == "call_function" else None
            if handler is not None:
                handler(self, node, **named_arguments(node))
        for node in list(self.graph.nodes):
            self._sink_input_scale(node)
        self.graph.eliminate_dead_code()

    # --- what nodes are -----------------------------------------------------------------------------------------------

    def step(self, node: Any) -> Step | None:
        if isinstance(node, fx.Node) and node.op == "call_module":
            found = attribute(self.module, str(node.target))
            return found if isinstance(found, Step) else None
        return None

    def convolution(self, node: Any) -> Convolution | None:
        """Return the node's convolution if its result has no other user, else None."""
        step = self.step(node)
        return step if isinstance(step, Convolution) and len(node.users) == 1 else None

    def constant(self, node: Any) -> Tensor | None:
        if isinstance(node, fx.Node) and node.op == "get_attr" and node.target not in self.states:
            value = attribute(self.module, str(node.target))
            return value if isinstance(value, Tensor) else None
        return None

    def is_pixels(self, node: Any) -> bool:
        """Return whether the channels, its second dimension, are adjacent in memory."""
        if not isinstance(node, fx.Node):
            return False
        if node.op == "call_function":
            # Parts of such tensors, and results of torch ops that keep the layout.
            return (node.target in _KEEP_PIXELS or node.target is operator.getitem) and self.is_pixels(node.args[0])
        if dtype_of(node) not in FLOATS and not isinstance(node.meta.get("val"), (list, tuple)):
            return False
        return self.step(node) is not None or (node.op == "placeholder" and len(shape_of(node)) in (4, 5))

    # --- what handlers do ---------------------------------------------------------------------------------------------

    def emit(self, node: fx.Node, step: Step, *args: Any) -> fx.Node:
        """Replace a node by a step."""
        name = f"{type(step).__name__.lower()}_{self.count}"
        self.count += 1
        self.module.add_submodule(name, step)
        with self.graph.inserting_before(node):
            new = self.graph.call_module(name, args)
        new.meta = dict(node.meta)
        self.replace(node, new)
        return new

    def replace(self, node: fx.Node, new: fx.Node) -> None:
        new.meta = {**new.meta, "val": node.meta.get("val")}
        node.replace_all_uses_with(new)
        self.graph.erase_node(node)

    def pointwise(self, node: fx.Node, x: fx.Node, *extras: fx.Node) -> Convolution:
        """Replace a node by a copy of x, into which scale, residual and activation can be fused."""
        step = Convolution.pointwise(int(shape_of(x)[1]), dtype_of(x), len(shape_of(x)))
        self.emit(node, step, x, *extras)
        return step

    def affine(self, node: fx.Node, x: fx.Node, scale: Tensor | None, shift: Tensor | None) -> None:
        """Fold ``x * scale + shift``, per channel, into the preceding convolution, or make it a step."""
        convolution = self.convolution(x)
        if convolution is not None and convolution.open:
            self.replace(node, x)
        elif self.is_pixels(x):
            convolution = self.pointwise(node, x)
        else:
            return
        one = torch.ones(int(shape_of(x)[1]), dtype=torch.float64)
        convolution.fold(one if scale is None else scale, 0 * one if shift is None else shift)

    def _sink_input_scale(self, node: fx.Node) -> None:
        """Squeeze-excite: let the next convolutions multiply by the scale, which saves a pass over the image."""
        step = self.step(node)
        if not isinstance(step, Convolution) or step.extras != ("input_scale",):
            return
        if not step.identity or step.activation != "none":
            return
        for user in node.users:
            other = self.step(user)
            if not isinstance(other, Convolution) or other.flat_input or "input_scale" in other.extras:
                return
            if other.groups != 1 or list(user.args).count(node) != 1 or user.args[0] is not node:
                return
        x, scale = node.args
        for user in list(node.users):
            other = self.step(user)
            assert isinstance(other, Convolution)
            other.extras = (*other.extras, "input_scale")
            user.args = (x, *user.args[1:], scale)
        self.graph.erase_node(node)


def named_arguments(node: fx.Node) -> dict[str, Any]:
    schema = node.target._schema  # type: ignore[union-attr]  # an OpOverload
    named: dict[str, Any] = {}
    for i, argument in enumerate(schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        named[argument.name] = node.args[i] if i < len(node.args) else node.kwargs.get(argument.name, default)
    return named


def shape_of(node: Any) -> Sequence[Any]:
    """Return a node's sizes: integers if the graph fixes them, else symbols."""
    val = node.meta.get("val")
    return tuple(_fixed(n) for n in val.shape) if isinstance(val, Tensor) else ()


def _fixed(size: Any) -> Any:
    known = size.node.maybe_as_int() if isinstance(size, torch.SymInt) else size
    return size if known is None else known


def dtype_of(node: Any) -> Any:
    val = node.meta.get("val")
    return val.dtype if isinstance(val, Tensor) else None


def expand(values: Sequence[int], n: int) -> list[int]:
    return list(values) * n if len(values) == 1 else list(values)
