"""What every model must give in every form."""

from __future__ import annotations

import torch

import fastcnn


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    """To 1e-4 of the largest: dozens of layers, each of sums of thousands in another order."""
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def check_graphs(model: torch.nn.Module, x: torch.Tensor) -> None:
    """Compiled whole, exported and optimised: the same."""
    with torch.no_grad():
        expected = model(x)
        torch._dynamo.reset()
        for run in (
            torch.compile(model, fullgraph=True, backend="aot_eager"),
            torch.export.export(model, (x,)).module(),
            fastcnn.optimize(model, x),
        ):
            close(run(x), expected)
