"""The module that `fastcnn.optimize` returns."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn._errors import ArgumentError
from fastcnn._optimize.attributes import attribute, set_attribute
from fastcnn._optimize.guard import Guard
from fastcnn._optimize.plan import Plan, Program

# Number of cached shapes. A plan is small; the programs of an arena only hold views.
_PLANS = 32


class _Arena:
    """Memory for the intermediates of one call at a time, and the programs bound to it."""

    def __init__(self) -> None:
        self.memory = torch.empty(0, dtype=torch.uint8)
        self.programs: OrderedDict[Any, Program] = OrderedDict()

    def program(self, key: Any, plan: Plan) -> Program:
        found = self.programs.get(key)
        if found is not None and found.plan is plan:
            self.programs.move_to_end(key)
            return found
        with torch.inference_mode(False):  # other modes could not write to an inference tensor
            if self.memory.numel() < plan.layout.arena:
                self.programs.clear()
                self.memory = torch.empty(0, dtype=torch.uint8)  # free the old memory before allocating the new
                self.memory = torch.empty(plan.layout.arena, dtype=torch.uint8)
            self.programs[key] = program = Program(plan, self.memory)
        if len(self.programs) > _PLANS:
            self.programs.popitem(last=False)
        return program


@dataclass(frozen=True)
class Signature:
    """The structure of the model's arguments and results, as trees over flat lists of tensors."""

    inputs: pytree.TreeSpec
    outputs: pytree.TreeSpec
    keywords: list[str]

    def flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        if len(kwargs) > 1 and set(kwargs) == set(self.keywords):
            kwargs = {name: kwargs[name] for name in self.keywords}
        inputs, spec = pytree.tree_flatten((args, kwargs))
        if spec != self.inputs:
            raise ArgumentError(f"optimize: expected arguments like the example's, {self.inputs}, got {spec}")
        return inputs

    def unflatten(self, outputs: Any) -> Any:
        return pytree.tree_unflatten(outputs, self.outputs)


class Optimized(torch.nn.Module):
    """A model in its inference form; see `fastcnn.optimize`."""

    def __init__(
        self,
        network: fx.GraphModule,
        signature: Signature,
        guard: Guard,
        left: list[str],
        states: Collection[str] = (),
        *,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self._signature, self._guard, self._left = signature, guard, left
        # Attributes of the network that calls modify; whether it runs node by node, like torch.
        self._states, self._plain = sorted(states), plain
        self._reset()
        self.eval()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._arenas: list[_Arena] = []

    def report(self) -> list[str]:
        """Return the operations left to torch: a line for each, with its original module."""
        return list(self._left)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the module as a safetensors file, for `fastcnn.load_optimized`.

        The file holds the graph, as JSON, and the packed weights. (``state_dict()`` cannot replace it: it has no packed
        weights, only tensors read by operations left to torch, and those modified by calls.)

        Args:
            path: the output file; it is replaced atomically.

        Raises:
            BackendError: the graph has an operation that files must not call, or arguments or results contain
                anything but tuples, lists and dicts.
        """
        from fastcnn._optimize.saving import save

        save(self, path)

    def release(self) -> None:
        """Free the memory of intermediates kept for the next call."""
        with self._lock:
            self._arenas.clear()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the network with the model's arguments."""
        if torch.compiler.is_compiling():
            return self._signature.unflatten(self.network(*self._signature.flatten(args, kwargs)))
        inputs = self._signature.flatten(args, kwargs)
        for x in inputs:
            if isinstance(x, Tensor) and x.device.type != "cpu":
                raise ArgumentError(f"optimize: expected tensors on the CPU, got one on {x.device}")
        self._guard.check_written(inputs)
        if self._plain:
            self._check(inputs)
            with torch.no_grad():
                return self._signature.unflatten(self.network(*inputs))
        # Dispatch below autograd is several times cheaper, and weights are constants.
        with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
            key, plan = self._plan(inputs)
            with self._lock:
                arena = self._arenas.pop() if self._arenas else _Arena()
            try:
                result = arena.program(key, plan).run(inputs)
            finally:
                with self._lock:
                    self._arenas.append(arena)
        return self._signature.unflatten(result)

    def _plan(self, inputs: list[Any]) -> tuple[Any, Plan]:
        key = tuple((x.shape, x.stride(), x.dtype) if isinstance(x, Tensor) else x for x in inputs)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return key, plan
        self._check(inputs)
        with torch.inference_mode(False):
            plan = Plan(self.network, inputs)
        with self._lock:
            plan = self._plans.setdefault(key, plan)
            if len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        return key, plan

    def _check(self, inputs: list[Any]) -> None:
        self._guard.check(inputs)
        failing = self._guard.failing(inputs)
        if failing:
            raise ArgumentError(
                f"optimize: the graph captured from the example does not hold for these inputs: not {failing[0]}"
            )

    def extra_repr(self) -> str:
        return "\n".join(["left to torch:", *(f"  {line}" for line in self._left)] if self._left else [])

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimized:
        """Return a copy, which shares the graph if nothing modifies it."""
        network = self.network
        if self._states:
            network = fx.GraphModule(network, network.graph)
            for path in self._states:
                set_attribute(network, path, attribute(network, path).clone())
        return Optimized(network, self._signature, self._guard, self._left, self._states, plain=self._plain)

    def __getstate__(self) -> dict[str, Any]:
        transient = ("_lock", "_plans", "_arenas")
        return {name: value for name, value in self.__dict__.items() if name not in transient}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch has no type here
        self._reset()
