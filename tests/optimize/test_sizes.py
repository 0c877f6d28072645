"""fastcnn.optimize on networks whose sizes torch.export reasons about slowly, or not at all."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import fastcnn
from fastcnn._optimize import capture
from tests.optimize.test_patterns import Apply


class Same(nn.Module):
    """TensorFlow's padding: the result is ceil(size / stride) wide."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, size, stride)

    def _pad(self, n: int) -> int:
        k, s = self.conv.kernel_size[0], self.conv.stride[0]
        return max((math.ceil(n / s) - 1) * s + k - n, 0)

    def forward(self, x: Tensor) -> Tensor:
        h, w = (self._pad(n) for n in x.shape[2:])
        return self.conv(functional.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))).relu()


@pytest.mark.slow
def test_same_padding() -> None:
    model = nn.Sequential(*[Same(k, 2) for k in (3, 1, 5, 3)]).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast = fastcnn.optimize(model, torch.randn(1, 4, 64, 64))
    with torch.no_grad():
        for size in ((1, 4, 64, 64), (2, 4, 75, 51), (3, 4, 33, 128)):
            x = torch.randn(size)
            torch.testing.assert_close(fast(x), model(x), rtol=1e-4, atol=1e-5)


def larger(m: Any, x: Tensor) -> Tensor:
    h, w = x.shape[2:]
    return m.a(functional.pad(x, (0, max(h - w, 1))))


def test_a_maximum_of_either() -> None:
    model = Apply(larger, a=nn.Conv2d(4, 4, 3)).eval()
    fast = fastcnn.optimize(model, torch.randn(1, 4, 6, 8))
    with torch.no_grad():
        for size in ((1, 4, 6, 8), (2, 4, 16, 8), (1, 4, 8, 8)):
            x = torch.randn(size)
            torch.testing.assert_close(fast(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", ["length", "time"])
def test_sizes_that_are_too_much(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound, here a low one, the batch size alone stays open."""
    if bound == "length":
        monkeypatch.setattr(capture, "_LONGEST", 5)
    else:
        monkeypatch.setitem(capture._SECONDS, "all", 0.0)
    model = Same(3, 2).eval()
    x = torch.randn(1, 4, 6, 8)
    with pytest.warns(UserWarning, match="optimize: batch size may differ from the example's"):
        fast = fastcnn.optimize(model, x)
    assert any("batch size may differ" in line for line in fast.report())
    with torch.no_grad():
        for i in (x, torch.randn(3, 4, 6, 8)):
            torch.testing.assert_close(fast(i), model(i), rtol=1e-4, atol=1e-5)
    with pytest.raises(fastcnn.ArgumentError, match=r"not .* of shape \(N, 4, 6, 8\)"):
        fast(torch.randn(1, 4, 8, 8))


def test_a_batch_of_one_that_has_code_of_its_own() -> None:
    """A graph for two images does not hold for one; that for one cannot be traced with open sizes."""

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.a(x)
        return y.unsqueeze_(0)[0] + 1 if x.shape[0] == 1 else y

    model = Apply(forward, a=nn.Conv2d(4, 4, 3)).eval()
    x = torch.randn(1, 4, 6, 8)
    with pytest.warns(UserWarning, match="sizes may not differ from the example's.*does not hold for the example"):
        fast = fastcnn.optimize(model, x)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model(x), rtol=1e-4, atol=1e-5)


def test_fixed_sizes_after_open_ones() -> None:
    """The model holds for batches of 1 and 4 alone; torch.export marks its arguments for good."""
    model = Apply(lambda m, x: x.view(x.shape[0], -1) + m.a.bias[:, None], a=nn.Conv2d(4, 4, 3)).eval()
    x = torch.randn(1, 4, 6, 8)
    with pytest.warns(UserWarning, match="sizes may not differ from the example's"):
        fast = fastcnn.optimize(model, x)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model(x))


def test_torch_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """torch logs tracebacks for sizes that it cannot solve; they are hidden from the user."""
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")

    def forward(m: Any, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            log.warning("Failed to reduce inequalities")
        return m.a(x)

    fastcnn.optimize(Apply(forward, a=nn.Conv2d(4, 4, 3)), torch.randn(1, 4, 6, 8))
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    log.warning("again")
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == ["again"]


def sum_of_pixels(m: Any, x: Tensor) -> Tensor:
    return torch.stack([pixel.relu() for pixel in x.flatten(1).unbind(1)[::8]]).sum(0)


def test_as_many_results_as_pixels() -> None:
    """torch compares a sum of sizes with each further result; this took it a minute."""
    model = Apply(sum_of_pixels).eval()
    with pytest.warns(UserWarning, match="depends on the product of several sizes"):
        fast = fastcnn.optimize(model, torch.randn(2, 4, 4, 6))
    x = torch.randn(5, 4, 4, 6)
    torch.testing.assert_close(fast(x), model(x))
