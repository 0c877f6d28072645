"""The papers' numbers of parameters, training and graphs. test_weights.py compares results with torchvision's."""

from __future__ import annotations

import pytest
import torch

import fastcnn.models as M
from fastcnn import ArgumentError
from tests.models.graphs import check_graphs

# Numbers of parameters: of the papers, or of the implementations whose weights people have.
COUNTS = {
    "alexnet": 62_378_344, "googlenet": 6_624_904, "mobilenet_v2": 3_504_872,
    "vgg11": 132_863_336, "vgg11_bn": 132_868_840, "vgg13": 133_047_848, "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544, "vgg16_bn": 138_365_992, "vgg19": 143_667_240, "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "efficientnet_b0": 5_288_548, "efficientnet_b1": 7_794_184, "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232, "efficientnet_b4": 19_341_616, "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704, "efficientnet_b7": 66_347_960,
}  # fmt: skip


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name: str) -> None:
    with torch.device("meta"):
        assert parameters(getattr(M, name)()) == COUNTS[name]


def test_parameters_of_the_old_ones() -> None:
    assert parameters(M.lenet1()) == 2_578  # LeCun et al., 1990
    for variant in ("tanh", "sigmoid"):  # 1998: C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164
        counts = [parameters(m) for m in M.lenet5(variant=variant).features if parameters(m)]
        assert counts == [156, 12, 1_516, 32]
        assert parameters(M.lenet5(variant=variant)) == 60_000 + 85 * 10
    assert parameters(M.mlp()) == 266_610
    with torch.device("meta"):
        assert parameters(M.alexnet(towers=2)) == 60_965_224  # Krizhevsky et al., 2012: "60 million"
        assert parameters(M.googlenet(auxiliary=True)) == 13_004_888


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (M.mlp, (28, 28)),
        (M.lenet1, (28, 28)),
        (M.lenet5, (32, 32)),
        (lambda **o: M.lenet5(variant="sigmoid", **o), (32, 32)),
        (lambda **o: M.lenet5(variant="relu", image_size=28, **o), (28, 28)),
        (M.alexnet, (63, 70)),
        (lambda **o: M.alexnet(towers=2, **o), (70, 63)),
        (M.googlenet, (64, 40)),
        (M.resnet34, (40, 64)),
        (M.mobilenet_v2, (40, 64)),
        (M.efficientnet_b0, (40, 64)),
    ],
)
def test_training_step_and_arguments(make, size: tuple[int, int]) -> None:
    """Every parameter gets a gradient; classes and channels are as asked for; other sizes are refused by name."""
    model = make(num_classes=3, in_channels=2)
    x = torch.randn(2, 2, *size)
    result = model(x)
    assert result.shape == (2, 3)
    torch.nn.functional.cross_entropy(result, torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(ArgumentError, match=r"expected input of shape \(B, 2, .*got \(2, 3, "):
        model(torch.zeros(2, 3, *size))
    with pytest.raises(ArgumentError, match="expected input of shape"):
        model(torch.zeros(2, 2, 8, 8))
    for name in ("num_classes", "in_channels"):
        with pytest.raises(ArgumentError, match=f"expected {name} of at least 1, got 0"):
            make(**{"num_classes": 3, "in_channels": 2, name: 0})


def test_auxiliary_classifiers() -> None:
    model = M.googlenet(3, auxiliary=True)
    results = model(torch.randn(2, 3, 64, 64))
    assert [r.shape for r in results] == [(2, 3)] * 3
    assert model.eval()(torch.randn(2, 3, 64, 64)).shape == (2, 3)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="lenet5: expected variant to be one of tanh, sigmoid, relu, got gelu"):
        M.lenet5(variant="gelu")
    with pytest.raises(ArgumentError, match="lenet5: expected image_size 32 with variant tanh, got 28"):
        M.lenet5(image_size=28)
    with pytest.raises(ArgumentError, match="lenet5: expected image_size of at least 16, got 12"):
        M.lenet5(variant="relu", image_size=12)
    with pytest.raises(ArgumentError, match="alexnet: expected towers 1 or 2, got 3"):
        M.alexnet(towers=3)


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "mobilenet_v2"])
def test_graphs(name: str) -> None:
    """Compiled whole, exported, and optimised: the same."""
    size, channels = (32, 1) if name == "lenet5" else (64, 3)
    model = getattr(M, name)(num_classes=5).eval()
    x = torch.randn(2, channels, size, size)
    check_graphs(model, x)
