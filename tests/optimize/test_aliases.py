"""fastcnn.optimize where values share memory: torch's own results, and whose memory they are."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

import fastcnn
from tests.optimize.test_patterns import Apply, conv

X = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(3))


def with_write(write: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """The stem's result is kept as a copy, then written to."""

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.a(x)
        kept = y.clone()
        write(y)
        return m.b(y) + kept

    return forward


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = conv()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return self.a(x) * self.calls, self.calls.clone()


def to_half(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    y[:, :2] = y[:, 2:]
    return y


FORWARDS: dict[str, Callable[..., Any]] = {
    "relu_": with_write(lambda y: functional.relu_(y)),
    "add_": with_write(lambda y: y.add_(1)),
    "mul_": with_write(lambda y: y.mul_(3)),
    "copy_": with_write(lambda y: y.copy_(y * 2)),
    "a view": with_write(lambda y: y.view(2, -1).add_(1)),
    "a slice": with_write(lambda y: y[:, :2].zero_()),
    "halves": to_half,
    "copy of the input": lambda m, x: (k := x.clone(), m.a(k.add_(1)), x + 1)[1:],
    "copy returned": lambda m, x: (y := m.a(x), y.clone(), y.relu_())[1:],
    "copy of the input returned": lambda m, x: (x.clone(), m.a(x)),
    "two copies returned": lambda m, x: (x.clone(), x.clone()),
    "contiguous input returned": lambda m, x: (x.contiguous(), m.a(x)),
    "contiguous copy of the input returned": lambda m, x: (x.clone().contiguous(), m.a(x)),
    "detached input of another shape": lambda m, x: (y := x.detach(), y.unsqueeze_(1), m.a(x), y + 1)[2:],
    "input written": lambda m, x: m.a(x.add_(1)),
    "input written and returned": lambda m, x: (x.mul_(2), m.a(x)),
    "part of the input written": lambda m, x: (x[:, :1].zero_(), m.a(x))[1],
    "view kept of what is written": lambda m, x: (y := m.a(x), v := y[:, 1:], y.add_(1), m.b(y), v)[3:],
    "dropout is its argument": lambda m, x: (y := m.a(x), functional.dropout(y, training=False).add_(1), m.b(y))[2],
    "constant returned": lambda m, x: (m.a(x), m.a.bias * 2, torch.zeros(3)),
    "parameter returned": lambda m, x: (m.a(x), m.a.bias),
    "constant written": lambda m, x: m.a(x) + torch.ones(4, 1, 1).mul_(2),
    "assigned channels": lambda m, x: (y := m.a(x), z := torch.zeros_like(y), z[:, 1:].copy_(y[:, 1:]), m.b(z))[3],
    "rows as a result": lambda m, x: m.a(x).view(x.shape[0], -1),
    "shuffled channels": lambda m, x: m.b(m.a(x).view(x.shape[0], 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape)),
    "pixels shuffled by views": lambda m, x: (
        m.a(x).view(x.shape[0], 1, 2, 2, *x.shape[2:]).permute(0, 1, 4, 2, 5, 3).reshape(x.shape[0], 1, 12, 16)
    ),
    "strides meant": lambda m, x: m.a(x).as_strided((2, 3, 4), (192, 8, 1)),
}  # fmt: skip


def check(model: nn.Module, fast: nn.Module, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Values, what becomes of the input, and what shares memory with it."""
    ours = x.clone()
    with torch.no_grad():
        expected = pytree.tree_leaves(model(x))
    got = pytree.tree_leaves(fast(ours))
    torch.testing.assert_close(got, [e.detach() for e in expected], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-5)

    def shared(results: list[Tensor], argument: Tensor) -> list[bool]:
        return [r.untyped_storage().data_ptr() == argument.untyped_storage().data_ptr() for r in results]

    assert shared(got, ours) == shared(expected, x)
    return got, expected


@pytest.mark.filterwarnings("ignore:optimize. sizes may not differ")  # behind unsqueeze_
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("name", FORWARDS)
def test_forward(name: str, dynamic: bool) -> None:
    torch.manual_seed(0)
    model = Apply(FORWARDS[name], a=conv(), b=conv()).eval()
    fast = fastcnn.optimize(model, X.clone(), dynamic=dynamic)
    kept = [check(model, fast, X.clone()) for _ in range(2)]
    for got, expected in kept:
        torch.testing.assert_close(got, [e.detach() for e in expected], rtol=1e-4, atol=1e-5)


def test_contiguous_is_a_copy_in_another_layout() -> None:
    model = Apply(lambda m, x, y: (x.add_(1), y.contiguous(), m.a(y))[1:], a=conv()).eval()
    fast = fastcnn.optimize(model, (X.clone(), X.clone()))
    y = X.to(memory_format=torch.channels_last)
    result = fast(X.clone(), y)[0]
    assert result.data_ptr() != y.data_ptr()
    assert torch.equal(result, y)


@pytest.mark.parametrize("example", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: (y := x.contiguous(), x.relu_(), m.a(y))[2],
        lambda m, x: (y := x.contiguous(), y.relu_(), m.a(x))[2],
        lambda m, x: (y := x.reshape(-1), x.relu_(), m.a(x), y)[2:],
        lambda m, x: (y := x * 2, z := y.contiguous(), z.relu_(), y)[3],
    ],
)
def test_writes_to_copies_by_layout(forward: Callable[..., Any], example: torch.memory_format) -> None:
    """Both layouts, whichever the example has: what is a view in the one is a copy in the other."""
    model = Apply(forward, a=conv()).eval()
    fast = fastcnn.optimize(model, X.clone(memory_format=example))
    for layout in (torch.contiguous_format, torch.channels_last):
        check(model, fast, X.clone(memory_format=layout))


@pytest.mark.parametrize("dynamic", [True, False])
def test_constants_made_of_sizes_are_the_callers(dynamic: bool) -> None:
    fast = fastcnn.optimize(Apply(lambda m, x: torch.zeros(x.shape)), X, dynamic=dynamic)
    fast(X).fill_(7)
    assert not fast(X).any()


def test_an_image_without_a_batch_is_pooled() -> None:
    """A layer's two-dimensional result is one image to the pool."""

    def forward(m: Any, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(m.a(x.mean((2, 3))).split([1, 3], 1)[1], 1)

    model = Apply(forward, a=nn.Linear(4, 4)).eval()
    fast = fastcnn.optimize(model, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(model, fast, X.clone())


def test_arguments_that_change_shape() -> None:
    model = Apply(lambda m, x: m.a(x.unsqueeze_(0)[0]), a=conv()).eval()
    with pytest.raises(fastcnn.BackendError, match="cannot capture the model: it changes the shape of an argument"):
        fastcnn.optimize(model, X.clone())


def test_sizes_behind_a_change_of_shape() -> None:
    """torch.export would take them for the example's."""
    model = Apply(lambda m, x: (y := m.a(x), y.unsqueeze_(1), y.new_zeros(y.shape))[2], a=conv()).eval()
    with pytest.warns(UserWarning, match="sizes may not differ .*torch.export takes the sizes behind unsqueeze_"):
        fast = fastcnn.optimize(model, X)
    assert fast(X).shape == model(X).shape
    with pytest.raises(fastcnn.ArgumentError, match="does not hold for these inputs"):
        fast(torch.cat([X, X, X]))


def test_copies_cost_nothing_where_nobody_sees_them() -> None:
    model = Apply(FORWARDS["relu_"], a=conv(), b=conv()).eval()
    assert fastcnn.optimize(model, X).report() == []


def test_state_is_the_optimised_models_own() -> None:
    model = Counting().eval()
    fast = fastcnn.optimize(model, X)
    assert float(model.calls) == 0
    first, second = fast(X), fast(X)
    assert [float(first[1]), float(second[1])] == [1, 2]
    torch.testing.assert_close(second[0], 2 * first[0])
    again = copy.deepcopy(fast)
    assert float(fast(X)[1]) == float(again(X)[1]) == 3
    assert float(model.calls) == 0


def test_gradients_of_the_model_stay_on() -> None:
    model = nn.Sequential(conv(), nn.GroupNorm(2, 4))
    fastcnn.optimize(model, X)
    assert all(p.requires_grad for p in model.parameters())


def test_written_arguments_must_be_apart() -> None:
    model = Apply(lambda m, x, y: m.a(x.add_(1)) + y, a=conv()).eval()
    fast = fastcnn.optimize(model, (X.clone(), X.clone()))
    x = X.clone()
    with pytest.raises(fastcnn.ArgumentError, match=r"optimize: expected .*0.*, which the model writes to"):
        fast(x, x)


def test_inference_mode() -> None:
    with torch.inference_mode():
        model = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval()
        x = X.clone()
        expected = model(x)
        fast = fastcnn.optimize(model, x)
    assert fast.report() == []
    torch.testing.assert_close(fast(X), expected.clone(), rtol=1e-4, atol=1e-5)


def test_arguments_of_another_kind() -> None:
    fast = fastcnn.optimize(nn.Sequential(conv()), X)
    with pytest.raises(fastcnn.ArgumentError, match=r"expected input of torch\.float32, as the example's, got .*64"):
        fast(X.double())
    with pytest.raises(fastcnn.ArgumentError, match=r"expected input of 4 dimensions, got shape \(4, 6, 8\)"):
        fast(X[0])
    with pytest.raises(fastcnn.ArgumentError, match="expected input to be a tensor"):
        fast(3)


class Replacing(nn.Module):
    """Assigns a new tensor to a buffer, and returns the old one."""

    def __init__(self) -> None:
        super().__init__()
        self.average: Tensor
        self.register_buffer("average", torch.linspace(0.5, 1, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        old = self.average
        self.average = x.sigmoid_().mean((0, 2, 3))
        return old, x * self.average[:, None, None]


def test_a_replaced_buffer_is_returned_as_it_was() -> None:
    model = Replacing().eval()
    fast = fastcnn.optimize(model, torch.randn(2, 4, 5, 6), dynamic=False)
    for _ in range(3):
        x = torch.randn(2, 4, 5, 6)
        for got, expected in zip(fast(x.clone()), model(x), strict=True):
            torch.testing.assert_close(got, expected)


def test_the_reason_of_a_refusal_needs_no_gradient() -> None:
    """The model runs only without gradients: it writes to a view of a parameter."""

    def forward(m: Any, x: Tensor) -> Tensor:
        x.unsqueeze_(0)
        m.a.weight[0].mul_(1)
        return x * 2

    with pytest.raises(fastcnn.BackendError, match="it changes the shape of an argument"):
        fastcnn.optimize(Apply(forward, a=nn.Conv2d(4, 4, 1)).eval(), torch.randn(1, 4, 5, 6))
