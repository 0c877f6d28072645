"""From a module to a graph of torch's ops without mutation, whose batch and image size stay open."""

from __future__ import annotations

import copy
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import sympy  # type: ignore[import-untyped]  # torch's
import torch
from torch import Tensor, fx
from torch.fx.experimental import _config as config
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._sympy.printers import PythonPrinter

from fastcnn._errors import BackendError
from fastcnn._optimize import functional
from fastcnn._optimize.attributes import attribute, set_attribute
from fastcnn._optimize.guard import Dims, Guard
from fastcnn.nn._modes import as_torch

# Sizes whose expression is longer are not followed any more: each layer makes them longer yet (see _Tracing).
_LONGEST = 200
# CPU seconds of tracing with all sizes open, or with the batch size open, before fewer are tried: torch's reasoning
# slows down with every condition that it has collected.
_SECONDS = {"all": 20.0, "batch": 10.0, "none": math.inf}
# torch.export treats a size that is read after these as a constant, and adds no condition.
_RESHAPING = {
    getattr(torch.Tensor, name) for name in ("unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "swapdims_")
}


@dataclass
class Captured:
    """A graph without writing in place, what it demands of sizes, and what to tell about how it came about."""

    program: Any
    module: fx.GraphModule
    guard: Guard
    # Attributes that calls write to.
    states: set[str] = field(default_factory=set)
    # Why the whole model is run as it is, or "".
    plain: str = ""
    # Did torch's functionalisation make it, which takes some open sizes for constants?
    replayed: bool = False
    remarks: list[str] = field(default_factory=list)
    # What the caller found wrong with it, before it asks for another.
    fault: str = ""


def captures(
    model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], dynamic: bool
) -> Iterator[Captured]:
    """Yield graphs of a model in eval mode: the one with the most open sizes first, those with fewer on demand."""
    example = (args, kwargs)
    # A batch of 1 would be taken for a constant: it is doubled.
    several = pytree.tree_map(_several, example)
    attempts: list[tuple[Any, Dims]] = [(several, "all"), (example, "all"), (several, "batch"), (example, "none")]
    reason = ""
    deadlines: dict[Dims, float] = {}
    for which, dims in attempts if dynamic else attempts[-1:]:
        try:
            with torch.no_grad(), as_torch(), _quiet():
                deadline = deadlines.setdefault(dims, time.process_time() + _SECONDS[dims])
                export = partial(_export, model, dims=dims, deadline=deadline)
                program, guard = export(which)
                if dims != "none" and which is several:
                    program, guard = _of_single(example, program, guard, export)
                captured = _functional(program, guard)
        except BackendError:
            raise
        except Exception as error:
            if dims == "none":
                raise _refusal(error, model, example) from error
            reason = reason or _first_line(error)
            continue
        failing = guard.failing(pytree.tree_leaves(example))
        if failing:
            reason = reason or f"its graph does not hold for the example, not {failing[0]}"
            continue
        if dynamic and dims != "all":
            fixed = "batch size may" if dims == "batch" else "sizes may not"
            captured.remarks = [
                f"{fixed} differ from the example's, as torch.export cannot leave the others open: {reason}"
            ]
        yield captured
        reason = reason or f"its graph {captured.fault}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's remarks to itself: of sizes that it cannot solve it logs whole tracebacks, and goes on."""
    sizes = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = sizes.level
    sizes.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sizes.setLevel(level)


def simplify(captured: Captured) -> None:
    """Take the model's tensors over, and make the graph free of copies, layouts and computations on constants."""
    _own_state(captured)
    graph = captured.module.graph
    functional.drop_copies(graph)
    functional.free_layout(graph)
    functional.own_results(graph, _fold_constants(captured))


def as_it_is(captured: Captured, reason: str) -> Captured:
    """Return the graph as torch captured it, to be run node by node."""
    captured.guard.written = []
    module = _module(captured.program)
    plain = replace(captured, module=module, plain=reason)
    plain.states = {str(n.target) for n in module.graph.nodes if n.op == "get_attr"}
    _own_state(plain)
    return plain


# --- torch.export -----------------------------------------------------------------------------------------------------


class _Tracing(TorchFunctionMode):
    """Keeps the expressions of sizes short while a model is traced, and what the layout of the example would hide.

    "SAME" padding takes ``max(stride * ceil(size / stride) + ... - size, 0)``, in which the size stands twice; the next
    layer's size has that twice again. torch's reasoning on such expressions takes minutes. But the maximum is always
    the same argument: then that one is taken, and becomes a condition, under which the expressions cancel.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if time.process_time() > self.deadline:
            raise RuntimeError("torch's reasoning about its sizes takes too long")
        if func in _RESHAPING and math.isfinite(self.deadline):
            raise RuntimeError(f"torch.export takes the sizes behind {func.__name__} for constants")
        if func in (torch.sym_max, torch.sym_min) and all(isinstance(a, (int, torch.SymInt)) for a in args):
            a, b = args if func is torch.sym_max else args[::-1]
            side = _side(a - b)
            if side > 0 and a >= b:
                return a
            if side < 0 and a <= b:
                return b
        if func is torch.Tensor.contiguous:
            # For a contiguous example the method returns its tensor: no op is traced. Another example's would be one.
            # The op alone returns its tensor too, which would be known by the op's name from then on; an alias is not.
            func, args = torch.ops.aten.contiguous.default, (torch.ops.aten.alias.default(args[0]), *args[1:])
        if func is torch.Tensor.detach_:
            return args[0]  # nothing is recorded here, and an alias could not be detached
        try:
            result = func(*args, **(kwargs or {}))
        except ValueError:
            if func is not torch.Tensor.view or kwargs:
                raise
            # torch's stand-ins for tensors differ in layout from some kernels' results, which have this view.
            result = torch.reshape(args[0], args[1] if isinstance(args[1], Sequence) else args[1:])
        for leaf in pytree.tree_leaves(result):
            for size in leaf.shape if isinstance(leaf, Tensor) else ():
                if isinstance(size, torch.SymInt) and _length(size.node.expr) > _LONGEST:
                    raise RuntimeError("the sizes of its images depend on each other in too many ways")
        return result


def _length(expression: Any) -> int:
    length = 0
    for _ in sympy.preorder_traversal(expression):
        length += 1
        if length > _LONGEST:
            break
    return length


def _side(difference: Any) -> int:
    """Return 1 or -1 where it is nowhere negative, or positive, as far as some hundred sizes tell, else 0."""
    if not isinstance(difference, torch.SymInt):
        return 0
    expression = difference.node.expr
    names = sorted(str(s) for s in expression.free_symbols)
    code = compile(str(PythonPrinter().doprint(expression)), "size", "eval")
    # Every first size from 1 on, beside others in no order.
    sizes = [{name: 1 + (n * (31 * k + 1) + 17 * k) % 512 for k, name in enumerate(names)} for n in range(200)]
    try:
        values = [eval(code, {"math": math, "torch": torch}, size) for size in sizes]
    except (NameError, ArithmeticError):
        return 0
    return 1 if min(values) >= 0 else -1 if max(values) <= 0 else 0


def _export(model: torch.nn.Module, example: tuple[Any, Any], *, dims: Dims, deadline: float) -> tuple[Any, Guard]:
    """Return the exported program and its guard."""
    # torch marks the tensors whose sizes are open, and would see the marks at the next attempt.
    example = pytree.tree_map_only(Tensor, torch.detach, example)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]  # torch has no type here
    auto, fixed = torch.export.Dim.AUTO, torch.export.Dim.STATIC
    for x in pytree.tree_leaves(example):
        if isinstance(x, Tensor):
            shapes[x] = tuple(auto if dims == "all" or i == 0 else fixed for i in range(x.dim()))
    # Sizes of 1 within the network are sizes like others.
    # torch adds `patch` to its config module at run time, so that mypy does not know it.
    open_ones = config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with open_ones, _Tracing(deadline):
        chosen = None if dims == "none" else shapes
        program = torch.export.export(model, *example, dynamic_shapes=chosen, strict=False)
    return program, Guard.of(program, model, *example, dims=dims)


def _of_single(
    example: tuple[Any, Any], program: Any, guard: Guard, attempt: Callable[[Any], tuple[Any, Guard]]
) -> tuple[Any, Guard]:
    """Return a program for batches of several, or the one for a batch of 1 where the example is one and they differ."""
    single = pytree.tree_map(_single, example)
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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _refusal(error: Exception, model: torch.nn.Module, example: tuple[Any, Any]) -> BackendError:
    reason = str(error) or type(error).__name__
    if _reshapes_arguments(model, example):
        reason = "it changes the shape of an argument in place"
    return BackendError(f"optimize: torch.export cannot capture the model: {reason}")


def _reshapes_arguments(model: torch.nn.Module, example: tuple[Any, Any]) -> bool:
    """Does the model give its caller's tensors other shapes (`unsqueeze_`)? torch.export does not say so."""
    args, kwargs = pytree.tree_map_only(Tensor, torch.clone, example)
    try:
        copy.deepcopy(model)(*args, **kwargs)
    except Exception:
        return False
    pairs = zip(pytree.tree_leaves(example), pytree.tree_leaves((args, kwargs)), strict=True)
    return any(isinstance(a, Tensor) and a.shape != b.shape for a, b in pairs)


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
    functional.drop_identities(module.graph)
    return module


# --- no mutation ------------------------------------------------------------------------------------------------------


def _functional(program: Any, guard: Guard) -> Captured:
    """Return the program's graph without writes in place, or as it is where that cannot be."""
    module = _module(program)
    for node in module.graph.nodes:
        if node.target is torch.ops.aten.copy_.default and node.args[0].op == "get_attr":
            old, new = (tuple(n.meta["val"].shape) for n in node.args[:2])
            if not functional.is_assignable(old, new):
                raise BackendError(f"optimize: a call gives {node.args[0].target}, of shape {old}, the shape {new}")
    reason = functional.obstacle(module.graph)
    if reason:
        return Captured(program, module, guard, plain=reason)
    if functional.make_functional(module.graph):
        return Captured(program, module, guard)
    try:
        functional.drop_identities(program.graph, program.graph_signature)
        functional.copy_by_layout(program.graph.nodes)  # torch's pass would decide by the example
        decomposed = _module(program.run_decompositions({}))
        if not functional.is_functional(decomposed.graph):
            raise RuntimeError("a write remains")
    except Exception as error:
        return Captured(program, module, guard, plain=f"its writes in place cannot be made functional: {error}")
    written = functional.writes(decomposed.graph)
    placeholders = [n for n in decomposed.graph.nodes if n.op == "placeholder"]
    guard.written = [i for i, n in enumerate(placeholders) if n in written]
    states = {str(n.target) for n in written if n.op == "get_attr"}
    return Captured(program, decomposed, guard, states, replayed=True)


def _own_state(captured: Captured) -> None:
    """Take the model's tensors over: as they are where they are read, as a copy where calls write to them."""
    module = captured.module
    for path in {str(n.target) for n in module.graph.nodes if n.op == "get_attr"}:
        value = attribute(module, path)
        if path in captured.states:
            set_attribute(module, path, value.detach().clone())
        elif isinstance(value, torch.nn.Parameter):
            # Not a parameter any more: to turn its gradient off would turn the model's off.
            set_attribute(module, path, value.detach())


# --- constants --------------------------------------------------------------------------------------------------------


def _is_tensor(node: fx.Node) -> bool:
    return node.op == "get_attr" or any(isinstance(v, Tensor) for v in pytree.tree_leaves(node.meta.get("val")))


def _fold_constants(captured: Captured) -> set[fx.Node]:
    """Compute what depends on parameters alone (parametrised and standardised weights). Return all constants."""
    module, graph = captured.module, captured.module.graph
    constants: set[fx.Node] = set()
    for count, node in enumerate(list(graph.nodes)):
        if node.op != "call_function":
            continue
        if not any(_is_tensor(n) for n in node.all_input_nodes):
            constants.add(node)  # of sizes too: a plan computes it once
            continue
        if any(n.op != "get_attr" or n.target in captured.states for n in node.all_input_nodes):
            if all(n in constants for n in node.all_input_nodes):
                constants.add(node)
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
        constants.add(folded)
        node.replace_all_uses_with(folded)
        graph.erase_node(node)
    graph.eliminate_dead_code()
    return constants
