"""U-Nets by their shapes and sizes. test_weights.py compares those with encoders with segmentation_models_pytorch."""

from __future__ import annotations

import pytest
import torch

import fastcnn
import fastcnn.models as M
from fastcnn import ArgumentError
from tests.models.graphs import check_graphs


@pytest.mark.parametrize("up", ["transpose", "upsample"])
@pytest.mark.parametrize(("depth", "size"), [(1, (6, 10)), (3, (32, 24)), (4, (48, 16))])
def test_plain(up: str, depth: int, size: tuple[int, int]) -> None:
    model = M.unet(3, 2, depth, width=4, up=up)
    result = model(torch.randn(2, 2, *size))
    assert result.shape == (2, 3, *size)
    result.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(ArgumentError, match=rf"UNet: expected input of shape .* multiples of {2**depth}, got"):
        model(torch.zeros(1, 2, size[0] + 1, size[1]))


def test_size_of_the_paper() -> None:
    """31.0 million weights in 3 x 3 and 2 x 2 convolutions, and two numbers a channel of batch norm for each bias."""
    with torch.device("meta"):
        model = M.unet(1, 1)
    weights = sum(p.numel() for p in model.parameters() if p.ndim == 4)
    double = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    back = [(1024, 512), (512, 256), (256, 128), (128, 64)]
    expected = sum(9 * (a * b + b * b) for a, b in double + back) + sum(4 * a * b for a, b in back) + 64
    assert weights == expected


@pytest.mark.parametrize("name", ["vgg16_bn", "efficientnet_b0", "resnet34"])
def test_other_encoders(name: str) -> None:
    model = M.unet(2, 1, encoder=name)
    result = model(torch.randn(2, 1, 32, 64))
    assert result.shape == (2, 2, 32, 64)
    result.square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_graphs_and_errors() -> None:
    model = M.unet(2, 1, depth=2, width=8).eval()
    x = torch.randn(1, 1, 32, 24)
    check_graphs(model, x)
    upsampled = M.unet(2, 1, depth=2, width=8, up="upsample").eval()
    check_graphs(upsampled, x)
    assert fastcnn.optimize(upsampled, x).report() == []  # the enlarging too is a step of its own
    for options, text in (
        ({"up": "bilinear"}, "expected up to be one of transpose, upsample, got bilinear"),
        ({"depth": 0}, "expected depth from 1 to 16 and width of at least 1, got 0 and 64"),
        ({"encoder": "lenet5"}, "expected encoder to be one of resnet18"),
        ({"encoder": "resnet18", "decoder_widths": (8, 8)}, "expected decoder_widths of 5 values, got 2"),
    ):
        with pytest.raises(ArgumentError, match=f"unet: {text}"):
            M.unet(**options)
