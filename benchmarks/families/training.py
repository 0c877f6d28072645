"""A step of training, forward, backward and SGD with momentum: `fastcnn.models` against the same on torch.nn.

The peer is the same module with torch's own layers in fastcnn's places and the same weights, in each memory layout.
fastcnn's row is its faster layout, channels-last unless the case says otherwise. Beside it and torch's stands how far
the gradients are from float64's, over their size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import fastcnn.models as M
from benchmarks.harness import Case, load, wanted
from fastcnn import nn as fnn

Step = Callable[[], Tensor]
MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": partial(M.resnet18, 1000),
    "unet32": partial(M.unet, 2, width=32),
    "lenet5": partial(M.lenet5, variant="relu", image_size=28),
    "mobilenet_v2": partial(M.mobilenet_v2, 1000, dropout=0.0),
    "yolox_nano": partial(M.yolox_nano, 4),
}


def on_torch(model: nn.Module) -> nn.Module:
    """A copy with torch's own layers."""
    model = copy.deepcopy(model)
    for module in model.modules():
        for name in fnn.__all__:
            if type(module) is getattr(fnn, name):
                module.__class__ = getattr(nn, name)
    return model


def loss_of(model: nn.Module, x: Tensor) -> Tensor:
    """A loss of the model's kind, on fixed targets."""
    generator = torch.Generator().manual_seed(2)
    found = model(x)
    if isinstance(found, Tensor):
        classes = torch.randint(found.shape[1], (len(x), *found.shape[2:]), generator=generator)
        return nn.functional.cross_entropy(found, classes)
    corners = torch.rand(len(x), 5, 2, generator=generator) * 100
    boxes = torch.cat([corners, corners + 40], -1).to(x.dtype)
    return sum(model.loss(found, boxes, torch.randint(4, (len(x), 5), generator=generator)).values())


def step_of(model: nn.Module, x: Tensor, layout: torch.memory_format) -> Step:
    model, x = copy.deepcopy(model).to(memory_format=layout), x.to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model, x)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def gradient_error(model: nn.Module, x: Tensor, exact: list[Tensor]) -> str:
    model = copy.deepcopy(model)
    loss_of(model, x).backward()
    got = [p.grad for p in model.parameters()]
    difference = sum(float((g.double() - e).square().sum()) for g, e in zip(got, exact, strict=True))
    return f"gradient error {(difference / sum(float(e.square().sum()) for e in exact)) ** 0.5:.0e}"


def cases(size: int) -> Iterator[Case]:
    for case in load("training"):
        title = f"{case['model']} batch {case['batch']}, {case['size']}²"
        if not wanted(title):
            continue
        torch.manual_seed(0)
        model = MODELS[case["model"]]().train()
        x = torch.randn(case["batch"], case["channels"], case["size"], case["size"])
        theirs = on_torch(model)
        # fastcnn's row is its faster layout; each of torch's stands beside it.
        layouts = {"channels_last": torch.channels_last, "NCHW": torch.contiguous_format}
        first = case.get("layout", "channels_last")
        other = next(name for name in layouts if name != first)
        run: dict[str, Any] = {
            "fastcnn": step_of(model, x, layouts[first]),
            f"fastcnn {other}": step_of(model, x, layouts[other]),
            **{f"torch {name}": step_of(theirs, x, layout) for name, layout in layouts.items()},
        }
        double = on_torch(model).double()
        loss_of(double, x.double()).backward()
        exact = [p.grad for p in double.parameters()]
        notes = {"fastcnn": gradient_error(model, x, exact), "torch NCHW": gradient_error(theirs, x, exact)}
        # Weights go on changing: losses are not compared.
        group = {"group": "training", "group_goal": "≥ 1.2"} if case["goal"] else {}
        yield Case(title, run, goal=case["goal"], compare=False, notes=notes, **group)
