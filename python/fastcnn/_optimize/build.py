"""Build the inference form of a model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn._errors import BackendError
from fastcnn._optimize import elementwise, layers  # noqa: F401  (they register what lower.py calls)
from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.capture import Captured, as_it_is, captures, simplify
from fastcnn._optimize.lower import Lowering
from fastcnn._optimize.module import Optimized, Signature
from fastcnn._optimize.shapes import infer
from fastcnn._optimize.steps import Convolution
from fastcnn._optimize.verify import difference

# Ops that compute nothing, and usually copy nothing.
_VIEWS = {
    "alias", "chunk", "detach", "expand", "expand_as", "flatten", "movedim", "narrow", "permute", "reshape", "select",
    "slice", "split", "split_with_sizes", "squeeze", "sym_size", "t", "transpose", "unbind", "unflatten", "unsqueeze",
    "view",
}  # fmt: skip


def optimize(
    model: torch.nn.Module,
    example: Any,
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic: bool = True,
) -> Optimized:
    """Make the inference form of a model for the CPU.

    The model, in eval mode, is captured as a graph (`torch.export`). Batch norms and other constant scales are folded
    into convolutions; bias, activation, residual addition and squeeze-excite scale are fused into them; weights are
    packed once; everything between the first and the last operation is channels-last; the inputs of a concatenation
    are written directly to its result; and intermediates share one block of memory, which is kept for the next call.

    Args:
        model: a float32 or float64 module on the CPU; it is not changed. Later calls read none of its memory,
            except parameters of operations left to torch.
        example: its input, or a tuple of its positional arguments. Weights are packed for the fastest algorithms for
            images of this size; other sizes work too.
        kwargs: its keyword arguments.
        dynamic: whether batch and image sizes may differ from the example's. Conditions on sizes in the model's code
            or in its layers are checked at each new shape. If `torch.export` cannot leave all sizes open, only the
            batch size is left open, or none; a warning and the report say so. False captures faster.

    Returns:
        A module with the model's call signature and results (channels-last in memory for images). Calls from several
        threads are safe, unless they change a state. It has no gradient, ignores autocast, and must not be moved or
        cast. ``report()`` lists the operations left to torch: the whole model if its graph cannot be optimised.
        ``save(path)`` writes a file for `fastcnn.load_optimized`. Under `torch.compile` and `torch.export` it is a
        plain functional graph.

        In-place writes are those of the model: to arguments, and to buffers, of which this module has its own copies.
        Results share memory with arguments where the model's do, and with nothing else.

        Before it is returned, it is compared with the model on the example; a graph that computes another function is
        not used. (Random numbers are not compared.)

    Raises:
        TypeError: model is not a module.
        BackendError: `torch.export` cannot capture the model (its reason is given), or captures another function.
        ArgumentError: from calls whose arguments differ from the example's in structure, dtype or number of dimensions,
            have sizes that the graph is not valid for, or share memory that the model writes to.

    Memory: the packed weights only; between calls, also the intermediates of as many calls as ran at once, until
    ``release()``. Determinism: that of the operations, for any number of threads.

    References: B. Jacob et al., CVPR 2018 (folding); Y. Pisarchyk, J. Lee, arXiv:2001.03288, 2020 (memory).

    Example:
        >>> import torch, fastcnn
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
        ... ).eval()
        >>> fast = fastcnn.optimize(model, torch.ones(1, 3, 32, 32))
        >>> fast.report()
        []
        >>> fast(torch.ones(4, 3, 48, 64)).shape
        torch.Size([4, 8, 24, 32])
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"optimize: expected model to be a torch.nn.Module, got {type(model).__name__}")
    with torch.inference_mode(False):
        return _optimize(model, example, kwargs or {}, dynamic)


def _optimize(model: torch.nn.Module, example: Any, kwargs: dict[str, Any], dynamic: bool) -> Optimized:
    args = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    model = _without_inference(model)
    args, kwargs = pytree.tree_map_only(Tensor, _normal, (args, kwargs))
    with _evaluating(model):
        for captured in captures(model, args, kwargs, dynamic):
            for made in _forms(captured, args, kwargs):
                captured.fault = difference(made, model, (args, kwargs), sizes=captured.replayed)
                if not captured.fault:
                    for remark in captured.remarks:
                        warnings.warn(f"optimize: {remark}", stacklevel=4)
                    return made
    raise BackendError(f"optimize: torch.export captures another function: its graph {captured.fault}")


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode


def _forms(captured: Captured, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Optimized]:
    """Yield the inference form of a captured graph, then the graph as it is."""
    signature = Signature(captured.module._in_spec, captured.module._out_spec, list(kwargs))  # type: ignore[arg-type]  # both are set
    reason = captured.plain
    if not reason:
        try:
            simplify(captured)
            Lowering(captured.module, captured.states).run()
            graph = _taken_over(captured.module)
            _pack(graph, pytree.tree_leaves((args, kwargs)))
        except Exception as error:  # any error that torch or a step raises for an unforeseen graph
            reason = str(error)
        else:
            yield _optimized(graph, signature, captured)
            reason = f"its inference form {captured.fault}"
    plain = as_it_is(captured, " ".join(reason.split())[:300])
    yield _optimized(_taken_over(plain.module), signature, plain)


def _optimized(graph: fx.GraphModule, signature: Signature, captured: Captured) -> Optimized:
    left = [*captured.remarks, *([f"the whole model: {captured.plain}"] if captured.plain else [])]
    left += [_line(node) for node in graph.graph.nodes if _is_left(node)]
    return Optimized(graph, signature, captured.guard, left, captured.states, plain=bool(captured.plain))


def _taken_over(module: fx.GraphModule) -> fx.GraphModule:
    """Return the graph, with flat inputs and outputs, and only the attributes it uses: packed weights are released."""
    module.graph.set_codegen(fx.graph.CodeGen())
    # Use a tracer that can be pickled.
    module.graph._tracer_cls = None
    module.graph.lint()
    return fx.GraphModule(module, module.graph)


def _normal(x: Tensor) -> Tensor:
    """Return a normal tensor; inference tensors cannot be traced."""
    if not x.is_inference():
        return x
    return torch.nn.Parameter(x.clone(), requires_grad=False) if isinstance(x, torch.nn.Parameter) else x.clone()


def _without_inference(model: torch.nn.Module) -> torch.nn.Module:
    own = [*model.parameters(), *model.buffers()]
    if not any(x.is_inference() for x in own):
        return model
    return copy.deepcopy(model, {id(x): _normal(x) for x in own})


def _pack(graph: fx.GraphModule, inputs: list[Any]) -> None:
    nodes = graph.graph.nodes
    with torch.no_grad():
        values = infer(graph, dict(zip([n for n in nodes if n.op == "placeholder"], inputs, strict=True)))
        made: dict[Any, Any] = {}
        steps = [(n, attribute(graph, n.target)) for n in nodes if n.op == "call_module"]
        convolutions = [(n, step) for n, step in steps if isinstance(step, Convolution)]
        for node, step in convolutions:
            step.pack(values[node.args[0]].shape, made)
        # Only after all are packed: `made` identifies weights by their address.
        for _, step in convolutions:
            step.weight = step.bias = None
        for packed in made.values():
            packed.drop_weight()


def _is_left(node: fx.Node) -> bool:
    if node.op != "call_function":
        return False
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return False
    return schema.name.removeprefix("aten::") not in _VIEWS and isinstance(node.meta.get("val"), (Tensor, tuple, list))


def _line(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack")
    path = list(stack.values())[-1][0] if stack else ""
    where = f" in {path.removeprefix('L__self__.')}" if path else ""
    return f"{node.target}{where}"
