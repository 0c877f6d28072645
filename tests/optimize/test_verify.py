"""fastcnn.optimize compares each graph with its model, and takes the next one where they differ."""

from __future__ import annotations

import copy
import re
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fastcnn
from fastcnn._optimize import build, functional
from tests.optimize.test_patterns import Apply, conv

X = torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(4))


def kept_copy(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    kept = y.clone()
    return m.b(y.relu_()) + kept


def drop_all_copies(graph: torch.fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.clone.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def test_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies go before writes in place do, which was a fault once: the graph that torch captured is run instead."""
    monkeypatch.setattr(functional, "obstacle", lambda graph: drop_all_copies(graph) or "")
    model = Apply(kept_copy, a=conv(), b=conv()).eval()
    fast = fastcnn.optimize(model, X)
    assert fast.report()[0].startswith("the whole model: its inference form gives other values")
    with torch.no_grad():
        torch.testing.assert_close(fast(X), model(X))


def test_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functional, "drop_copies", drop_all_copies)
    fast = fastcnn.optimize(Apply(lambda m, x: (m.a(x), x.clone()), a=conv()), X)
    assert fast.report()[0].startswith("the whole model: its inference form gives results that share memory")


def test_no_graph_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "difference", lambda *args, **kwargs: "gives nothing")
    with pytest.raises(fastcnn.BackendError, match="captures another function: its graph gives"):
        fastcnn.optimize(conv(), X)


def test_sizes_that_functionalisation_takes_for_constants() -> None:
    """torch's functionalisation builds the view anew behind the write, with the numbers of the doubled example."""

    def forward(m: Any, x: Tensor) -> Tensor:
        part = x.unbind(1)[0].mul_(2)
        return part.view(x.shape[0], x.shape[2], -1)

    model = Apply(forward)
    fast = fastcnn.optimize(model, X.clone())
    assert re.match(
        r"the whole model: its inference form gives .* of shape \(2, 6, 4\), not \(1, 6, 8\)", fast.report()[0]
    )
    for x in (X, torch.cat([X, X, X])[:, :, 1:]):
        assert torch.equal(fast(x.clone()), model(x.clone()))


def test_a_change_of_shape_behind_detach() -> None:
    """The shape of an argument's alias changes; the argument itself keeps its shape."""
    model = Apply(lambda m, x, y: (z := x.detach(), x.transpose_(-1, -2), m.a(z + z))[2], a=conv())
    fast = fastcnn.optimize(model, (X.clone(), X.clone()), dynamic=False)
    with torch.no_grad():
        torch.testing.assert_close(fast(X.clone(), X), model(X.clone(), X))


def test_results_are_apart_where_the_layout_makes_them_so() -> None:
    def forward(m: Any, x: Tensor) -> tuple[Tensor, ...]:
        ones = torch.ones(4)
        view = ones.expand(2, 4)
        ones.unsqueeze_(1).add_(1)  # seen in the view, so torch's functionalisation is needed
        y = nn.functional.gelu(x)
        return y, y.contiguous()[:, 1:], view

    fast = fastcnn.optimize(Apply(forward), X, dynamic=False)
    y, part, view = fast(X.to(memory_format=torch.channels_last))
    y.zero_()
    torch.testing.assert_close(part, nn.functional.gelu(X)[:, 1:])
    assert torch.equal(view, torch.full((2, 4), 2.0))


def test_a_copy_that_is_none_in_the_optimised_layout() -> None:
    def forward(m: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        y = m.a(x)
        return y[:, 2:], y.permute(0, 2, 3, 1).contiguous()

    example = X.to(memory_format=torch.channels_last)  # whose results do share memory
    part, whole = fastcnn.optimize(Apply(forward, a=conv()), example, dynamic=False)(X)
    before = whole.clone()
    part.zero_()
    assert torch.equal(whole, before)


def test_a_view_that_only_kernels_allow() -> None:
    """A norm's result is contiguous; for torch's stand-in it has its input's layout, which has no such view."""
    model = Apply(lambda m, x: m.a(x.permute(0, 2, 3, 1)).view(x.shape[0], -1), a=nn.BatchNorm2d(6)).eval()
    with torch.no_grad():
        expected = model(X)
    torch.testing.assert_close(fastcnn.optimize(model, X, dynamic=False)(X), expected)


def test_models_that_magnify_rounding() -> None:
    """Norms of images without contrast: their results are rounding errors, which nobody can compare."""
    blocks = [
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(4)) for _ in "1234"
    ]
    fast = fastcnn.optimize(nn.Sequential(*blocks), torch.full((1, 4, 8, 8), 0.3))
    assert not any("whole model" in line for line in fast.report())


def test_random_models_and_the_generator() -> None:
    model = Apply(lambda m, x: m.a(x) + torch.rand_like(x), a=conv())
    before = torch.get_rng_state()
    fast = fastcnn.optimize(model, X)
    assert torch.equal(before, torch.get_rng_state())
    assert not any("whole model" in line for line in fast.report())


def test_nothing_of_the_model_changes() -> None:
    model = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout())
    model.register_buffer("unused", torch.ones(2))
    before, pointers = copy.deepcopy(model.state_dict()), [b.data_ptr() for b in model.buffers()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastcnn.optimize(model, X)
    assert all(m.training for m in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert pointers == [b.data_ptr() for b in model.buffers()]
