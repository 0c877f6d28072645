"""Every model, eager, compiled whole, exported and optimised: the same. (AOTInductor: tests/deploy/test_aoti.py.)"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

import fastcnn
import fastcnn.models as M
from tests.models.graphs import close

# Small enough for CI, and each with everything that its kind has.
ARGUMENTS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "mlp": ({}, (28, 28)),
    "lenet1": ({}, (28, 28)),
    "lenet5": ({}, (32, 32)),
    "alexnet": ({}, (64, 64)),
    "googlenet": ({}, (64, 64)),
    "mobilenet_v2": ({}, (64, 64)),
    "efficientnet_b0": ({}, (64, 64)),
    "efficientnet_b1": ({}, (64, 64)),
    "resnet18": ({}, (64, 64)),
    "resnet50": ({}, (64, 64)),
    "vgg11": ({}, (32, 32)),
    "vgg16_bn": ({}, (32, 32)),
    "unet": ({"depth": 3, "width": 8}, (48, 40)),
    "yolo_v1": ({"grid": 2, "width": 0.1, "hidden": 32, "batch_norm": True, "score_threshold": 0.0}, (128, 128)),
    "yolox_nano": ({"score_threshold": 0.0, "max_detections": 25}, (64, 64)),
    "yolox_tiny": ({"score_threshold": 0.0, "max_detections": 25}, (64, 64)),
}
# The others are these at other depths and widths.
SAME = {
    "resnet34": "resnet18", "resnet101": "resnet50", "resnet152": "resnet50", "vgg13": "vgg11", "vgg16": "vgg11",
    "vgg19": "vgg11", "vgg11_bn": "vgg16_bn", "vgg13_bn": "vgg16_bn", "vgg19_bn": "vgg16_bn",
    **{f"efficientnet_b{i}": "efficientnet_b1" for i in range(2, 8)},
    **{f"yolox_{size}": "yolox_tiny" for size in "smlx"},
}  # fmt: skip


def test_none_is_missing() -> None:
    assert set(ARGUMENTS) | set(SAME) == set(M.MODELS)
    assert set(SAME.values()) <= set(ARGUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_four_ways(name: str) -> None:
    arguments, size = ARGUMENTS[name]
    torch.manual_seed(1)
    model = M.MODELS[name].factory(num_classes=3, in_channels=1, **arguments).eval()
    with torch.no_grad():  # or all scores of untrained heads are nearly one
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var.uniform_(0.3, 0.6)
    x = torch.randn(2, 1, *size)
    with torch.no_grad():
        expected = pytree.tree_leaves(model(x))
        torch._dynamo.reset()
        for run in (
            torch.compile(model, fullgraph=True, backend="aot_eager"),
            torch.export.export(model, (x,)).module(),
            fastcnn.optimize(model, x),
        ):
            got = pytree.tree_leaves(run(x))
            assert len(got) == len(expected)
            for one, other in zip(got, expected, strict=True):
                if other.is_floating_point():
                    close(one, other)
                else:
                    assert torch.equal(one, other)
