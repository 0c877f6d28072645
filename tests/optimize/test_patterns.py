"""fastcnn.optimize on small graphs, each with one thing to get right."""

# ruff: noqa: E501  (a pattern a line)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import fastcnn
from benchmarks.network_models import randomise_statistics
from fastcnn._optimize.steps import Concat, Convolution


class Apply(nn.Module):
    """Layers by name, and a function of them and the input."""

    def __init__(self, function: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


def conv(c: int = 4, k: int = 4, size: int = 3, **kwargs: Any) -> nn.Conv2d:
    return nn.Conv2d(c, k, size, padding=size // 2, **kwargs)


def gate(m: Any, x: Tensor) -> Tensor:
    return torch.sigmoid(m.c(x.mean((2, 3), keepdim=True)))


class Shift(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.arange(4.0))


def sequence(*layers: nn.Module) -> Apply:
    return Apply(lambda m, x: m.s(x), s=nn.Sequential(*layers))


X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))

# name: (module, how many convolutions it becomes)
PATTERNS: dict[str, tuple[nn.Module, int]] = {
    "conv bn relu": (sequence(conv(), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), 1),
    "bn without affine": (sequence(conv(bias=False), nn.BatchNorm2d(4, affine=False)), 1),
    "two bns": (sequence(conv(), nn.BatchNorm2d(4), nn.BatchNorm2d(4)), 1),
    "bn before conv": (sequence(nn.BatchNorm2d(4), nn.ReLU(), conv()), 2),
    "transposed bn groups": (sequence(nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), nn.BatchNorm2d(6), nn.SiLU()), 1),
    "depthwise": (sequence(conv(groups=4), nn.BatchNorm2d(4), nn.ReLU6()), 1),
    "linear bn": (sequence(conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU()), 2),
    "flatten to linear": (sequence(conv(), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(24, 5), nn.Tanh()), 2),
    "leaky relu": (sequence(conv(), nn.LeakyReLU(0.2)), 1),
    "elu": (sequence(conv(), nn.ELU(0.7)), 1),
    "hardswish": (sequence(conv(), nn.Hardswish()), 1),
    "hardsigmoid": (sequence(conv(), nn.Hardsigmoid()), 1),
    "softplus": (sequence(conv(), nn.Softplus()), 1),
    "two activations": (sequence(conv(), nn.Tanh(), nn.Sigmoid()), 2),
    "clamp": (Apply(lambda m, x: m.c(x).clamp(0, 0.5), c=conv()), 1),
    "clamp below": (Apply(lambda m, x: m.c(x).clamp(min=0), c=conv()), 1),
    "swish by hand": (Apply(lambda m, x: (y := m.c(x)) * torch.sigmoid(y), c=conv()), 1),
    "hardswish by hand": (Apply(lambda m, x: functional.hardsigmoid(y := m.c(x)) * y, c=conv()), 1),
    "swish seen elsewhere": (Apply(lambda m, x: ((y := m.c(x)) * torch.sigmoid(y), y), c=conv()), 2),
    "residual": (Apply(lambda m, x: functional.relu(m.a(x) + x), a=conv()), 1),
    "residual first": (Apply(lambda m, x: functional.relu(x + m.a(x)), a=conv()), 1),
    "residual of two": (Apply(lambda m, x: functional.relu_(m.a(x).add_(m.b(x))), a=conv(), b=conv()), 2),
    "residual behind activation": (Apply(lambda m, x: m.a(x).relu() + m.b(x).relu(), a=conv(), b=conv()), 3),
    "residual and activation": (Apply(lambda m, x: m.a(x) + m.b(x).relu(), a=conv(), b=conv()), 2),
    "residual of itself": (Apply(lambda m, x: (y := m.a(x)) + y, a=conv()), 1),
    "three summands": (Apply(lambda m, x: m.a(x) + m.b(x) + x, a=conv(), b=conv()), 3),
    "sum with a broadcast": (Apply(lambda m, x: m.a(x) + m.a(x).mean((2, 3), keepdim=True), a=conv()), 2),
    "squeeze-excite": (Apply(lambda m, x: m.p((y := m.a(x).relu()) * gate(m, y)), a=conv(), c=conv(size=1), p=conv(size=1)), 3),
    "gate seen by two": (Apply(lambda m, x: m.p(y := x * gate(m, x)) + m.a(y), a=conv(), c=conv(size=1), p=conv(size=1)), 3),
    "gate and residual": (Apply(lambda m, x: functional.relu((y := m.a(x)) * gate(m, y) + x), a=conv(), c=conv(size=1)), 3),
    "gate returned": (Apply(lambda m, x: x * gate(m, x), c=conv(size=1)), 2),
    "gate before grouped": (Apply(lambda m, x: m.g(x * gate(m, x)), c=conv(size=1), g=conv(groups=2)), 3),
    "constants": (Apply(lambda m, x: 2 * (m.c((x - 0.5) / 0.25) + 1) - m.s.shift.view(1, -1, 1, 1), c=conv(), s=Shift()), 2),
    "padding": (Apply(lambda m, x: m.c(functional.pad(x, (1, 2, 0, 3))), c=nn.Conv2d(4, 4, 3)), 1),
    "padding with ones": (Apply(lambda m, x: m.c(functional.pad(x, (1, 2, 0, 3), value=1.0)), c=nn.Conv2d(4, 4, 3)), 1),
    "same": (sequence(nn.Conv2d(4, 5, (2, 4), padding="same")), 1),
    "shared layer": (Apply(lambda m, x: m.a(m.a(x)), a=conv()), 2),
    "weight norm": (sequence(nn.utils.parametrizations.weight_norm(conv()), nn.BatchNorm2d(4)), 1),
    "dropout": (sequence(conv(), nn.Dropout(), nn.Dropout2d(inplace=True), nn.ReLU(inplace=True)), 1),
    "identity": (sequence(nn.Identity(), conv(), nn.Identity()), 1),
    "concatenation": (Apply(lambda m, x: m.b(torch.cat([m.a(x), x, m.a(x)], 1)), a=conv(), b=conv(12)), 3),
    "concatenation twice the same": (Apply(lambda m, x: torch.cat([y := m.a(x), y], 1), a=conv()), 1),
    "concatenations of each other": (Apply(lambda m, x: torch.cat([c := torch.cat([y := m.a(x), m.a(y)], 1), m.b(c), x], -3), a=conv(), b=conv(8)), 3),
    "concatenation in another order": (Apply(lambda m, x: (torch.cat([y := m.a(x), z := m.a(y)], 1), torch.cat([z, y], 1)), a=conv()), 2),
    "part returned": (Apply(lambda m, x: (torch.cat([y := m.a(x), x], 1), y), a=conv()), 1),
    "batch concatenation": (Apply(lambda m, x: torch.cat([m.a(x), m.a(x)], 0), a=conv()), 2),
    "up-sampling": (Apply(lambda m, x: m.a(functional.interpolate(m.a(x), scale_factor=2)), a=conv()), 2),
    "up-sampling unevenly": (Apply(lambda m, x: functional.interpolate(m.a(x), size=(3 * x.shape[2], x.shape[3] + 5)), a=conv()), 1),
    "up-sampling into a concatenation": (Apply(lambda m, x: torch.cat([x, functional.interpolate(m.a(functional.max_pool2d(x, 2)), size=x.shape[2:])], 1), a=conv()), 1),
    "pools": (Apply(lambda m, x: torch.cat([functional.max_pool2d(y := m.a(x), 3, 1, 1), functional.avg_pool2d(y, 3, 1, 1)], 1), a=conv()), 1),
    "views": (Apply(lambda m, x: m.a(x).chunk(2, 1)[1].flatten(2).transpose(1, 2), a=conv()), 1),
    "view written over later": (Apply(lambda m, x: (m.a(y := m.a(x)[:, :, 1:]) + y).flatten(1), a=conv()), 2),
    "left to torch": (Apply(lambda m, x: m.a(functional.gelu(m.a(x))).softmax(1), a=conv()), 2),
    "in place on a view": (Apply(lambda m, x: (y := m.a(x), y[:, :2].mul_(3), y)[2], a=conv()), 2),
    "computed weight": (Apply(lambda m, x: functional.conv2d(x, x[:1].mean((2, 3), keepdim=True)), a=conv()), 0),
}  # fmt: skip


def outputs(result: Any) -> list[Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


def check(model: nn.Module, fast: Any, *args: Any, **kwargs: Any) -> None:
    with torch.no_grad():
        expected = model(*args, **kwargs)
    for _ in range(3):
        got = fast(*args, **kwargs)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern(name: str) -> None:
    model, convolutions = PATTERNS[name]
    randomise_statistics(model).eval()
    fast = fastcnn.optimize(model, X)
    found = [m for m in fast.network.modules() if isinstance(m, Convolution)]
    assert len(found) == convolutions
    check(model, fast, X)
    check(model, fast, X.to(memory_format=torch.channels_last))
    check(model, fast, torch.randn(3, 4, 10, 6))
    check(model, fast, torch.randn(1, 4, 8, 10)[:, :, :, ::2])


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims: int) -> None:
    kinds = {1: (nn.Conv1d, nn.BatchNorm1d, nn.AvgPool1d, nn.ConvTranspose1d),
             3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.ConvTranspose3d)}[dims]  # fmt: skip
    convolution, norm, pool, transposed = kinds
    model = Apply(
        lambda m, x: torch.cat([y := m.a(x), m.t(m.p(y))], 1).mean(list(range(2, dims + 2))),
        a=nn.Sequential(convolution(3, 4, 3, padding=1), norm(4), nn.ReLU()), p=pool(2), t=transposed(4, 5, 2, 2),
    )  # fmt: skip
    randomise_statistics(model).eval()
    fast = fastcnn.optimize(model, torch.randn(1, 3, *[8] * dims))
    assert fast.report() == []
    check(model, fast, torch.randn(2, 3, *[6, 8, 10][:dims]))


def test_steps_share_packed_weights() -> None:
    fast = fastcnn.optimize(PATTERNS["shared layer"][0], X)
    packed = [m.packed for m in fast.network.modules() if isinstance(m, Convolution)]
    assert packed[0] is packed[1]


def test_report_names_module_and_op() -> None:
    model = nn.Sequential(conv(), nn.Sequential(nn.GELU()))
    fast = fastcnn.optimize(model, X)
    assert fast.report() == ["aten.gelu.default in 1.0"]
    assert "left to torch:\n    aten.gelu.default in 1.0" in repr(fast)


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()

    def forward(self, x: dict[str, Tensor], flag: int, *, extra: Tensor) -> dict[str, Any]:
        return {"sum": self.a(x["image"]) + extra, "all": [x["image"], (self.b(extra), flag)]}


def test_arguments_and_results_keep_their_structure() -> None:
    model = Structured()
    fast = fastcnn.optimize(model, ({"image": X}, 3), {"extra": X + 1})
    check(model, fast, {"image": X[:1] + 2}, 3, extra=X[:1])
    with pytest.raises(fastcnn.ArgumentError, match="optimize: expected arguments like the example's"):
        fast(X)
    with pytest.raises(fastcnn.ArgumentError, match=r"optimize: the graph .*: not 3 was a constant"):
        fast({"image": X}, 4, extra=X)


def test_steps_write_into_concatenations() -> None:
    model = PATTERNS["up-sampling into a concatenation"][0]
    fast = fastcnn.optimize(model, X)
    concat = next(n for n in fast.network.graph.nodes if isinstance(getattr(fast.network, str(n.target), None), Concat))
    fast(X)
    plan = next(iter(fast._plans.values()))
    assert [part.op for part, _ in plan.layout.copies[concat]] == ["placeholder"]
