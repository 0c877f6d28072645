"""GoogLeNet with torchvision's parameter names; like there, batch norm, and 3 x 3 where the paper has 5 x 5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn.models._common import Model
from fastcnn.models._registry import model, same_names


class ConvNorm(nn.Module):
    """A convolution, batch norm and ReLU."""

    def __init__(self, channels: int, width: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = fnn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        return torch.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four parallel branches: 1 x 1; 3 x 3; 3 x 3 for the paper's 5 x 5; max pooling. Three have 1 x 1 reductions."""

    def __init__(self, channels: int, w1: int, r3: int, w3: int, r5: int, w5: int, pool: int) -> None:
        super().__init__()
        self.branch1 = ConvNorm(channels, w1)
        self.branch2 = nn.Sequential(ConvNorm(channels, r3), ConvNorm(r3, w3, 3))
        self.branch3 = nn.Sequential(ConvNorm(channels, r5), ConvNorm(r5, w5, 3))
        self.branch4 = nn.Sequential(fnn.MaxPool2d(3, 1, 1, ceil_mode=True), ConvNorm(channels, pool))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, w1 + w3 + w5 + pool, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Auxiliary(nn.Module):
    """An auxiliary classifier on intermediate features, for training."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.pool = fnn.AdaptiveAvgPool2d(4)
        self.conv = ConvNorm(channels, 128)
        self.fc1, self.fc2 = nn.Linear(2048, 1024), nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, num_classes)."""
        x = torch.relu(self.fc1(self.conv(self.pool(x)).flatten(1)))
        result: Tensor = self.fc2(self.dropout(x))
        return result


# Input channels, and channels of each branch (table 1).
_INCEPTION = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128), "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip


class GoogLeNet(Model):
    """Nine inception blocks. In training, `auxiliary` gives three results: its own and two auxiliary ones."""

    def __init__(self, num_classes: int, in_channels: int, auxiliary: bool, dropout: float) -> None:
        super().__init__(in_channels, num_classes, (32, 32))
        self.conv1 = ConvNorm(in_channels, 64, 7, 2)
        self.maxpool1 = fnn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.conv3 = ConvNorm(64, 64), ConvNorm(64, 192, 3)
        self.maxpool2 = fnn.MaxPool2d(3, 2, ceil_mode=True)
        for name, widths in _INCEPTION.items():
            setattr(self, f"inception{name}", Inception(*widths))
        self.maxpool3, self.maxpool4 = fnn.MaxPool2d(3, 2, ceil_mode=True), fnn.MaxPool2d(2, 2, ceil_mode=True)
        self.aux1 = Auxiliary(512, num_classes, 0.7) if auxiliary else None
        self.aux2 = Auxiliary(528, num_classes, 0.7) if auxiliary else None
        self.avgpool = fnn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, 0, 0.01, -2, 2)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """(B, in_channels, H, W), at least 32 x 32, to (B, num_classes)."""
        self.check(x)
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        early: list[Tensor] = []
        for name in _INCEPTION:
            if name == "4a":
                x = self.maxpool3(x)
            elif name == "5a":
                x = self.maxpool4(x)
            x = getattr(self, f"inception{name}")(x)
            head = self.aux1 if name == "4a" else self.aux2 if name == "4d" else None
            if head is not None and self.training:
                early.append(head(x))
        result: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return (result, early[0], early[1]) if early else result


@model(GoogLeNet, {"torchvision": same_names})
def googlenet(
    num_classes: int = 1000, in_channels: int = 3, auxiliary: bool = False, dropout: float = 0.2
) -> GoogLeNet:
    """Make GoogLeNet (Inception v1) with batch norm: 6,624,904 parameters, 13,004,888 with the auxiliary classifiers.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 32 x 32 pixels, 224 x 224 in the paper.
        auxiliary: add the two auxiliary classifiers; the result in training is then a tuple of three.
        dropout: before the last layer.

    Reference:
        C. Szegedy et al., "Going deeper with convolutions", 2014; batch norm: S. Ioffe, C. Szegedy, 2015.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.googlenet(num_classes=5).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 5])
    """
    return GoogLeNet(num_classes, in_channels, auxiliary, dropout)
