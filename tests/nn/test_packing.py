"""The packed copy of a layer's weight: which changes it notices, and which calls pass it by."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import parametrizations

import fastcnn.nn
from fastcnn.nn import convolution

X = torch.linspace(-1, 1, 2 * 4 * 9 * 9).reshape(2, 4, 9, 9)


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every packed convolution that is made."""
    made: list[Any] = []

    class Counted(convolution.PackedConvolution):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(convolution, "PackedConvolution", Counted)
    return made


def layer(**kwargs: Any) -> fastcnn.nn.Conv2d:
    return fastcnn.nn.Conv2d(4, 8, 3, **kwargs).eval()


def expected(conv: torch.nn.Conv2d, x: torch.Tensor = X) -> torch.Tensor:
    with torch.no_grad():
        return torch.nn.functional.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)


def check(conv: torch.nn.Conv2d) -> None:
    with torch.no_grad():
        torch.testing.assert_close(conv(X), expected(conv), rtol=1e-4, atol=1e-5)


def test_packed_once(packs: list[Any]) -> None:
    conv = layer()
    check(conv)
    check(conv)
    with torch.inference_mode():
        conv(X.clone())
    assert len(packs) == 1
    conv.requires_grad_(False)
    torch.testing.assert_close(conv(X), expected(conv), rtol=1e-4, atol=1e-5)
    assert len(packs) == 1


def load(conv: Any) -> None:
    conv.load_state_dict(layer().state_dict())


def assign(conv: Any) -> None:
    conv.load_state_dict(layer().state_dict(), assign=True)


def replace(conv: Any) -> None:
    conv.weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))


def replace_bias(conv: Any) -> None:
    conv.bias = None


def step(conv: Any) -> None:
    optimizer = torch.optim.SGD(conv.parameters(), lr=1.0)
    conv(X).square().mean().backward()
    optimizer.step()


def fused_step(conv: Any) -> None:
    optimizer = torch.optim.Adam(conv.parameters(), lr=1.0, fused=True)
    conv(X).square().mean().backward()
    optimizer.step()


def in_place(conv: Any) -> None:
    with torch.no_grad():
        conv.weight.mul_(2)


def bias_in_place(conv: Any) -> None:
    with torch.no_grad():
        conv.bias.add_(2)


def initialise(conv: Any) -> None:
    torch.nn.init.kaiming_normal_(conv.weight)


def new_data(conv: Any) -> None:
    """Twice, so that the allocator hands the first address out again."""
    conv.weight.data = torch.randn(8, 4, 3, 3)
    conv.weight.data = torch.randn(8, 4, 3, 3)


def there_and_back(conv: Any) -> None:
    conv.half().float()


def stride(conv: Any) -> None:
    conv.stride = (2, 1)


def written_and_repacked(conv: Any) -> None:
    conv.weight.detach().numpy()[:] = 1
    conv.repack()


CHANGES: list[Callable[[Any], None]] = [
    load, assign, replace, replace_bias, step, fused_step, in_place, bias_in_place, initialise, new_data,
    there_and_back, stride, written_and_repacked,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_noticed(change: Callable[[Any], None], packs: list[Any]) -> None:
    conv = layer()
    check(conv)
    before = expected(conv)
    change(conv)
    assert before.shape != expected(conv).shape or not torch.allclose(before, expected(conv), rtol=1e-6, atol=1e-6)
    check(conv)
    assert len(packs) == 2


def test_to_another_dtype() -> None:
    conv = layer()
    check(conv)
    conv.double()
    with torch.no_grad():
        got = conv(X.double())
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, expected(conv, X.double()))


def test_not_noticed_without_repack() -> None:
    """As documented, torch does not count a write through NumPy. If it did, repack would be superfluous."""
    conv = layer()
    check(conv)
    before = expected(conv)
    conv.weight.detach().numpy()[:] = 1
    with torch.no_grad():
        torch.testing.assert_close(conv(X), before, rtol=1e-4, atol=1e-5)
    conv.repack()
    check(conv)


def test_outside_state_and_copies(packs: list[Any]) -> None:
    conv = layer()
    check(conv)
    assert set(conv.state_dict()) == {"weight", "bias"}
    assert not [name for name in copy.deepcopy(conv).__dict__ if "packed" in name]
    assert not [name for name in conv.__getstate__() if "packed" in name]
    clone = copy.deepcopy(conv)
    in_place(clone)
    check(clone)
    check(conv)


def test_train_forgets(packs: list[Any]) -> None:
    conv = layer()
    check(conv)
    conv.train()
    assert not [name for name in conv.__dict__ if "packed" in name]
    check(conv)
    assert len(packs) == 1


def call_with_grad(conv: Any) -> torch.Tensor:
    y = conv(X)
    assert y.requires_grad
    return y.detach()


def call_under_autocast(conv: Any) -> torch.Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = conv(X)
    assert y.dtype == torch.bfloat16
    return y.float()


def call_compiled(conv: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.compile(conv, fullgraph=True, backend="aot_eager")(X)


def call_exported(conv: Any) -> torch.Tensor:
    with torch.no_grad():
        program = torch.export.export(conv, (X,))
    return program.module()(X)


def call_functionally(conv: Any) -> torch.Tensor:
    values = {name: 1 * value.detach() for name, value in conv.named_parameters()}
    with torch.no_grad():
        return torch.func.functional_call(conv, values, (X,))


def call_vmapped(conv: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.vmap(conv)(X[:, None]).squeeze(1)


def call_forward_ad(conv: Any) -> torch.Tensor:
    value, tangent = torch.func.jvp(lambda x: conv(x), (X,), (X,))
    torch.testing.assert_close(tangent, expected(conv) - conv.bias.detach()[:, None, None], rtol=1e-4, atol=1e-5)
    return value.detach()


def call_watched(conv: Any) -> torch.Tensor:
    class Mode(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Mode():
        return conv(X)


def call_inference_weights(conv: Any) -> torch.Tensor:
    with torch.inference_mode():
        made_here = fastcnn.nn.Conv2d(4, 8, 3).eval()
        made_here.load_state_dict(conv.state_dict())
        return made_here(X).clone()


CALLS: list[Callable[[Any], torch.Tensor]] = [
    call_with_grad, call_under_autocast, call_compiled, call_exported, call_functionally, call_vmapped,
    call_watched, call_inference_weights,
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.__name__)
def test_passed_by(call: Callable[[Any], torch.Tensor], packs: list[Any]) -> None:
    conv = layer()
    tolerance = 2e-2 if call is call_under_autocast else 1e-4
    torch.testing.assert_close(call(conv), expected(conv), rtol=tolerance, atol=tolerance)
    assert packs == []


def test_functional_call_with_parameters() -> None:
    """Other Parameters are another identity: the right result, and the layer's own afterwards."""
    conv, other = layer(), layer()
    check(conv)
    with torch.no_grad():
        got = torch.func.functional_call(conv, dict(other.named_parameters()), (X,))
    torch.testing.assert_close(got, expected(other), rtol=1e-4, atol=1e-5)
    check(conv)


def test_parametrised(packs: list[Any]) -> None:
    """The weight is a fresh tensor at every call: nothing is kept, and changes show."""
    conv = parametrizations.weight_norm(layer())
    check(conv)
    with torch.no_grad():
        conv.parametrizations.weight.original0.mul_(3)
    check(conv)
    assert packs == []
    torch.nn.utils.parametrize.remove_parametrizations(conv, "weight")
    check(conv)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_old_weight_norm(packs: list[Any]) -> None:
    conv = torch.nn.utils.weight_norm(layer())
    check(conv)
    with torch.no_grad():
        conv.weight_g.mul_(3)
        conv(X)  # the hook computes the weight
    check(conv)
    assert packs == []


def test_threads() -> None:
    """Calls at once, while another thread replaces the weight: each result is that of one of the weights."""
    conv = layer()
    weights = [torch.nn.Parameter(torch.randn(8, 4, 3, 3), requires_grad=False) for _ in range(2)]
    conv.requires_grad_(False)
    conv.weight = weights[0]
    allowed = [torch.nn.functional.conv2d(X, w, conv.bias) for w in weights]
    failures: list[str] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            y = conv(X)
            if not any(torch.allclose(y, a, rtol=1e-4, atol=1e-5) for a in allowed):
                failures.append("a result of neither weight")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(200):
        conv.weight = weights[i % 2]
    stop.set()
    for t in threads:
        t.join()
    assert not failures
