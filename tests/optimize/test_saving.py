"""Optimised models as files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

import fastcnn
from benchmarks import network_models
from tests.optimize.test_aliases import Counting
from tests.optimize.test_patterns import Apply, Structured, X, conv

KEY = "fastcnn.optimized"


def again(fast: Any, folder: Path) -> Any:
    fast.save(folder / "model.safetensors")
    return fastcnn.load_optimized(folder / "model.safetensors")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet-b0", "unet32"])
def test_networks(name: str, tmp_path: Path) -> None:
    model, x = network_models.create(name, size=32)
    fast = fastcnn.optimize(model, x)
    loaded = again(fast, tmp_path)
    assert loaded.report() == fast.report()
    for i in (x, torch.randn(2, 3, 64, 32)):
        assert torch.equal(loaded(i), fast(i))
    packed = [m.packed for m in fast.network.modules() if getattr(m, "packed", None)]
    weights = {id(p): sum(4 * w.numel() for w in p._packed.values()) for p in packed}
    assert (tmp_path / "model.safetensors").stat().st_size < 1.05 * sum(weights.values()) + 300_000


def everything(m: Any, x: torch.Tensor) -> Any:
    y = functional.gelu(m.a(x))
    y = torch.cat([functional.interpolate(functional.max_pool2d(y, 2), scale_factor=2), m.t(y)[:, :, ::2, ::2]], 1)
    y = functional.pad(y, (1, 1, 0, 0), value=float("-inf")).clamp(min=-1)
    return {"rows": y.view(x.shape[0], -1).to(torch.float64), "pooled": [functional.adaptive_avg_pool2d(y, 1), m.n(x)]}


def test_every_kind_of_operation(tmp_path: Path) -> None:
    model = Apply(everything, a=conv(), t=nn.ConvTranspose2d(4, 6, 2, 2), n=nn.GroupNorm(2, 4)).eval()
    fast = fastcnn.optimize(model, X)
    loaded = again(fast, tmp_path)
    for i in (X, torch.randn(1, 4, 6, 8)):
        torch.testing.assert_close(loaded(i), fast(i), rtol=0, atol=0)
    with pytest.raises(fastcnn.ArgumentError, match=r"expected args.* of 4 dimensions"):
        loaded(X[0])


def test_structure(tmp_path: Path) -> None:
    fast = fastcnn.optimize(Structured(), ({"image": X}, 3), {"extra": X + 1})
    loaded = again(fast, tmp_path)
    torch.testing.assert_close(loaded({"image": X}, 3, extra=X), fast({"image": X}, 3, extra=X), rtol=0, atol=0)
    with pytest.raises(fastcnn.ArgumentError, match="not 3 was a constant"):
        loaded({"image": X}, 4, extra=X)


def test_state(tmp_path: Path) -> None:
    fast = fastcnn.optimize(Counting().eval(), X)
    fast(X)
    loaded = again(fast, tmp_path)
    assert [float(fast(X)[1]), float(loaded(X)[1]), float(loaded(X)[1])] == [2, 2, 3]


def test_loading_needs_neither_exporter_nor_compiler(tmp_path: Path) -> None:
    fastcnn.optimize(nn.Sequential(conv(), nn.ReLU()), X).save(tmp_path / "model.safetensors")
    code = (
        "import sys, torch; before = set(sys.modules); import fastcnn; fastcnn.load_optimized(sys.argv[1])\n"
        "slow = {'sympy', 'torch._dynamo', 'torch.export', 'torch._inductor'} & (set(sys.modules) - before)\n"
        "assert not slow, slow"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.safetensors")], check=True)


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = fastcnn.optimize(conv(), X)
    path = tmp_path / "model.safetensors"
    fast.save(path)
    before = path.read_bytes()

    def full(self: Path, content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        fast.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_operation_that_files_may_not_call(tmp_path: Path) -> None:
    fast = fastcnn.optimize(Apply(lambda m, x: torch.special.i0e(m.a(x)), a=conv()), X)
    with pytest.raises(fastcnn.BackendError, match=r"save: files may not call aten.special_i0e"):
        fast.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("saved")
    model = Apply(lambda m, x: functional.gelu(functional.max_pool2d(m.a(x), 2)), a=conv())
    fastcnn.optimize(model, X).save(folder / "model.safetensors")
    with safe_open(folder / "model.safetensors", "pt") as opened:
        head = json.loads(opened.metadata()[KEY])
    return load_file(folder / "model.safetensors"), head, folder


def call(head: Any) -> Any:
    return next(n for n in head["nodes"] if n[0] == 3)


def step(head: Any, kind: str) -> Any:
    return next(n[1] for n in head["nodes"] if n[0] == 2 and n[1]["kind"] == kind)


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "function": lambda h: call(h).__setitem__(1, "os.system"),
    "operator that opens files": lambda h: call(h).__setitem__(1, "aten.from_file.default"),
    "no overload": lambda h: call(h).__setitem__(1, "aten.gelu.__class__"),
    "attribute": lambda h: call(h).__setitem__(0, 1),
    "step": lambda h: step(h, "Pool").__setitem__("kind", "Module"),
    "pooling": lambda h: step(h, "Pool").__setitem__("op", "_packed"),
    "node that comes later": lambda h: call(h).__setitem__(2, [{"node": 99}]),
    "negative node": lambda h: call(h).__setitem__(2, [{"node": -1}]),
    "keyword": lambda h: call(h).__setitem__(3, {"x=__import__('os')": 1}),
    "device": lambda h: call(h).__setitem__(2, [{"device": "cuda:0"}]),
    "dtype": lambda h: call(h).__setitem__(2, [{"dtype": "nn"}]),
    "unknown value": lambda h: call(h).__setitem__(2, [{"object": "x"}]),
    "code": lambda h: h["conditions"].append(["__import__('os').system('true')", ""]),
    "attribute in a condition": lambda h: h["conditions"].append(["inputs[0].__class__ == 1", ""]),
    "power": lambda h: h["conditions"].append(["9 ** 9 ** 9 > inputs[0].size()[0]", ""]),
    "comprehension": lambda h: h["conditions"].append(["[x for x in inputs] == 1", ""]),
    "nested condition": lambda h: h["conditions"].append(["(" * 5000 + "1" + ")" * 5000, ""]),
    "filters": lambda h: h["packed"][0].__setitem__("size", [2**30, 4, 3, 3]),
    "kernel": lambda h: h["packed"][0].__setitem__("size", [4, 4, 0, 3]),
    "dimensions": lambda h: h["packed"][0].__setitem__("size", [4]),
    "stride": lambda h: h["packed"][0]["geometry"].__setitem__(0, [0, 1]),
    "groups": lambda h: h["packed"][0].__setitem__("groups", 3),
    "algorithm": lambda h: h["packed"][0]["weights"][0].__setitem__(0, "fastest"),
    "activation": lambda h: h["packed"][0].__setitem__("activation", "eval"),
    "no weights": lambda h: h["packed"][0].__setitem__("weights", []),
    "tensor": lambda h: h["packed"][0].__setitem__("bias", "__class__"),
    "no nodes": lambda h: h.__setitem__("nodes", []),
    "nodes of another kind": lambda h: h.__setitem__("nodes", 3),
    "results": lambda h: h.__setitem__("outputs", ["tuple", [0, 1]]),
    "arguments": lambda h: h.__setitem__("inputs", ["tuple", []]),
    "structure": lambda h: h.__setitem__("inputs", ["object", [0]]),
    "version": lambda h: h.__setitem__("version", 2),
    "nothing": lambda h: h.clear(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, file: Any) -> None:
    tensors, head, folder = file
    changed = json.loads(json.dumps(head))
    HOSTILE[name](changed)
    assert changed != head
    save_file(tensors, folder / "hostile.safetensors", {KEY: json.dumps(changed)})
    with pytest.raises(fastcnn.ArgumentError, match=r"^load_optimized: .*: cannot be read \(") as caught:
        fastcnn.load_optimized(folder / "hostile.safetensors")
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("text", ["[" * 50_000, "null", "3", "{", '{"version": 1}', " " * (17 << 20)], ids=range(6))
def test_hostile_text(text: str, file: Any) -> None:
    tensors, _, folder = file
    save_file(tensors, folder / "hostile.safetensors", {KEY: text})
    with pytest.raises(fastcnn.ArgumentError, match=r"^load_optimized: .*: cannot be read \("):
        fastcnn.load_optimized(folder / "hostile.safetensors")


def test_names_are_not_code(file: Any) -> None:
    tensors, head, folder = file
    name = '0"), __import__("os").abort(), ("'
    text = json.dumps(head).replace('"tensor_0"', json.dumps(name))
    renamed = {name if key == "tensor_0" else key: value for key, value in tensors.items()}
    save_file(renamed, folder / "hostile.safetensors", {KEY: text})
    with pytest.raises(fastcnn.ArgumentError, match="its tensors have other names"):
        fastcnn.load_optimized(folder / "hostile.safetensors")


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(fastcnn.ArgumentError, match=r"load_optimized: .*absent"):
        fastcnn.load_optimized(tmp_path / "absent")
    (tmp_path / "broken").write_bytes(b"\x00" * 100)
    with pytest.raises(fastcnn.ArgumentError, match=r"load_optimized: .*broken"):
        fastcnn.load_optimized(tmp_path / "broken")
    save_file({"a": torch.ones(1)}, tmp_path / "weights")
    with pytest.raises(fastcnn.ArgumentError, match="it holds no optimised model"):
        fastcnn.load_optimized(tmp_path / "weights")
