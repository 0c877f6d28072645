"""Pooling of regions against torchvision, in an environment of its own (remote.py)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import fastcnn.ops as F
from benchmarks.harness import Case, load, wanted
from benchmarks.remote import worker

COUNT, CHANNELS, SIDE, BINS, STRIDE = 1000, 256, 50, 7, 16


def cases(size: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    map = rng.normal(size=(1, CHANNELS, SIDE, SIDE)).astype(np.float32)
    corner = rng.random((COUNT, 2)) * SIDE * STRIDE * 0.6
    boxes = np.concatenate([np.zeros((COUNT, 1)), corner, corner + 20 + 280 * rng.random((COUNT, 2))], 1)
    grad = rng.normal(size=(COUNT, CHANNELS, BINS, BINS)).astype(np.float32)
    peer = worker("TORCHVISION")
    for case in load("roi"):
        backward = case.get("backward", False)
        settings = ", ".join(f"{k}={v}" for k, v in case["options"].items())
        op = case["op"] + (" backward" if backward else "")
        name = f"{op} {COUNT}x{CHANNELS}x{BINS}x{BINS} on {SIDE}x{SIDE}" + (f", {settings}" if settings else "")
        if not wanted(name):
            continue
        options = {"output_size": BINS, "spatial_scale": 1 / STRIDE, **case["options"]}
        arrays = {"input": map, "boxes": boxes.astype(np.float32), **({"grad": grad} if backward else {})}
        input, rois = torch.from_numpy(map.copy()), torch.from_numpy(arrays["boxes"])
        function = getattr(F, case["op"])
        if backward:
            result = function(input.requires_grad_(), rois, **options)
            run = {
                "fastcnn": lambda r=result, i=input: torch.autograd.grad(
                    r, i, torch.from_numpy(grad), retain_graph=True
                )[0].numpy()
            }
        else:
            run = {"fastcnn": lambda f=function, i=input, r=rois, o=options: f(i, r, **o).numpy()}
        if peer:
            run["torchvision"] = peer.prepare(op, arrays, torch.get_num_threads(), **options)
        yield Case(name, run, bytes=map.nbytes + grad.nbytes, goal=case["goal"])
