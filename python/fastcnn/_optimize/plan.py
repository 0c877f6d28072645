"""A graph prepared for inputs of one shape: a flat list of calls on preallocated tensors.

Tensors in the arena are bound to their steps once per arena. Only the caller's tensors and the results that torch
computes are looked up at each call ("late").
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.memory import Layout, plan_memory
from fastcnn._optimize.shapes import Value, infer, pixels
from fastcnn._optimize.steps import Call, Concat, Step


def _copies(starts: list[int], out: Tensor, *parts: Tensor) -> list[Call]:
    return [(out.narrow(1, s, p.shape[1]).copy_, (p,)) for s, p in zip(starts, parts, strict=True)]


_ops = torch.ops.fastcnn
# Unused native programs. They are removed when the next one is made, not in destructors: a dispatch mode may be
# active then.
_finished: list[int] = []
# The ops that cpp/torch/program.h can record.
_RECORDABLE = {
    op.default
    for op in (
        _ops.packed_convolution_out, _ops.max_pool_out, _ops.adaptive_max_pool_out, _ops.avg_pool_out,
        _ops.adaptive_avg_pool_out,
    )
}  # fmt: skip


class Plan:
    """Shapes and memory layout for one shape of inputs."""

    def __init__(self, module: fx.GraphModule, inputs: list[Any]) -> None:
        self.module = module
        self.nodes = list(module.graph.nodes)
        self.placeholders = [n for n in self.nodes if n.op == "placeholder"]
        self.values = infer(module, dict(zip(self.placeholders, inputs, strict=True)))
        self.layout: Layout = plan_memory(module, self.values)
        # The last use of each late value, after which torch's results are released.
        self.last_use: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            for source in node.all_input_nodes:
                self.last_use[source] = node


class Program:
    """A plan bound to an arena. Not thread-safe."""

    def __init__(self, plan: Plan, arena: Tensor) -> None:
        self.plan, self.arena = plan, arena
        self.bound: dict[fx.Node, Any] = {}
        self.late: dict[fx.Node, Any] = {}
        self.calls: list[Call] = []
        for node in plan.nodes:
            self._bind(node)
        self._output = plan.nodes[-1].args[0]
        self._record()

    def run(self, inputs: list[Any]) -> Any:
        """Run on inputs of the plan's shape, and return the graph's output."""
        late = self.late
        try:
            for node, value in zip(self.plan.placeholders, inputs, strict=True):
                late[node] = value
            for function, args in self.calls:
                function(*args)
            return fx.map_arg(self._output, self._value)
        finally:
            late.clear()

    # --- binding ------------------------------------------------------------------------------------------------------

    def _value(self, node: fx.Node) -> Any:
        return self.bound[node] if node in self.bound else self.late[node]

    def _is_bound(self, *nodes: fx.Node) -> bool:
        return all(node in self.bound for node in nodes)

    def _bind(self, node: fx.Node) -> None:
        value = self.plan.values.get(node)
        if node.op == "call_module":
            self._bind_step(node, attribute(self.plan.module, str(node.target)))
        elif node.op == "get_attr":
            self.bound[node] = value
        elif node.op == "call_function":
            leaves = pytree.tree_leaves(value)
            if not any(isinstance(leaf, Value) for leaf in leaves):
                self.bound[node] = value
            elif self._is_bound(*node.all_input_nodes) and all(not isinstance(v, Value) or v.view for v in leaves):
                self.bound[node] = self._call_torch(node)
            else:
                self.calls.append((self._run_torch, (node, self._dying(node))))

    def _call_torch(self, node: fx.Node) -> Any:
        args, kwargs = fx.map_arg((node.args, node.kwargs), self._value)
        return node.target(*args, **kwargs)  # type: ignore[operator]  # call_function's

    def _run_torch(self, node: fx.Node, dying: list[fx.Node]) -> None:
        self.late[node] = self._call_torch(node)
        for source in dying:
            self.late.pop(source, None)

    def _dying(self, node: fx.Node) -> list[fx.Node]:
        return [n for n in node.all_input_nodes if self.plan.last_use[n] is node and n.op != "placeholder"]

    def _bind_step(self, node: fx.Node, step: Step) -> None:
        layout, values = self.plan.layout, self.plan.values
        home, channel = layout.places[node]
        block = layout.homes[home]
        first = block.first == self.plan.nodes.index(node)
        if block.returned:
            if first:
                shape, dtype = values[home].shape, values[home].dtype
                self.calls.append((self._new_block, (home, shape, dtype)))
            if home is not node:
                self.calls.append((self._slice_block, (node, home, channel, values[node].shape[1])))
        else:
            whole = pixels(values[home].shape, lambda s: self._arena_view(block.offset, s, values[home].dtype))
            self.bound[node] = whole.narrow(1, channel, values[node].shape[1])
        if isinstance(step, Concat):
            copies = layout.copies.get(node, [])
            if copies:
                self._call(node, partial(_copies, [start for _, start in copies]), *(part for part, _ in copies))
        else:
            self._call(node, step.calls, *node.args)

    def _call(self, node: fx.Node, calls: Callable[..., list[Call]], *inputs: Any) -> None:
        sources = [n for n in inputs if isinstance(n, fx.Node)]
        if self._is_bound(node, *sources):
            self.calls += calls(self.bound[node], *fx.map_arg(tuple(inputs), self._value))
        else:
            self.calls.append((self._run_late, (node, calls, inputs, self._dying(node))))

    def _run_late(self, node: fx.Node, calls: Callable[..., list[Call]], inputs: Any, dying: list[fx.Node]) -> None:
        for function, args in calls(self._value(node), *fx.map_arg(tuple(inputs), self._value)):
            function(*args)
        for source in dying:
            self.late.pop(source, None)

    # --- recording ----------------------------------------------------------------------------------------------------

    def _record(self) -> None:
        """Combine consecutive native calls into one."""
        while _finished:
            _ops._program_remove(self.arena, _finished.pop())
        calls: list[Call] = []
        for native, group in itertools.groupby(self.calls, lambda call: call[0] in _RECORDABLE):
            run = list(group)
            if not native or len(run) == 1:
                calls += run
                continue
            number = _ops._program_record(self.arena)
            weakref.finalize(self, _finished.append, number)
            try:
                for function, args in run:
                    function(*args)
            finally:
                _ops._program_finish(self.arena)
            calls.append((_ops._program_run.default, (self.arena, number)))
        self.calls = calls

    # --- memory -------------------------------------------------------------------------------------------------------

    def _arena_view(self, offset: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        size = torch.Size(shape).numel() * dtype.itemsize
        return self.arena[offset : offset + size].view(dtype).view(shape)

    def _new_block(self, home: fx.Node, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.late[home] = pixels(shape, lambda s: torch.empty(s, dtype=dtype))

    def _slice_block(self, node: fx.Node, home: fx.Node, channel: int, width: int) -> None:
        self.late[node] = self.late[home].narrow(1, channel, width)
