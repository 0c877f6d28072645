"""Graphs without in-place writes: analysis of shared memory, functional forms, and removal of copies.

The order matters. While values are written in place, copies separate them. So first every write becomes a new value
(`make_functional`, or torch's own functionalisation where aliases see the write), and only then are copies removed
(`drop_copies`), except those that separate a result from the caller's tensors, from parameters or from another result.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

aten = torch.ops.aten

# These return their argument in eval mode.
_IDENTITIES = {
    aten.dropout.default, aten.dropout_.default, aten.feature_dropout.default, aten.feature_dropout_.default,
    aten.alpha_dropout.default, aten.alpha_dropout_.default, aten.feature_alpha_dropout.default,
    aten.feature_alpha_dropout_.default, aten.detach.default, aten.detach_.default, aten.alias.default,
}  # fmt: skip
_COPIES = {aten.contiguous.default, aten.clone.default, aten.lift_fresh_copy.default}
_ASSERTIONS = {aten._assert_tensor_metadata.default, aten._assert_scalar.default}
# Views or copies, depending on the memory layout.
_PERHAPS_VIEWS = {aten.contiguous.default, aten.reshape.default, aten.flatten.using_ints}
# Views that may not exist in another memory layout; the optimised graph's is channels-last.
_VIEWS = {aten.view.default, aten._unsafe_view.default, aten._reshape_alias.default}
# Their result depends on strides, or they require certain strides.
_LAYOUT_BOUND = {
    aten.as_strided.default,
    aten.view.dtype,
    aten.view_as_complex.default,
    aten.as_strided_scatter.default,
}


def schema_of(node: fx.Node) -> Any:
    """Return the schema of a node that calls an op, else None."""
    return getattr(node.target, "_schema", None) if node.op == "call_function" else None


def is_write(node: fx.Node) -> bool:
    """Return whether the node writes to one of its arguments."""
    schema = schema_of(node)
    return schema is not None and bool(schema.is_mutable)


def argument(node: fx.Node, position: int) -> Any:
    """Return the value that a node passes for an argument of its op."""
    name = schema_of(node).arguments[position].name
    return node.args[position] if len(node.args) > position else node.kwargs.get(name)


# --- what shares memory -----------------------------------------------------------------------------------------------


def _storages(node: fx.Node) -> set[int]:
    values = pytree.tree_leaves(node.meta.get("val"))
    return {v.untyped_storage()._cdata for v in values if isinstance(v, Tensor)}


def bases(node: fx.Node) -> list[fx.Node]:
    """Return the arguments whose memory the node's value may share.

    The schema declares this for views and for possible views (reshape). Some ops do not declare it (einsum, meshgrid),
    but then the traced values share a storage.
    """
    if node.op != "call_function":
        return []
    if node.target is operator.getitem:
        return node.all_input_nodes[:1]
    schema = schema_of(node)
    found: list[fx.Node] = []
    if schema is not None and any(r.alias_info is not None for r in schema.returns):
        for i, described in enumerate(schema.arguments):
            if described.alias_info is not None:
                found += [n for n in pytree.tree_leaves(argument(node, i)) if isinstance(n, fx.Node)]
    storages = _storages(node)
    return found + [n for n in node.all_input_nodes if n not in found and storages & _storages(n)]


def _owners(node: fx.Node, behind: Callable[[fx.Node], list[fx.Node]]) -> set[fx.Node]:
    """Return the nodes at the ends of all paths that follow `behind` from a node."""
    owners: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        at = waiting.pop()
        following = behind(at)
        waiting += following
        if not following:
            owners.add(at)
    return owners


def roots(node: fx.Node, *, through_copies: bool = False) -> set[fx.Node]:
    """Return the nodes that own the memory of a node's value; `through_copies` treats copies as views."""

    def behind(at: fx.Node) -> list[fx.Node]:
        if through_copies and at.target in _COPIES:
            return at.all_input_nodes[:1]
        # A copy or not, as traced.
        traced = at.target is aten.contiguous.default and not through_copies
        return [n for n in bases(at) if not traced or _storages(n) & _storages(at)]

    return _owners(node, behind)


# --- no writing in place ----------------------------------------------------------------------------------------------


def drop_identities(graph: fx.Graph, signature: Any = None) -> None:
    """Remove assertions and ops that return their argument. A program's signature names its results."""
    reshapes = any(_reshapes(node) for node in graph.nodes)
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _IDENTITIES:
            if "dropout" in str(node.target) and argument(node, 2):
                continue  # a dropout that is also active in eval mode
            if node.target is aten.detach.default and reshapes:
                continue  # the detached tensor keeps its own shape
            source: Any = node.args[0]
            if signature is not None:
                for spec in signature.output_specs:
                    if getattr(spec.arg, "name", None) == node.name:
                        spec.arg.name = source.name
            node.replace_all_uses_with(source)
            graph.erase_node(node)
        elif node.target in _ASSERTIONS and not node.users:
            graph.erase_node(node)


def _plain(node: fx.Node) -> Any:
    """Return the op that computes what ``op_`` writes, or None."""
    schema = schema_of(node)
    name, overload = schema.name.removeprefix("aten::"), schema.overload_name or "default"
    if not name.endswith("_") or schema.name == name or len(schema.returns) != 1:
        return None
    return getattr(getattr(aten, name.removesuffix("_"), None), overload, None)


def _reshapes(node: fx.Node) -> bool:
    """Return whether an op changes its argument's shape in place (``unsqueeze_``)."""
    detaches = node.target is aten.detach_.default
    return torch.Tag.inplace_view in getattr(node.target, "tags", ()) and not detaches


def _dtypes(nodes: list[fx.Node]) -> set[torch.dtype]:
    values = [n.meta.get("val") for n in nodes]
    return {v.dtype for v in values if isinstance(v, Tensor) and v.dtype != torch.bool}


def obstacle(graph: fx.Graph) -> str:
    """Return the reason why a graph has no functional form valid for all layouts of its arguments, or ""."""
    written = [node for node in graph.nodes if is_write(node)]
    if not written:
        return ""
    order = {node: i for i, node in enumerate(graph.nodes)}
    last_use = {node: max((order[user] for user in node.users), default=0) for node in graph.nodes}
    perhaps = {node: _owners(node, bases) for node in graph.nodes}
    surely = {node: _owners(node, lambda at: [] if at.target in _PERHAPS_VIEWS else bases(at)) for node in graph.nodes}
    for node in written:
        at = node.args[0]
        while isinstance(at, fx.Node) and is_write(at):
            at = at.args[0]
        if _reshapes(node) and at.op == "placeholder":
            return "it changes an argument's shape in place"
        for other in graph.nodes:
            # Whether a later use may see the write. The caller sees all arguments.
            seen = other.op == "placeholder" or order[other] < order[node] < last_use[other]
            if seen and perhaps[other] & perhaps[at] and not surely[other] & surely[at]:
                return f"it writes to what {other} shares memory with or not, as its arguments lie in memory"
    return ""


def make_functional(graph: fx.Graph) -> bool:
    """Replace ``op_(x)`` by ``op(x)``, which all later users of x see. False if other values share x's memory."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    owners = {node: roots(node) for node in graph.nodes}
    for node in list(graph.nodes):
        if not is_write(node):
            continue
        target, plain = node.args[0] if node.args else None, _plain(node)
        if not isinstance(target, fx.Node) or plain is None or len(_dtypes(node.all_input_nodes)) != 1:
            return False
        if any(n.op != "call_function" for n in owners[target]):
            return False
        for other, owned in owners.items():
            if other is target or other is node or not owned & owners[target]:
                continue
            if order[other] > order[node]:
                # Created later, from the written value.
                continue
            if any(order[user] > order[node] for user in other.users):
                return False
        node.target = plain

        def later(user: fx.Node, node: fx.Node = node) -> bool:
            return order[user] > order[node]

        target.replace_all_uses_with(node, delete_user_cb=later)
    return True


def writes(graph: fx.Graph) -> list[fx.Node]:
    """Return the arguments and states that a functional graph writes to at its end."""
    return [node.args[0] for node in graph.nodes if node.target is aten.copy_.default]


def copy_by_layout(nodes: Iterable[fx.Node]) -> None:
    """Replace ops that copy or not, depending on their argument's layout, by ops that always copy."""
    for node in nodes:
        if node.target is aten.contiguous.default:
            layout = argument(node, 1)
            node.target, node.args = aten.clone.default, node.args[:1]
            node.kwargs = {"memory_format": torch.contiguous_format if layout is None else layout}


def is_assignable(to: Sequence[Any], shape: Sequence[Any]) -> bool:
    """Return whether a tensor of shape `shape` can be copied into one of shape `to`."""
    paired = zip(reversed(to), reversed(shape), strict=False)
    return len(shape) <= len(to) and all(n == 1 or n == m for m, n in paired)


def is_functional(graph: fx.Graph) -> bool:
    """Return whether the graph only writes to arguments and states, and to each as a whole."""
    return all(
        node.target is aten.copy_.default and node.args[0].op in ("placeholder", "get_attr")
        for node in graph.nodes
        if is_write(node)
    )


# --- copies and layouts -----------------------------------------------------------------------------------------------


def leaves(graph: fx.Graph) -> list[fx.Node]:
    """Return the graph's results."""
    output = next(n for n in reversed(graph.nodes) if n.op == "output")
    return [n for n in pytree.tree_leaves(output.args[0]) if isinstance(n, fx.Node)]


def _copies(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the copies that a node's value is, or is a view of. A copy that may be a view can have further copies."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if at.target in _COPIES:
            yield at
        if at.target not in _COPIES or at.target in _PERHAPS_VIEWS:
            waiting += bases(at)


def drop_copies(graph: fx.Graph) -> None:
    """Remove copies that are not needed to keep a result separate from anything else."""
    results = leaves(graph)
    sources = {leaf: roots(leaf, through_copies=True) for leaf in results}
    needed: set[fx.Node] = set()
    apart: set[fx.Node] = set()
    for leaf in results:
        mine, copies = roots(leaf), set(_copies(leaf))
        outside = any(n.op != "call_function" or not n.all_input_nodes for n in sources[leaf])
        beside = [other for other in sources if other is not leaf and sources[leaf] & sources[other]]
        # A layout-dependent copy that was a view when traced is a copy for other arguments.
        perhaps = beside and any(n.target in _PERHAPS_VIEWS for n in copies)
        if outside:
            needed |= copies
        if perhaps or any(mine != roots(other) for other in beside):
            apart |= copies
    for node in list(graph.nodes):
        if node.target in _COPIES and node not in needed | apart:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    copy_by_layout(n for n in graph.nodes if n in apart)  # in the optimised graph's layout it may become a view


def free_layout(graph: fx.Graph) -> None:
    """Make layout-dependent ops independent of the memory layout."""
    for node in list(graph.nodes):
        if node.target in _VIEWS:
            node.target = aten.reshape.default
        elif node.target in _LAYOUT_BOUND:
            source: Any = node.args[0]
            traced = source.meta["val"]
            layout = torch.contiguous_format
            if not traced.is_contiguous():
                layout = torch.channels_last
                if traced.dim() != 4 or not traced.is_contiguous(memory_format=layout):
                    raise RuntimeError(f"{node.target} depends on strides")
            with graph.inserting_before(node):
                copied = graph.call_function(aten.contiguous.default, (source,), {"memory_format": layout})
            copied.meta = dict(source.meta)
            node.replace_input_with(source, copied)


def own_results(graph: fx.Graph, constants: set[fx.Node]) -> None:
    """Copy results that are constants of the graph, because the caller may write to them."""
    output = next(n for n in reversed(graph.nodes) if n.op == "output")
    for leaf in set(leaves(graph)):
        if roots(leaf) & constants:
            with graph.inserting_before(output):
                copied = graph.call_function(aten.clone.default, (leaf,))
            copied.meta = dict(leaf.meta)
            output.replace_input_with(leaf, copied)
