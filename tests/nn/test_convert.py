"""fastcnn.convert on module trees that nobody here wrote."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import fastcnn
from tests import model_zoo


def test_same_objects() -> None:
    """Parameters, hooks, sharing and references from elsewhere survive; the optimiser goes on."""
    shared = torch.nn.Conv2d(3, 3, 3, padding=1)
    model = torch.nn.Sequential(shared, torch.nn.ReLU(), shared, torch.nn.MaxPool2d(2))
    elsewhere = [shared]
    calls: list[str] = []
    handle = shared.register_forward_hook(lambda *_: calls.append("hook"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    parameters = [id(p) for p in model.parameters()]
    x = torch.randn(1, 3, 8, 8)
    expected = model(x)
    calls.clear()
    assert fastcnn.convert(model) is model
    assert model[0] is model[2]
    assert model[0] is elsewhere[0]
    assert type(elsewhere[0]) is fastcnn.nn.Conv2d
    assert [id(p) for p in model.parameters()] == parameters
    y = model(x)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert calls == ["hook", "hook"]
    handle.remove()
    before = shared.weight.detach().clone()
    y.sum().backward()
    optimizer.step()
    assert not torch.equal(before, shared.weight)
    assert len(calls) == 2


def test_the_model_itself() -> None:
    conv = torch.nn.Conv2d(3, 4, 3)
    assert type(fastcnn.convert(conv)) is fastcnn.nn.Conv2d
    assert type(conv) is fastcnn.nn.Conv2d
    assert fastcnn.convert(conv) is conv


class Special(torch.nn.Conv2d):
    pass


LEFT: list[Callable[[], torch.nn.Module]] = [
    lambda: Special(3, 4, 3),
    lambda: torch.nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
    lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 4, 3)),
    lambda: torch.nn.LazyConv2d(4, 3),
]


@pytest.mark.parametrize("make", LEFT)
def test_left(make: Callable[[], torch.nn.Module]) -> None:
    model = torch.nn.Sequential(make())
    before = type(model[0])
    assert type(fastcnn.convert(model)[0]) is before


def test_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"convert: expected model to be a torch\.nn\.Module, got int"):
        fastcnn.convert(3)  # type: ignore[type-var]  # on purpose


@pytest.mark.parametrize("name", model_zoo.NAMES)
def test_zoo(name: str) -> None:
    """Inference in both layouts, and a training step: the same results and gradients as torch's."""
    model, x = model_zoo.create(name)
    converted = fastcnn.convert(copy.deepcopy(model))
    left = [m for m in converted.modules() if type(m).__module__.startswith("torch.nn.modules.conv")]
    assert not left
    with torch.no_grad():
        expected = model.eval()(x)
        scale = float(expected.square().mean().sqrt())
        for layout in (torch.contiguous_format, torch.channels_last):
            got = converted.eval()(x.to(memory_format=layout))
            torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3 * scale)

    def gradients(m: torch.nn.Module, image: torch.Tensor) -> dict[str, Any]:
        # Batch norm stays in eval mode: statistics over few pixels would amplify rounding without bound.
        m.double()(image.double()).square().mean().backward()
        return {n: p.grad for n, p in m.named_parameters()}

    ours, theirs = gradients(converted, x), gradients(model, x)
    for n, expected_gradient in theirs.items():
        torch.testing.assert_close(ours[n], expected_gradient, rtol=1e-6, atol=1e-8, msg=lambda m, n=n: f"{n}: {m}")
