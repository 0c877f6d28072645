"""Checks for every model in every form: compiled, exported and optimised."""

from __future__ import annotations

import torch

import fastcnn


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare to 1e-4 of the largest value: dozens of layers each sum thousands of terms in another order."""
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def check_graphs(model: torch.nn.Module, x: torch.Tensor) -> None:
    """The model compiled as one graph, exported and optimised gives the same result."""
    with torch.no_grad():
        expected = model(x)
        torch._dynamo.reset()
        for run in (
            torch.compile(model, fullgraph=True, backend="aot_eager"),
            torch.export.export(model, (x,)).module(),
            fastcnn.optimize(model, x),
        ):
            close(run(x), expected)
