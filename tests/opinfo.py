"""Runs PyTorch's own cases of an op, from its OpInfo database, through fastcnn's: samples, gradients and bad input.

A family's test file gives a table from OpInfo names to functions of `fastcnn.ops` and parametrises over `cases`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import ErrorInput, OpInfo, SampleInput

Op = Callable[..., Any]

# Some ops have a thousand samples; these many, spread over all, find what all do. Numerical derivatives are for small
# samples, and fewer.
MAX_SAMPLES = 120
MAX_ELEMENTS = 400
MAX_NUMERICAL = 12


def infos(table: dict[str, Op]) -> dict[str, OpInfo]:
    """The database's entries by name; a name that it lacks is an error in the table."""
    found = {info.name: info for info in op_db if info.name in table}
    missing = set(table) - set(found)
    assert not missing, f"no OpInfo called {missing}"
    return found


def cases(table: dict[str, Op], dtypes: list[torch.dtype]) -> list[Any]:
    """(OpInfo, fastcnn's function, dtype) as pytest parameters, for the dtypes that torch has."""
    return [
        pytest.param(info, table[name], dtype, id=f"{name}-{str(dtype).removeprefix('torch.')}")
        for name, info in infos(table).items()
        for dtype in dtypes
        if dtype in info.dtypes
    ]


def samples(info: OpInfo, dtype: torch.dtype, requires_grad: bool = False) -> list[SampleInput]:
    """torch's samples, whose random values are seeded."""
    torch.manual_seed(0)
    everything = list(info.sample_inputs("cpu", dtype, requires_grad=requires_grad))
    assert everything, "the database has no sample"
    return everything[:: -(-len(everything) // MAX_SAMPLES)]


def tensors(results: Any) -> list[torch.Tensor]:
    return [r for r in (results if isinstance(results, (tuple, list)) else (results,)) if isinstance(r, torch.Tensor)]


def _filled(sample: SampleInput, values: list[torch.Tensor]) -> list[Any]:
    """The sample's arguments with other values for those that require a gradient, in order."""
    arguments = (sample.input, *sample.args)
    return [values.pop(0) if isinstance(a, torch.Tensor) and a.requires_grad else a for a in arguments]


def check_samples(
    info: OpInfo, op: Op, dtype: torch.dtype, rtol: float | None = None, atol: float | None = None
) -> None:
    """Every sample's results equal torch's, within the tolerance of the dtype, shape and dtype included."""
    for sample in samples(info, dtype):
        got, expected = (
            op(sample.input, *sample.args, **sample.kwargs),
            info.op(sample.input, *sample.args, **sample.kwargs),
        )
        assert len(tensors(got)) == len(tensors(expected))
        for g, e in zip(tensors(got), tensors(expected), strict=True):
            torch.testing.assert_close(g, e, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m, s=sample: f"{m}\n{s}")


def check_rounded_once(info: OpInfo, op: Op, dtype: torch.dtype) -> None:
    """Every sample's result is torch's in float64, rounded once; torch's own is less exact on some CPUs."""

    def wide(value: Any) -> Any:
        return value.double() if isinstance(value, torch.Tensor) else value

    for sample in samples(info, dtype):
        got = op(sample.input, *sample.args, **sample.kwargs)
        exact = info.op(wide(sample.input), *map(wide, sample.args), **sample.kwargs)
        assert got.dtype == dtype
        atol = 3e-5 * float(exact.square().mean().sqrt()) if exact.numel() else 0.0
        torch.testing.assert_close(
            got.double(), exact, rtol=torch.finfo(dtype).eps / 2, atol=atol, msg=lambda m, s=sample: f"{m}\n{s}"
        )


def check_gradients(info: OpInfo, op: Op, dtype: torch.dtype = torch.float64) -> None:
    """First derivatives equal torch's; first and second ones of the small samples equal numerical ones."""
    everything = samples(info, dtype, requires_grad=True)
    step = -(-len(everything) // MAX_NUMERICAL)
    for number, sample in enumerate(everything):
        inputs = [t for t in (sample.input, *sample.args) if isinstance(t, torch.Tensor) and t.requires_grad]
        mine = [r for r in tensors(op(sample.input, *sample.args, **sample.kwargs)) if r.requires_grad]
        theirs = [r for r in tensors(info.op(sample.input, *sample.args, **sample.kwargs)) if r.requires_grad]
        assert len(mine) == len(theirs) > 0, str(sample)
        weights = [torch.randn_like(r) for r in theirs]
        got = torch.autograd.grad(mine, inputs, weights, allow_unused=True)
        expected = torch.autograd.grad(theirs, inputs, weights, allow_unused=True)
        for g, e in zip(got, expected, strict=True):
            torch.testing.assert_close(g, e, msg=lambda m, s=sample: f"{m}\n{s}")
        if number % step or not 0 < sum(t.numel() for t in inputs) <= MAX_ELEMENTS:
            continue

        def run(*values: torch.Tensor, sample: SampleInput = sample) -> tuple[torch.Tensor, ...]:
            filled = _filled(sample, list(values))
            return tuple(r for r in tensors(op(*filled, **sample.kwargs)) if r.is_floating_point())

        torch.autograd.gradcheck(run, inputs, fast_mode=True, check_forward_ad=True)
        torch.autograd.gradgradcheck(run, inputs, fast_mode=True, check_fwd_over_rev=True)


def check_errors(info: OpInfo, op: Op, accepted: Callable[[ErrorInput], bool] = lambda _: False) -> int:
    """Check that inputs torch rejects raise an error that starts with the op's name; return their number.

    `accepted` selects the inputs that torch rejects and fastcnn accepts on purpose.
    """
    count = 0
    for error in info.error_inputs("cpu"):
        sample = error.sample_input
        if accepted(error):
            continue
        # A wrong dtype is a TypeError here, a RuntimeError to torch.
        with pytest.raises((error.error_type, TypeError)) as caught:
            op(sample.input, *sample.args, **sample.kwargs)
        text = str(caught.value)
        assert text.startswith(f"{op.__name__}: "), f"{text!r} does not name the op, for {sample}"
        count += 1
    return count
