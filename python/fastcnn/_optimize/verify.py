"""Compare an optimised model with the original: both run on the example.

A captured graph can compute another function than the model: torch.export and its functionalisation have bugs (a size
treated as a constant, a missed change of shape).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from fastcnn._optimize.module import Optimized

Example = tuple[tuple[Any, ...], dict[str, Any]]
# Relative to the largest value. Rounding errors are much smaller, unless a model amplifies them; faults rarely are.
_CLOSE = 1e-3


class _Run:
    """Results of a call with copies of an example's tensors, and these copies."""

    def __init__(self, call: Any, example: Example) -> None:
        args, kwargs = pytree.tree_map_only(Tensor, torch.clone, example)
        results = pytree.tree_leaves(call(*args, **kwargs))
        self.tensors = [x for x in (*results, *pytree.tree_leaves((args, kwargs))) if isinstance(x, Tensor)]

    def pairs(self) -> set[tuple[int, int]]:
        """Return the pairs of tensors that share memory."""
        memory = [x.untyped_storage()._cdata if x.numel() else -i for i, x in enumerate(self.tensors)]
        return {(i, j) for j, m in enumerate(memory) for i in range(j) if memory[i] == m}


def difference(fast: Optimized, model: torch.nn.Module, example: Example, *, sizes: bool) -> str:
    """Describe the difference between an optimised model and the original; "" if there is none.

    Args:
        fast: the optimised model; unchanged.
        model: the original, in eval mode; unchanged.
        example: positional and keyword arguments.
        sizes: also try sizes other than the example's, if the graph leaves them open.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = _difference(fast, model, example)
        larger = _larger(fast, example) if sizes and not found else None
        if larger is not None:
            found = _difference(fast, model, larger)
    return found


def _difference(fast: Optimized, model: torch.nn.Module, example: Example) -> str:
    state = dict(model.named_buffers())
    state |= {name: p for name, p in model.named_parameters() if name in fast._states}

    def own(*args: Any, **kwargs: Any) -> Any:
        copies = {name: x.detach().clone() for name, x in state.items()}
        return torch.func.functional_call(model, copies, args, kwargs)

    try:
        expected = _Run(own, example)
    except Exception:
        return ""  # the model itself fails on this call: nothing to compare
    try:
        got = _Run(copy.deepcopy(fast), example)
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    if len(got.tensors) != len(expected.tensors):
        return f"gives {len(got.tensors)} tensors, not {len(expected.tensors)}"
    for a, b in zip(got.tensors, expected.tensors, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"gives a tensor of shape {tuple(a.shape)}, not {tuple(b.shape)}, {a.dtype} for {b.dtype}"
    if got.pairs() - expected.pairs():
        return "gives results that share memory, where the model's do not"
    if any(torch.Tag.nondeterministic_seeded in getattr(n.target, "tags", ()) for n in fast.network.graph.nodes):
        return ""
    apart = _distance(got, expected)
    if apart <= _CLOSE or apart <= 100 * _sensitivity(own, example, expected):
        return ""
    return f"gives other values, {apart:.1g} of the largest apart"


def _distance(got: _Run, expected: _Run) -> float:
    """Return the largest difference of values, relative to the largest value of its tensor."""
    distances = [0.0]
    for a, b in zip(got.tensors, expected.tensors, strict=True):
        if not b.is_floating_point() or not b.numel():
            continue  # integers, such as class numbers, can change with the last bit
        x, y = a.detach().double(), b.detach().double()
        finite = y.isfinite()
        if not torch.equal(finite, x.isfinite()):
            return float("inf")
        x, y = x.where(finite, 0), y.where(finite, 0)
        distances.append(float((x - y).abs().max()) / max(float(y.abs().max()), torch.finfo(b.dtype).tiny))
    return max(distances)


def _sensitivity(call: Any, example: Example, expected: _Run) -> float:
    """Return the effect of the input's last bits: a model that amplifies rounding cannot be compared more closely."""
    try:
        return _distance(_Run(call, _disturbed(example)), expected)
    except Exception:
        return 0.0


def _disturbed(example: Example) -> Example:
    dice = torch.Generator().manual_seed(0)

    def of(x: Tensor) -> Tensor:
        if not x.is_floating_point() or not x.numel():
            return x
        scale = float(x.abs().max()) or 1.0
        return x + 2**-20 * scale * torch.randn(x.shape, generator=dice).to(x.dtype)

    disturbed: Example = pytree.tree_map_only(Tensor, of, example)
    return disturbed


def _larger(fast: Optimized, example: Example) -> Example | None:
    """Return the example with all open sizes of the graph doubled, or None."""
    leaves, spec = pytree.tree_flatten(example)
    tensors = [x for x in leaves if isinstance(x, Tensor)]

    def doubled(axes: list[int]) -> list[Any]:
        return [x.repeat(*(1 + (i in axes) for i in range(x.dim()))) if isinstance(x, Tensor) else x for x in leaves]

    dims = max((x.dim() for x in tensors), default=0)
    axes = [i for i in range(dims) if not fast._guard.failing(doubled([i]))]
    if not axes or fast._guard.failing(doubled(axes)):
        return None
    larger: Example = pytree.tree_unflatten(doubled(axes), spec)
    return larger
