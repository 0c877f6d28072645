"""Convolution layers against torch in both layouts and, for single images, ncnn, MNN and onnxruntime.

fastcnn's row is its inference call: `PackedConvolution`, channels last in and out. "unpacked" is `fastcnn.ops.conv2d`
and its like on the same tensors, which pack the weight on every call, as training does. Gradients are
`torch.autograd.grad` through a graph that is there already. The floor is the multiply-adds of the definition at the
rate of torch's matrix multiplication: Winograd may go below it. An "error" in brackets is the largest distance from the
float64 result, in units of its root mean square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import fastcnn.ops as ops
from benchmarks._engines import ENGINES
from benchmarks.harness import Case, load
from fastcnn.ops._conv_layer import Layer

Run = dict[str, Callable[[], Any]]


def random_3x3(seed: int, count: int) -> Iterator[str]:
    """Padded 3x3 layers of stride 1 between 5 MFLOP and 5 GFLOP, sizes and channels spread over the octaves."""
    rng = np.random.default_rng(seed)
    while count:
        channels, filters = (int(2 ** rng.uniform(4, 9)) // 4 * 4 for _ in range(2))
        height, width = (int(2 ** rng.uniform(2.5, 8)) for _ in range(2))
        if 5e6 < 18 * channels * filters * height * width < 5e9:
            count -= 1
            yield f"1x{channels}x{height}x{width}, {filters}x{channels}x3x3, padding 1"


def layouts(t: torch.Tensor) -> dict[str, torch.Tensor]:
    """A signal has one layout."""
    found = {"NCHW": t.contiguous()}
    if t.dim() > 3:
        found["channels_last"] = t.contiguous(
            memory_format=torch.channels_last if t.dim() == 4 else torch.channels_last_3d
        )
    return found


def inference(call: Callable[[], torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return call()


def forward(layer: Layer, image: torch.Tensor, weight: torch.Tensor, engines: bool) -> Run:
    options = {**layer.options, "groups": layer.groups}
    images, weights = layouts(image), layouts(weight)
    fast = list(images)[-1]
    packed = ops.PackedConvolution(weight, transposed=layer.transposed, **options)
    unpacked, theirs = getattr(ops, layer.op), getattr(torch.nn.functional, layer.op)
    run: Run = {
        "fastcnn": partial(inference, partial(packed, images[fast])),
        "fastcnn unpacked": partial(inference, partial(unpacked, images[fast], weights[fast], **options)),
    }
    for name, t in images.items():
        run[f"torch {name}"] = partial(inference, partial(theirs, t, weights[name], **options))
    if engines:
        arrays, threads = (image.numpy(), weight.numpy()), torch.get_num_threads()
        run |= {name: make(layer, *arrays, threads) for name, make in ENGINES.items()}
    return run


def backward(layer: Layer, image: torch.Tensor, weight: torch.Tensor, wanted: str) -> Run:
    """fastcnn in its fast layout, torch in each."""
    options = {**layer.options, "groups": layer.groups}
    images, weights = layouts(image), layouts(weight)

    def run(front: Any, name: str) -> Callable[[], torch.Tensor]:
        tensors = {"input": images[name].clone(), "weight": weights[name].clone()}
        tensors[wanted].requires_grad_()
        result = getattr(front, layer.op)(tensors["input"], tensors["weight"], **options)
        torch.manual_seed(1)
        grad = layouts(torch.randn(result.shape))[name]
        return lambda: torch.autograd.grad(result, tensors[wanted], grad, retain_graph=True)[0]

    return {"fastcnn": run(ops, list(images)[-1]),
            **{f"torch {name}": run(torch.nn.functional, name) for name in images}}  # fmt: skip


def with_threads(n: int, call: Callable[[], Any]) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        return call()
    finally:
        torch.set_num_threads(before)


def errors(layer: Layer, image: torch.Tensor, weight: torch.Tensor, run: Run) -> dict[str, str]:
    """Return each contender's error against float64; skip layers for which that takes long."""
    if layer.flops > 4e9:
        return {}
    options = {**layer.options, "groups": layer.groups}
    exact = getattr(torch.nn.functional, layer.op)(image.double(), weight.double(), **options).numpy()
    rms = np.sqrt(np.mean(exact**2))
    return {name: f"error {np.abs(np.asarray(call()) - exact).max() / rms:.0e}" for name, call in run.items()}


def cases(size: int) -> Iterator[Case]:
    for section in load("conv"):
        lines = section.get("layers") or random_3x3(**section["random"])
        for text in lines:
            layer = Layer.parse(text)
            torch.manual_seed(0)
            image = torch.randn(layer.input)
            weight = torch.randn(layer.weight) / np.prod(layer.weight[1:]) ** 0.5
            notes = {}
            if "gradient" in section:
                run = backward(layer, image, weight, section["gradient"])
            else:
                run = forward(layer, image, weight, section.get("engines", False))
                notes = errors(layer, image, weight, run)
            if section.get("threads"):
                ours = run["fastcnn"]
                run = {"fastcnn": ours, "fastcnn 1 thread": partial(with_threads, 1, ours)}
            yield Case(f"{section['group']}: {layer.text}", run, flops=layer.flops, goal=section["goal"], notes=notes,
                       group=section["group"], group_goal=section.get("mean", ""))  # fmt: skip
