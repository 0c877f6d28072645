"""Capture a module as a graph of torch's ops without mutation, with open batch and image sizes."""

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

# Longer expressions of sizes are not simplified any more: each layer makes them even longer (see _Tracing).
_LONGEST = 200
# CPU seconds of tracing with all sizes open, or with the batch size open, before fewer are tried: torch's symbolic
# reasoning slows down with every condition collected.
_SECONDS = {"all": 20.0, "batch": 10.0, "none": math.inf}
# torch.export treats sizes read after these as constants, without adding a condition.
_RESHAPING = {
    getattr(torch.Tensor, name) for name in ("unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "swapdims_")
}


@dataclass
class Captured:
    """A graph without in-place writes, its conditions on sizes, and remarks on the capture."""

    program: Any
    module: fx.GraphModule
    guard: Guard
    # Attributes that calls modify.
    states: set[str] = field(default_factory=set)
    # Reason to run the whole model unchanged, or "".
    plain: str = ""
    # Whether torch's functionalisation made it, which treats some open sizes as constants.
    replayed: bool = False
    remarks: list[str] = field(default_factory=list)
    # The fault that the caller found in it, set before the caller asks for another capture.
    fault: str = ""


def captures(
    model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], dynamic: bool
) -> Iterator[Captured]:
    """Yield graphs of a model in eval mode: the one with the most open sizes first, those with fewer on demand."""
    example = (args, kwargs)
    # torch would treat a batch size of 1 as a constant: double it.
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
    """Silence torch's log: it prints tracebacks for sizes that it cannot solve, and continues."""
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
    """Take over the model's tensors, and remove copies, layouts and computations on constants from the graph."""
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
    """While a model is traced, keep expressions of sizes short, and record ops that the example's layout would hide.

    "SAME" padding uses ``max(stride * ceil(size / stride) + ... - size, 0)``, which contains the size twice; each
    further layer doubles this again. torch's reasoning on such expressions takes minutes. But if the maximum is always
    the same argument, use that one and add this as a condition: then the expressions cancel.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if time.process_time() > self.deadline:
            raise RuntimeError("torch's reasoning about its sizes takes too long")
        if func in _RESHAPING and math.isfinite(self.deadline):
            raise RuntimeError(f"torch.export takes the sizes behind {func.__name__} for constants")
        if func in (torch.Tensor.unbind, torch.unbind, torch.Tensor.__iter__) and _is_compound(*args, **(kwargs or {})):
            # torch compares the sum of the sizes before with every further result: 96 of them took it 30 seconds.
            raise RuntimeError("the number of its results depends on the product of several sizes")
        if func in (torch.sym_max, torch.sym_min) and all(isinstance(a, (int, torch.SymInt)) for a in args):
            a, b = args if func is torch.sym_max else args[::-1]
            side = _side(a - b)
            if side > 0 and a >= b:
                return a
            if side < 0 and a <= b:
                return b
        if func is torch.Tensor.contiguous:
            # For a contiguous example the method returns its own tensor, and no op is traced; other inputs need the op.
            # The op also returns its own tensor, which would then be traced as the op's result; an alias avoids this.
            func, args = torch.ops.aten.contiguous.default, (torch.ops.aten.alias.default(args[0]), *args[1:])
        if func is torch.Tensor.detach_:
            return args[0]  # nothing is recorded here, and an alias cannot be detached
        try:
            result = func(*args, **(kwargs or {}))
        except ValueError:
            if func is not torch.Tensor.view or kwargs:
                raise
            # torch's fake tensors differ in layout from the results of some kernels, for which this view exists.
            result = torch.reshape(args[0], args[1] if isinstance(args[1], Sequence) else args[1:])
        for leaf in pytree.tree_leaves(result):
            for size in leaf.shape if isinstance(leaf, Tensor) else ():
                if isinstance(size, torch.SymInt) and _length(size.node.expr) > _LONGEST:
                    raise RuntimeError("the sizes of its images depend on each other in too many ways")
        return result


def _is_compound(input: Tensor, dim: int = 0) -> bool:
    """Return whether a size is an expression of open sizes, and not one of them."""
    size = input.shape[dim] if -input.dim() <= dim < input.dim() else 0
    return isinstance(size, torch.SymInt) and not (size.node.expr.is_Symbol or size.node.expr.is_number)


def _length(expression: Any) -> int:
    length = 0
    for _ in sympy.preorder_traversal(expression):
        length += 1
        if length > _LONGEST:
            break
    return length


def _side(difference: Any) -> int:
    """Return 1 if it is never negative, -1 if never positive, as tested on some hundred sizes, else 0."""
    if not isinstance(difference, torch.SymInt):
        return 0
    expression = difference.node.expr
    names = sorted(str(s) for s in expression.free_symbols)
    code = compile(str(PythonPrinter().doprint(expression)), "size", "eval")
    # The first symbol takes all sizes from 1; the others take them in a scrambled order.
    sizes = [{name: 1 + (n * (31 * k + 1) + 17 * k) % 512 for k, name in enumerate(names)} for n in range(200)]
    try:
        values = [eval(code, {"math": math, "torch": torch}, size) for size in sizes]
    except (NameError, ArithmeticError):
        return 0
    return 1 if min(values) >= 0 else -1 if max(values) <= 0 else 0


def _export(model: torch.nn.Module, example: tuple[Any, Any], *, dims: Dims, deadline: float) -> tuple[Any, Guard]:
    """Return the exported program and its guard."""
    # torch marks tensors with open sizes, and would find the marks at the next attempt.
    example = pytree.tree_map_only(Tensor, torch.detach, example)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]  # torch has no type here
    auto, fixed = torch.export.Dim.AUTO, torch.export.Dim.STATIC
    for x in pytree.tree_leaves(example):
        if isinstance(x, Tensor):
            shapes[x] = tuple(auto if dims == "all" or i == 0 else fixed for i in range(x.dim()))
    # Treat sizes of 1 within the network like any other size.
    # torch adds `patch` to its config module at run time, so mypy does not know it.
    open_ones = config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with open_ones, _Tracing(deadline):
        chosen = None if dims == "none" else shapes
        program = torch.export.export(model, *example, dynamic_shapes=chosen, strict=False)
    return program, Guard.of(program, model, *example, dims=dims)


def _of_single(
    example: tuple[Any, Any], program: Any, guard: Guard, attempt: Callable[[Any], tuple[Any, Guard]]
) -> tuple[Any, Guard]:
    """Return a program for larger batches, or the one for a batch of 1 if the example is one and they differ."""
    single = pytree.tree_map(_single, example)
    failing = guard.failing(pytree.tree_leaves(single))
    if failing:
        # Either the model's code treats a batch of 1 differently, or only torch's memory formats do.
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
    """Return whether the model reshapes its caller's tensors (`unsqueeze_`), which torch.export does not report."""
    args, kwargs = pytree.tree_map_only(Tensor, torch.clone, example)
    try:
        with torch.no_grad():
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


def _keep_replaced(program: Any) -> None:
    """Copy a result that is a buffer to which the model then assigned another tensor.

    torch.export turns the assignment into a copy at the end (``copy__default``; a call in the model is ``copy_``), so
    that the result would be the new value. The model returns the old tensor, which is no longer the buffer.
    """
    graph = program.graph
    output = next(n for n in reversed(graph.nodes) if n.op == "output")
    for write in [n for n in graph.nodes if n.name.startswith("copy__default")]:
        buffer = write.args[0]
        if buffer.op == "placeholder" and buffer in functional.leaves(graph):
            with graph.inserting_before(write):
                kept = graph.call_function(torch.ops.aten.clone.default, (buffer,))
            kept.meta = dict(buffer.meta)
            output.replace_input_with(buffer, kept)
            for spec in program.graph_signature.output_specs:
                if spec.arg.name == buffer.name and spec.target is None:
                    spec.arg.name = kept.name


def _functional(program: Any, guard: Guard) -> Captured:
    """Return the program's graph without in-place writes, or unchanged if that is impossible."""
    _keep_replaced(program)
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
        functional.copy_by_layout(program.graph.nodes)  # torch's pass would decide by the example's layout
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
    """Take over the model's tensors: shared if they are only read, copied if calls write to them."""
    module = captured.module
    for path in {str(n.target) for n in module.graph.nodes if n.op == "get_attr"}:
        value = attribute(module, path)
        if path in captured.states:
            set_attribute(module, path, value.detach().clone())
        elif isinstance(value, torch.nn.Parameter):
            # No longer a parameter: disabling its gradient would disable the model's.
            set_attribute(module, path, value.detach())


# --- constants --------------------------------------------------------------------------------------------------------


def _is_tensor(node: fx.Node) -> bool:
    return node.op == "get_attr" or any(isinstance(v, Tensor) for v in pytree.tree_leaves(node.meta.get("val")))


def _fold_constants(captured: Captured) -> set[fx.Node]:
    """Compute all values that depend only on parameters (such as standardised weights). Return all constants."""
    module, graph = captured.module, captured.module.graph
    constants: set[fx.Node] = set()
    for count, node in enumerate(list(graph.nodes)):
        if node.op != "call_function":
            continue
        if not any(_is_tensor(n) for n in node.all_input_nodes):
            constants.add(node)  # also those of sizes: a plan computes them once
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
