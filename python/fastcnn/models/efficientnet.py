"""EfficientNets; parameter names are torchvision's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn.models._common import Classifier, conv_norm, divisible, initialise, silu, stages_between, timm_ends
from fastcnn.models._registry import State, model, renamed

# Expansion, kernel, stride of the first block, channels, blocks (B0, table 1).
_STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Scale channels by factors that two layers compute from their means (Hu et al., 2017)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = fnn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = fnn.Conv2d(channels, squeezed, 1), fnn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        scale = torch.sigmoid(self.fc2(nn.functional.silu(self.fc1(self.avgpool(x)))))
        return x * scale


class MBConv(nn.Module):
    """An inverted residual with squeeze and excitation, skipped at random in training (stochastic depth)."""

    def __init__(
        self, channels: int, width: int, kernel: int, stride: int, expansion: int, drop: float, norm: dict[str, Any]
    ) -> None:
        super().__init__()
        hidden = divisible(channels * expansion)
        layers: list[nn.Module] = []
        if hidden != channels:
            layers.append(conv_norm(channels, hidden, 1, activation=silu, **norm))
        layers.append(conv_norm(hidden, hidden, kernel, stride, groups=hidden, activation=silu, **norm))
        layers.append(SqueezeExcitation(hidden, max(1, channels // 4)))
        layers.append(conv_norm(hidden, width, 1, **norm))
        self.block = nn.Sequential(*layers)
        self.adds, self.drop = stride == 1 and channels == width, drop

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        y: Tensor = self.block(x)
        if not self.adds:
            return y
        if self.training and self.drop > 0:
            kept = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.drop
            y = y * (kept / (1 - self.drop)).to(y.dtype)
        return x + y


class EfficientNet(Classifier):
    """A stem, seven stages of MBConv, a 1 x 1 convolution, the mean and a linear layer.

    Attributes:
        fits: the variants with the same layers as this network, including eps and padding.
    """

    def __init__(
        self, wide: float, deep: float, num_classes: int, in_channels: int, dropout: float, norm: dict[str, Any],
        fits: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__(in_channels, num_classes, (32, 32))
        self.fits = tuple(fits)
        channels = divisible(32 * wide)
        features: list[nn.Module] = [conv_norm(in_channels, channels, 3, 2, activation=silu, **norm)]
        depths = [math.ceil(count * deep) for *_, count in _STAGES]
        done, widths = 0, []
        for (expansion, kernel, first, base, _), depth in zip(_STAGES, depths, strict=True):
            width, blocks = divisible(base * wide), []
            for i in range(depth):
                drop = 0.2 * done / sum(depths)
                blocks.append(MBConv(channels, width, kernel, first if i == 0 else 1, expansion, drop, norm))
                channels, done = width, done + 1
            widths.append(width)
            features.append(nn.Sequential(*blocks))
        last = 4 * channels
        features.append(conv_norm(channels, last, 1, activation=silu, **norm))
        self.features = nn.Sequential(*features)
        self.avgpool = fnn.AdaptiveAvgPool2d(1)
        head = nn.Linear(last, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), head)
        self.widths = (in_channels, widths[0], widths[1], widths[2], widths[4], widths[6])
        initialise(self)
        nn.init.uniform_(head.weight, -(num_classes**-0.5), num_classes**-0.5)

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the input and the last blocks' features of each stride, 2 to 32."""
        return stages_between(self.features, (2, 3, 4, 6, 8), x)


# The origin of weights. All variants have the same names and shapes, so weights do not tell which one they are for.
VARIANTS = ("torchvision", "timm", "tensorflow")


def _norm(index: int, variant: str) -> dict[str, Any]:
    """Return the differences of a variant's layers, as arguments of `conv_norm`."""
    if variant == "tensorflow" or (variant == "torchvision" and index >= 5):
        return {"eps": 0.001, "momentum": 0.01, "same": variant == "tensorflow"}
    return {"eps": 1e-5, "momentum": 0.1, "same": False}


# timm's models of this name, which cannot be recognised by their weights.
_TENSORFLOW = re.compile(r"(?<![a-z])tf_efficientnet")


def check_variant(network: EfficientNet, source: str, models: Sequence[str], argument: str = "variant=...") -> None:
    """Refuse weights of a network with other layers: they would load, but give other results."""
    wanted: tuple[str, ...] = ("timm", "tensorflow")
    if source == "torchvision":
        wanted = ("torchvision",)
    elif any(_TENSORFLOW.search(name) for name in models):
        wanted = ("tensorflow",)
    elif any(name.startswith("efficientnet_b") for name in models):
        wanted = ("timm",)
    if not set(wanted) & set(network.fits):
        raise ArgumentError(
            f"load_weights: these weights of {source} need another padding or another eps of the norms: expected an "
            f"EfficientNet of variant {' or '.join(wanted)}, got one of {' or '.join(network.fits)}; make it with "
            f"{argument}"
        )


def timm_names(network: EfficientNet) -> Iterator[tuple[str, str]]:
    """Return pairs of timm's and our parameter names."""
    yield from timm_ends(8)
    for s, stage in enumerate(list(network.features)[1:8]):
        assert isinstance(stage, nn.Sequential)
        for b, block in enumerate(stage):
            theirs, ours = f"blocks.{s}.{b}", f"features.{s + 1}.{b}.block"
            assert isinstance(block, MBConv)
            expands = len(block.block) == 4
            names = [("conv_pw", "bn1")] if expands else []
            names += [("conv_dw", "bn2"), ("conv_pwl", "bn3")] if expands else [("conv_dw", "bn1"), ("conv_pw", "bn2")]
            squeeze = len(names) - 1
            for i, (conv, norm) in enumerate(names):
                at = i if i < squeeze else i + 1
                yield from ((f"{theirs}.{conv}", f"{ours}.{at}.0"), (f"{theirs}.{norm}", f"{ours}.{at}.1"))
            for layer, number in (("conv_reduce", 1), ("conv_expand", 2)):
                yield f"{theirs}.se.{layer}", f"{ours}.{squeeze}.fc{number}"


def _from_torchvision(network: EfficientNet, state: State, models: Sequence[str]) -> State:
    check_variant(network, "torchvision", models)
    return state


def _from_timm(network: EfficientNet, state: State, models: Sequence[str]) -> State:
    check_variant(network, "timm", models)
    return renamed(state, timm_names(network))


def _make(
    index: int, wide: float, deep: float, dropout: float, size: int, parameters: str
) -> Callable[..., EfficientNet]:
    name = f"efficientnet_b{index}"

    @model(EfficientNet, {"torchvision": _from_torchvision, "timm": _from_timm}, name)
    def efficientnet(
        num_classes: int = 1000, in_channels: int = 3, dropout: float = dropout, variant: str = "torchvision"
    ) -> EfficientNet:
        check_choice(variant, VARIANTS, name, "variant")
        norm = _norm(index, variant)
        fits = [other for other in VARIANTS if _norm(index, other) == norm]
        return EfficientNet(wide, deep, num_classes, in_channels, dropout, norm, fits)

    efficientnet.__doc__ = f"""Make EfficientNet-B{index}: {parameters} parameters.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 32 x 32 pixels, {size} x {size} in the paper.
        dropout: before the last layer.
        variant: whose weights it is for, which have the same names but not the same layers. "torchvision"; "timm": its
            efficientnet_b{index}, norms of eps 1e-5{" (torchvision: 1e-3)" if index >= 5 else ", as torchvision's"};
            "tensorflow": the paper's authors', timm's tf_efficientnet_b{index}, of eps 1e-3 and TensorFlow's padding.

    Raises:
        ArgumentError: an unknown variant.

    Reference:
        M. Tan, Q. Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.efficientnet_b{index}(num_classes=5).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 5])
    """
    return efficientnet


efficientnet_b0 = _make(0, 1.0, 1.0, 0.2, 224, "5,288,548")
efficientnet_b1 = _make(1, 1.0, 1.1, 0.2, 240, "7,794,184")
efficientnet_b2 = _make(2, 1.1, 1.2, 0.3, 260, "9,109,994")
efficientnet_b3 = _make(3, 1.2, 1.4, 0.3, 300, "12,233,232")
efficientnet_b4 = _make(4, 1.4, 1.8, 0.4, 380, "19,341,616")
efficientnet_b5 = _make(5, 1.6, 2.2, 0.4, 456, "30,389,784")
efficientnet_b6 = _make(6, 1.8, 2.6, 0.5, 528, "43,040,704")
efficientnet_b7 = _make(7, 2.0, 3.1, 0.5, 600, "66,347,960")
