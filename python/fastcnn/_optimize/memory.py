"""Memory layout of one call: parts of concatenations in place, other tensors in one arena, reused by liveness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import fx
from torch.utils import _pytree as pytree

from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.shapes import Value
from fastcnn._optimize.steps import Concat, Step

# For vector loads and cache lines; page alignment would map all buffers to the same cache sets.
_ALIGNMENT = 64


@dataclass
class Home:
    """A block of memory: the result of `node`, and tensors written directly into its channels."""

    node: fx.Node
    first: int
    last: int
    size: int
    # Returned to the caller, so not in the arena.
    returned: bool
    offset: int = 0


@dataclass
class Layout:
    """The memory of one call."""

    homes: dict[fx.Node, Home] = field(default_factory=dict)
    # For each step: the node whose block holds its result, and its first channel there.
    places: dict[fx.Node, tuple[fx.Node, int]] = field(default_factory=dict)
    # Parts of concatenations that have to be copied: (concatenation, part, first channel).
    copies: dict[fx.Node, list[tuple[fx.Node, int]]] = field(default_factory=dict)
    arena: int = 0


def plan_memory(module: fx.GraphModule, values: dict[fx.Node, Any]) -> Layout:
    """Compute the memory layout of a graph's tensors."""
    nodes = list(module.graph.nodes)
    steps: dict[fx.Node, Step] = {n: attribute(module, n.target) for n in nodes if n.op == "call_module"}
    returned = {v.root for v in _tensors(values, nodes[-1].all_input_nodes)}
    layout = Layout()
    for node in reversed(nodes):
        if isinstance(steps.get(node), Concat):
            _place_parts(node, steps, values, returned, layout)
    order = {node: i for i, node in enumerate(nodes)}
    for node in steps:
        root, _ = layout.places.setdefault(node, (node, 0))
        if root not in layout.homes:
            layout.homes[root] = Home(root, order[node], order[node], values[root].nbytes, root in returned)
        home = layout.homes[root]
        home.first, home.last = min(home.first, order[node]), max(home.last, order[node])
    for node in nodes:
        for value in _tensors(values, node.all_input_nodes):
            if value.root in layout.places:
                home = layout.homes[layout.places[value.root][0]]
                home.last = max(home.last, order[node])
    layout.arena = _assign_offsets([h for h in layout.homes.values() if not h.returned])
    return layout


def _tensors(values: dict[fx.Node, Any], nodes: list[fx.Node]) -> list[Value]:
    return [v for v in pytree.tree_leaves([values.get(n) for n in nodes]) if isinstance(v, Value)]


def _place_parts(
    concat: fx.Node,
    steps: dict[fx.Node, Step],
    values: dict[fx.Node, Any],
    returned: set[fx.Node],
    layout: Layout,
) -> None:
    """Let the steps that compute parts of a concatenation write into it.

    Concatenations are visited from last to first, so that a chain of them (DenseNet) lies in the last one.
    """
    places = layout.places
    parts: Any = concat.args
    widths = [values[p].shape[1] for p in parts]
    starts = [sum(widths[:i]) for i in range(len(parts))]
    if concat not in places and concat not in returned:
        # Its parts may already be adjacent in a later one.
        found = places.get(parts[0])
        if found and all(places.get(p) == (found[0], found[1] + s) for p, s in zip(parts, starts, strict=True)):
            places[concat] = found
            return
    home, base = places.setdefault(concat, (concat, 0))
    for part, start in zip(parts, starts, strict=True):
        if part in steps and part not in places and part not in returned:
            places[part] = (home, base + start)
        else:
            layout.copies.setdefault(concat, []).append((part, start))


def _assign_offsets(homes: list[Home]) -> int:
    """Place each block at the lowest address not used by a simultaneously live block, largest blocks first.

    Y. Pisarchyk, J. Lee, "Efficient memory management for deep neural net inference", arXiv:2001.03288, 2020.
    """
    placed: list[Home] = []
    for home in sorted(homes, key=lambda h: -h.size):
        offset = 0
        for other in placed:  # by address
            if other.first <= home.last and home.first <= other.last:
                if offset + home.size <= other.offset:
                    break
                offset = max(offset, -(-(other.offset + other.size) // _ALIGNMENT) * _ALIGNMENT)
        home.offset = offset
        placed.append(home)
        placed.sort(key=lambda h: h.offset)
    return max((h.offset + h.size for h in placed), default=0)
