"""fastcnn.optimize on whole networks: accuracy, sizes, what is left to torch, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fastcnn
from benchmarks import network_models
from fastcnn._optimize.steps import Convolution, Pool, Upsample
from tests import model_zoo

SIZES = {"vgg16-features": 48, "unet32": 48, "resnet18": 64, "efficientnet-b0": 64}


def error(got: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest error over the exact result's rms."""
    return float((got.double() - exact).abs().max() / exact.square().mean().sqrt())


@pytest.mark.parametrize("name", SIZES)
def test_network(name: str) -> None:
    model, x = network_models.create(name, size=SIZES[name])
    fast = fastcnn.optimize(model, x)
    assert fast.report() == []
    inputs = [x, x.repeat(3, 1, 1, 1), torch.randn(2, 3, SIZES[name] + 32, SIZES[name] + 16)]
    with torch.no_grad():
        outputs = [(i, model(i), fast(i)) for i in (*inputs, inputs[-1].to(memory_format=torch.channels_last), x)]
        model.double()
        for i, torchs, ours in outputs:
            exact = model(i.double())
            assert error(ours, exact) <= max(2e-4, 3 * error(torchs, exact))


@pytest.mark.parametrize("name", ["unet32", "efficientnet-b0"])
def test_double(name: str) -> None:
    """In float64 nothing but the order of operations differs."""
    model, x = network_models.create(name, batch=2, size=SIZES[name])
    model, x = model.double(), x.double()
    with torch.no_grad():
        assert error(fastcnn.optimize(model, x)(x), model(x)) < 1e-11


def count(fast: torch.nn.Module, kind: type) -> int:
    return sum(isinstance(m, kind) for m in fast.network.modules())


def test_fusion() -> None:
    """The convolutions are all that compute: every norm, bias, activation, addition and scale is part of one."""
    for name, convolutions in (("vgg16-features", 13), ("unet32", 23), ("resnet18", 21), ("efficientnet-b0", 82)):
        model, x = network_models.create(name, size=SIZES[name])
        fast = fastcnn.optimize(model, x)
        assert count(fast, Convolution) == convolutions
        fast(x)
        plan = next(iter(fast._plans.values()))
        assert not any(plan.layout.copies.values())
    extras = [m.extras for m in fast.network.modules() if isinstance(m, Convolution)]
    assert sum("input_scale" in e for e in extras) == 16
    assert sum("residual" in e for e in extras) == 9


LEFT = {
    "densenetblur121d": {"reflection_pad2d", "pad"},
    "convnext_atto": {"gelu", "layer_norm", "mul"},
    "FPN": {"group_norm", "relu", "upsample_bilinear2d", "stack", "sum"},
    "DeepLabV3Plus": {"upsample_bilinear2d"},
    "PSPNet": {"upsample_bilinear2d"},
}


@pytest.mark.parametrize("name", model_zoo.NAMES)
def test_zoo(name: str) -> None:
    """Networks that nobody here wrote; what they leave to torch is only what there is no step for."""
    model, x = model_zoo.create(name)
    fast = fastcnn.optimize(model, x[:1])
    left = {line.split(".")[1] for line in fast.report()}
    assert left <= LEFT.get(name, set())
    with torch.no_grad():
        for i in (x, torch.randn(1, 3, 96, 64)):
            expected = model(i)
            scale = float(expected.square().mean().sqrt())
            for _ in range(2):
                torch.testing.assert_close(fast(i), expected, rtol=1e-3, atol=1e-3 * scale)


def test_concatenations_in_place() -> None:
    """DenseNet: each concatenation is the beginning of the next, and nothing is copied."""
    model, x = model_zoo.create("densenetblur121d")
    fast = fastcnn.optimize(model, x)
    fast(x)
    plan = next(iter(fast._plans.values()))
    copied = [part for parts in plan.layout.copies.values() for part in parts]
    assert len(copied) <= 3  # a transition's pooling begins a block
    assert count(fast, Pool) + count(fast, Upsample) > 0


MEASURE = """
import ctypes, gc, sys
import torch
import fastcnn
from benchmarks import network_models

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

torch.set_num_threads(2)
model, x = network_models.create("unet32", size=512)
warm = torch.ones(1, 3, 64, 64)
with torch.no_grad():
    weights = sum(p.numel() * 4 for p in model.parameters())
    if sys.argv[1] == "fastcnn":
        model = fastcnn.optimize(model, x)
        weights = sum(t.numel() * 4 for m in model.network.modules() if getattr(m, "packed", None)
                      for t in m.packed._packed.values())
    model(warm)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    result = model(x)
    print(weights // 1024, status("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def memory() -> dict[str, tuple[int, int]]:
    """KiB of weights, and the peak of what a 512 x 512 UNet takes beside them, in torch and optimised."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("reads Linux's peak memory")
    # Freed buffers go back to the system: what a fragmented heap keeps, 20 to 100 MB of torch's, hangs on chance.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    taken = {}
    for who in ("torch", "fastcnn"):
        command = [sys.executable, "-c", MEASURE, who]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        weights, peak = map(int, done.stdout.split())
        taken[who] = weights, peak
    return taken


def test_memory_of_intermediates(memory: dict[str, tuple[int, int]]) -> None:
    assert memory["fastcnn"][1] <= memory["torch"][1]


def test_memory_with_weights(memory: dict[str, tuple[int, int]]) -> None:
    assert sum(memory["fastcnn"]) <= sum(memory["torch"])
