"""From a module to a graph of torch's ops without mutation, whose batch and image size stay open."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental import _config as config
from torch.utils import _pytree as pytree

from fastcnn._errors import BackendError
from fastcnn._optimize.guard import Guard
from fastcnn.nn._modes import as_torch

aten = torch.ops.aten


def capture(
    model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], dynamic: bool
) -> tuple[fx.GraphModule, Guard]:
    """Return the graph, and what it demands of sizes."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), as_torch(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program, guard = _export(model, args, kwargs, dynamic)
            graph_module = _module(program)
            if not _make_functional(graph_module.graph):
                graph_module = _module(program.run_decompositions({}))
    finally:
        for module, mode in training:
            module.training = mode
    for node in list(graph_module.graph.nodes):
        _drop(node)
    _fold_constants(graph_module)
    return graph_module, guard


def _export(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], dynamic: bool) -> tuple[Any, Guard]:
    def attempt(example: tuple[Any, Any]) -> tuple[Any, Guard]:
        shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]  # torch has no type here
        for x in pytree.tree_leaves(example):
            if isinstance(x, Tensor):
                shapes[x] = (torch.export.Dim.AUTO,) * x.dim()
        # Sizes of 1 within the network are sizes like others.
        with config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]  # made at import
            program = torch.export.export(model, *example, dynamic_shapes=shapes if dynamic else None, strict=False)
        return program, Guard.of(program, model, *example, dynamic=dynamic)

    example = (args, kwargs)
    if not dynamic:
        return _attempted(lambda: attempt(example))
    # A batch of 1 would be taken for a constant: it is doubled.
    several, single = (pytree.tree_map(f, example) for f in (_several, _single))
    try:
        program, guard = attempt(several)
    except Exception:
        return _attempted(lambda: attempt(example))
    failing = guard.failing(pytree.tree_leaves(single))
    if failing:
        # Does the model's code tell a batch of 1 from others, or do only torch's memory formats?
        try:
            other, other_guard = attempt(single)
        except Exception:
            return program, guard
        if [n.target for n in other.graph.nodes] == [n.target for n in program.graph.nodes]:
            guard.drop(failing)
        elif guard.failing(pytree.tree_leaves(example)):
            return other, other_guard
    return program, guard


def _attempted(attempt: Callable[[], tuple[Any, Guard]]) -> tuple[Any, Guard]:
    try:
        return attempt()
    except Exception as error:
        raise BackendError(f"optimize: torch.export cannot capture the model: {error}") from error


def _several(x: Any) -> Any:
    return x.repeat(2, *[1] * (x.dim() - 1)) if isinstance(x, Tensor) and x.dim() >= 2 and x.shape[0] == 1 else x


def _single(x: Any) -> Any:
    return x[:1] if isinstance(x, Tensor) and x.dim() >= 2 else x


def _module(program: Any) -> fx.GraphModule:
    """Return the program's graph as a module, its parameters as attributes."""
    module: fx.GraphModule = program.module()
    for node in list(module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            module.graph.erase_node(node)
    return module


# --- no mutation ------------------------------------------------------------------------------------------------------


def _aliases(node: fx.Node) -> bool:
    """Is the node's value, perhaps, memory of one of its arguments?"""
    if node.op != "call_function" or node.target is operator.getitem:
        return node.op == "call_function"
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(r.alias_info is not None for r in schema.returns)


def _is_later(order: dict[fx.Node, int], node: fx.Node, user: fx.Node) -> bool:
    return order[user] > order[node]


def _make_functional(graph: fx.Graph) -> bool:
    """Replace ``op_(x)`` by ``op(x)``, which all later users of x see. False where aliases make that wrong."""
    for node in list(graph.nodes):
        _drop(node)
    order = {node: i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        schema = getattr(node.target, "_schema", None) if node.op == "call_function" else None
        if schema is None or not schema.is_mutable:
            continue
        name, overload = schema.name.removeprefix("aten::"), schema.overload_name or "default"
        target = node.args[0] if node.args else None
        plain = getattr(getattr(aten, name.removesuffix("_"), None), overload, None)
        if not name.endswith("_") or plain is None or not isinstance(target, fx.Node) or target.op == "get_attr":
            return False
        if _aliases(target) or any(_aliases(user) and user is not node for user in target.users):
            return False
        node.target = plain
        later = partial(_is_later, order, node)
        target.replace_all_uses_with(node, delete_user_cb=later)
    return True


# --- what does nothing at inference -----------------------------------------------------------------------------------

_IDENTITIES = {
    aten.dropout.default, aten.dropout_.default, aten.feature_dropout.default, aten.feature_dropout_.default,
    aten.alpha_dropout.default, aten.alpha_dropout_.default, aten.feature_alpha_dropout.default,
    aten.feature_alpha_dropout_.default, aten.contiguous.default, aten.clone.default, aten.detach.default,
    aten.detach_.default, aten.alias.default, aten.lift_fresh_copy.default,
}  # fmt: skip
_ASSERTIONS = {aten._assert_tensor_metadata.default, aten._assert_scalar.default}


def _drop(node: fx.Node) -> None:
    """Remove dropout, copies and assertions."""
    if node.op != "call_function":
        return
    if node.target in _IDENTITIES:
        source = node.args[0]
        assert isinstance(source, fx.Node)
        if "dropout" in str(node.target) and _argument(node, 2):
            return  # a dropout that its caller wants in eval mode too
        node.replace_all_uses_with(source)
        node.graph.erase_node(node)
    elif node.target in _ASSERTIONS and not node.users:
        node.graph.erase_node(node)


def _argument(node: fx.Node, position: int) -> Any:
    name = node.target._schema.arguments[position].name  # type: ignore[union-attr]  # an OpOverload
    return node.args[position] if len(node.args) > position else node.kwargs.get(name)


# --- constants --------------------------------------------------------------------------------------------------------


def attribute(module: torch.nn.Module, path: Any) -> Any:
    """Return what a node's dotted path names."""
    return operator.attrgetter(path)(module)


def _fold_constants(module: fx.GraphModule) -> None:
    """Compute what depends on parameters alone: parametrised and standardised weights."""
    graph = module.graph
    for count, node in enumerate(list(graph.nodes)):
        if node.op != "call_function" or not node.all_input_nodes:
            continue
        if any(n.op != "get_attr" for n in node.all_input_nodes):
            continue
        tags: Sequence[Any] = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags:
            continue
        with torch.no_grad():
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: attribute(module, n.target))
            value = node.target(*args, **kwargs)
        if not isinstance(value, Tensor):
            continue
        name = f"_folded_{count}"
        module.register_buffer(name, value.detach())
        with graph.inserting_before(node):
            folded = graph.get_attr(name)
        folded.meta = dict(node.meta)
        node.replace_all_uses_with(folded)
        graph.erase_node(node)
    graph.eliminate_dead_code()
