"""The optimised module: threads, memory, export, copies, errors."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from typing import Any

import pytest
import torch
from torch import nn

import fastcnn
from benchmarks import network_models


@pytest.fixture(scope="module")
def unet() -> tuple[nn.Module, Any, torch.Tensor]:
    torch.manual_seed(0)
    model = network_models.randomise_statistics(network_models.UNet(base=4, levels=2)).eval()
    x = torch.randn(2, 3, 16, 24)
    return model, fastcnn.optimize(model, x), x


def close(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_results_are_the_callers(unet: Any) -> None:
    """No result shares memory with another, with the arena or with the input, and none changes later."""
    _, fast, x = unet
    first = fast(x)
    before = first.clone()
    second = fast(x + 1)
    arena = fast._arenas[0].memory
    assert first.untyped_storage().data_ptr() not in (second.untyped_storage().data_ptr(), arena.data_ptr())
    assert torch.equal(first, before)
    assert not first.requires_grad
    first += 1
    assert torch.equal(fast(x), before)


def test_intermediates_share_memory(unet: Any) -> None:
    _, fast, x = unet
    fast(x)
    plan = next(reversed(fast._plans.values()))
    blocks = [h for h in plan.layout.homes.values() if not h.returned]
    assert plan.layout.arena < 0.6 * sum(h.size for h in blocks)
    for i, a in enumerate(blocks):
        for b in blocks[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


def test_threads(unet: Any) -> None:
    model, fast, _ = unet
    inputs = [torch.randn(1 + i % 2, 3, 16, 8 * (2 + i % 3)) for i in range(6)]
    with torch.no_grad():
        expected = [model(i) for i in inputs]
    single = [fast(i) for i in inputs]
    failures: list[str] = []

    def work(offset: int) -> None:
        for k in range(30):
            i = (k + offset) % len(inputs)
            if not torch.equal(fast(inputs[i]), single[i]):
                failures.append(f"input {i}")

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    close(single, expected)
    assert len(fast._arenas) <= 5
    fast.release()
    assert not fast._arenas
    close(fast(inputs[0]), expected[0])


def test_number_of_threads_does_not_matter(unet: Any) -> None:
    _, fast, x = unet
    before = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(fast(x))
        assert torch.equal(*results)
    finally:
        torch.set_num_threads(before)


def test_plans_are_forgotten(unet: Any) -> None:
    _, fast, _ = unet
    for n in range(1, 40):
        fast(torch.ones(n, 3, 4, 4))
    assert len(fast._plans) <= 32
    assert all(len(a.programs) <= 32 for a in fast._arenas)


@pytest.mark.filterwarnings("ignore:The given buffer is not writable")  # torch 2.10's own, when it loads
def test_export(unet: Any) -> None:
    """Exported again, saved and loaded, with other batch and image sizes."""
    model, fast, x = unet
    dims = {0: torch.export.Dim("n"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(fast, (x,), dynamic_shapes=((dims,),))
    assert not any("conv2d" in str(n.target) for n in program.graph.nodes)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    with torch.no_grad():
        for i in (x, torch.randn(3, 3, 24, 32)):
            close(loaded(i), model(i))


def test_compile(unet: Any) -> None:
    model, fast, x = unet
    torch._dynamo.reset()
    compiled = torch.compile(fast, fullgraph=True, backend="aot_eager", dynamic=True)
    with torch.no_grad():
        for i in (x, torch.randn(3, 3, 24, 32)):
            close(compiled(i), model(i))


@pytest.mark.filterwarnings("ignore:.*LeafSpec")  # from torch's own unpickling
def test_copies(unet: Any) -> None:
    model, fast, x = unet
    with torch.no_grad():
        for again in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
            close(again(x), model(x))
            assert again.report() == fast.report()


def test_model_is_untouched() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU(inplace=True)).train()
    model[2].eval()
    state = copy.deepcopy(model.state_dict())
    fast = fastcnn.optimize(model, torch.ones(2, 3, 8, 8))
    assert [m.training for m in model] == [True, True, False, True]
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))
    before = fast(torch.ones(1, 3, 8, 8))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert torch.equal(fast(torch.ones(1, 3, 8, 8)), before)


def test_converted_model() -> None:
    """fastcnn's layers are captured as torch's."""
    model, x = network_models.create("resnet18", size=32)
    with torch.no_grad():
        expected = model(x)
    fast = fastcnn.optimize(fastcnn.convert(model), x)
    assert fast.report() == []
    torch.testing.assert_close(fast(x), expected, rtol=1e-3, atol=1e-3)


def test_weights_are_held_packed_only() -> None:
    model = nn.Sequential(nn.Conv2d(64, 64, 3), nn.ReLU())
    fast = fastcnn.optimize(model, torch.ones(1, 64, 8, 8))
    assert not list(fast.parameters())
    assert not fast.state_dict()
    packed = fast.network.convolution_0.packed
    assert packed._weight is None
    assert fast.network.convolution_0.weight is None


def test_inference_mode_and_grad(unet: Any) -> None:
    model, fast, x = unet
    with torch.inference_mode():
        close(fast(x.clone()), model(x))
    assert not fast(x.clone().requires_grad_()).requires_grad


def test_static() -> None:
    model = nn.Conv2d(3, 4, 3)
    fast = fastcnn.optimize(model, torch.ones(1, 3, 8, 8), dynamic=False)
    close(fast(torch.ones(1, 3, 8, 8)), model(torch.ones(1, 3, 8, 8)).detach())
    with pytest.raises(fastcnn.ArgumentError, match="does not hold for these inputs"):
        fast(torch.ones(2, 3, 8, 8))


class Picky(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] if x.shape[2] % 8 == 0 else x


class Curious(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"optimize: expected model to be a torch\.nn\.Module, got int"):
        fastcnn.optimize(3, torch.ones(1))  # type: ignore[arg-type]  # on purpose
    fast = fastcnn.optimize(Picky(), torch.ones(1, 3, 8, 8))
    assert fast(torch.ones(1, 3, 16, 9)).shape == (1, 1, 16, 9)
    with pytest.raises(fastcnn.ArgumentError, match="optimize: the graph captured from the example does not hold"):
        fast(torch.ones(1, 3, 9, 8))
    with pytest.raises(fastcnn.BackendError, match=r"optimize: torch\.export cannot capture the model"):
        fastcnn.optimize(Curious(), torch.ones(1, 3, 8, 8))
    with pytest.raises(fastcnn.ArgumentError, match="optimize: expected tensors on the CPU, got one on meta"):
        fast(torch.ones(1, 3, 8, 8, device="meta"))
