"""MobileNet V2; parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn.models._common import Classifier, conv_norm, divisible, initialise, relu6, stages_between, timm_ends
from fastcnn.models._registry import State, model, renamed, same_names

# Expansion, channels, blocks, stride of the first (table 2).
_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class InvertedResidual(nn.Module):
    """1 x 1 expansion, depthwise 3 x 3, 1 x 1 projection without activation; the input is added if the shapes match."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(conv_norm(channels, hidden, 1, activation=relu6))
        layers.append(conv_norm(hidden, hidden, 3, stride, groups=hidden, activation=relu6))
        self.conv = nn.Sequential(*layers, *conv_norm(hidden, width, 1))
        self.adds = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


class MobileNetV2(Classifier):
    """A stem, seventeen inverted residuals and a 1 x 1 convolution, the mean and a linear layer."""

    def __init__(self, num_classes: int, in_channels: int, width_mult: float, dropout: float) -> None:
        super().__init__(in_channels, num_classes, (32, 32))
        channels = divisible(32 * width_mult)
        features: list[nn.Module] = [conv_norm(in_channels, channels, 3, 2, activation=relu6)]
        for expansion, base, count, first in _STAGES:
            width = divisible(base * width_mult)
            for i in range(count):
                features.append(InvertedResidual(channels, width, first if i == 0 else 1, expansion))
                channels = width
        last = divisible(1280 * max(1.0, width_mult))
        features.append(conv_norm(channels, last, 1, activation=relu6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        self.avgpool = fnn.AdaptiveAvgPool2d(1)
        self.widths = (in_channels, *(divisible(w * width_mult) for w in (16, 24, 32, 96)), last)
        initialise(self)

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the input and the last features of each stride, 2 to 32."""
        return stages_between(self.features, (2, 4, 7, 14, 19), x)


def _timm_names(network: MobileNetV2) -> Iterator[tuple[str, str]]:
    yield from timm_ends(len(network.features) - 1)
    stage, at, width = -1, 0, None
    for i, block in enumerate(list(network.features)[1:-1], 1):
        assert isinstance(block, InvertedResidual)
        # A new stage begins where the width changes.
        if (out := block.conv[-1].num_features) != width:
            stage, at, width = stage + 1, 0, out
        theirs, ours = f"blocks.{stage}.{at}", f"features.{i}.conv"
        at += 1
        layers = [
            ("conv_pw", "0.0"),
            ("bn1", "0.1"),
            ("conv_dw", "1.0"),
            ("bn2", "1.1"),
            ("conv_pwl", "2"),
            ("bn3", "3"),
        ]
        if len(block.conv) == 3:
            layers = [("conv_dw", "0.0"), ("bn1", "0.1"), ("conv_pw", "1"), ("bn2", "2")]
        yield from ((f"{theirs}.{a}", f"{ours}.{b}") for a, b in layers)


def _from_timm(network: MobileNetV2, state: State, models: Sequence[str]) -> State:
    return renamed(state, _timm_names(network))


@model(MobileNetV2, {"torchvision": same_names, "timm": _from_timm})
def mobilenet_v2(
    num_classes: int = 1000, in_channels: int = 3, width_mult: float = 1.0, dropout: float = 0.2
) -> MobileNetV2:
    """Make MobileNet V2: 3,504,872 parameters.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 32 x 32 pixels, 224 x 224 in the paper.
        width_mult: factor for all numbers of channels.
        dropout: before the last layer.

    Reference:
        M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.mobilenet_v2(num_classes=5).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 5])
    """
    return MobileNetV2(num_classes, in_channels, width_mult, dropout)
