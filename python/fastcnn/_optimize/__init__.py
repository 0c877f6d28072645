"""`fastcnn.optimize`: a model's inference form.

capture.py gets a graph of torch's ops, lower.py with elementwise.py and layers.py makes steps.py's operations of them,
shapes.py and memory.py say for one shape of inputs what is where, plan.py binds it to memory, module.py runs it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn._optimize import elementwise, layers  # noqa: F401  (they register what lower.py calls)
from fastcnn._optimize.capture import attribute, capture
from fastcnn._optimize.lower import Lowering
from fastcnn._optimize.module import Optimized, Signature
from fastcnn._optimize.shapes import infer
from fastcnn._optimize.steps import Convolution

__all__ = ["Optimized", "optimize"]

# Ops that compute nothing, and mostly move nothing.
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
    into convolutions; bias, activation, residual addition and squeeze-excite scale become part of them; weights are
    packed, once; everything between the first and the last operation is channels-last; the inputs of a concatenation
    are written where it wants them; and intermediates share one block of memory, which is kept for the next call.

    Args:
        model: a float32 or float64 module on the CPU; it is not changed, and shares no memory that later calls read
            except parameters of operations that stay torch's.
        example: its input, or a tuple of its positional arguments. Weights are packed for the algorithms that are best
            for images of this size; other sizes run too.
        kwargs: its keyword arguments.
        dynamic: whether batch and image sizes may differ from the example's. Sizes that the model's own code tests or
            that its layers demand are checked at each new shape. False captures quicker.

    Returns:
        A module with the model's call signature and results (channels-last in memory where they are images). Calls from
        several threads are safe. It has no gradient, does not look at autocast, and is not to be moved or cast.
        ``report()`` lists the operations left to torch. Under `torch.compile` and `torch.export` it is a plain
        functional graph, which can be saved.

    Raises:
        TypeError: where model is no module.
        BackendError: where `torch.export` cannot capture the model, with its reason.
        ArgumentError: from calls whose arguments are not like the example's, or sizes that the graph does not hold for.

    Memory: the packed weights (no others are kept); between calls, the intermediates of as many calls as ran at once,
    until ``release()``. Determinism: as of the operations, for any number of threads.

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
    captured, guard = capture(model, args, kwargs, dynamic)
    Lowering(captured).run()
    captured.graph.lint()
    # Only what the graph still names is taken over: the weights that were packed are let go.
    signature = Signature(captured._in_spec, captured._out_spec, list(kwargs))  # type: ignore[arg-type]  # both are set
    # Flat inputs and outputs, and a tracer that can be pickled.
    captured.graph.set_codegen(fx.graph.CodeGen())
    captured.graph._tracer_cls = None
    # Only what the graph still names is taken over: the weights that were packed are let go.
    graph = fx.GraphModule(captured, captured.graph)
    _pack(graph, pytree.tree_leaves((args, kwargs)))
    left = [_line(node) for node in graph.graph.nodes if _is_left(node)]
    graph.requires_grad_(False)
    return Optimized(graph, signature, guard, left)


def _pack(graph: fx.GraphModule, inputs: list[Any]) -> None:
    nodes = graph.graph.nodes
    with torch.no_grad():
        values = infer(graph, dict(zip([n for n in nodes if n.op == "placeholder"], inputs, strict=True)))
        made: dict[Any, Any] = {}
        steps = [(n, attribute(graph, n.target)) for n in nodes if n.op == "call_module"]
        convolutions = [(n, step) for n, step in steps if isinstance(step, Convolution)]
        for node, step in convolutions:
            step.pack(values[node.args[0]].shape, made)
        # Not before all are packed: `made` knows weights by their address.
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
