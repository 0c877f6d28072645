"""Residual networks; parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn.models._common import Model, initialise, relu
from fastcnn.models._registry import model, same_names


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions, added to the input."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = fnn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = relu()
        self.conv2 = fnn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return result


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (which has the stride, as in most implementations; 1 x 1 in the paper) and 1 x 1."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = fnn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = fnn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = fnn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = relu()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, 4 * width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        result: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return result


class ResNet(Model):
    """A stem, four stages of residual blocks, the mean and a linear layer."""

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...], num_classes: int, in_channels: int
    ) -> None:
        super().__init__(in_channels, num_classes, (32, 32))
        self.conv1 = fnn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = relu()
        self.maxpool = fnn.MaxPool2d(3, 2, 1)
        channels = 64
        for i, depth in enumerate(depths):
            width, blocks = 64 << i, []
            for k in range(depth):
                stride = 2 if i > 0 and k == 0 else 1
                downsample = None
                if stride != 1 or channels != width * block.expansion:
                    downsample = nn.Sequential(
                        fnn.Conv2d(channels, width * block.expansion, 1, stride, bias=False),
                        nn.BatchNorm2d(width * block.expansion),
                    )
                blocks.append(block(channels, width, stride, downsample))
                channels = width * block.expansion
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.avgpool = fnn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        self.widths = (in_channels, 64, *(64 * block.expansion << i for i in range(4)))
        initialise(self)

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the input, the stem and the four stages: strides 1 to 32."""
        found = [x, self.relu(self.bn1(self.conv1(x)))]
        x = self.maxpool(found[-1])
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W), at least 32 x 32, to (B, num_classes)."""
        self.check(x)
        result: Tensor = self.fc(self.avgpool(self.stages(x)[-1]).flatten(1))
        return result


def _make(
    depth: int, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...], parameters: str
) -> Callable[..., ResNet]:
    @model(ResNet, {"torchvision": same_names, "timm": same_names}, f"resnet{depth}")
    def resnet(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
        return ResNet(block, depths, num_classes, in_channels)

    resnet.__doc__ = f"""Make ResNet-{depth}: {parameters} parameters.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 32 x 32 pixels, 224 x 224 in the paper.

    Reference:
        K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2015.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.resnet{depth}(num_classes=5).eval()(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 5])
    """
    return resnet


resnet18 = _make(18, BasicBlock, (2, 2, 2, 2), "11,689,512")
resnet34 = _make(34, BasicBlock, (3, 4, 6, 3), "21,797,672")
resnet50 = _make(50, Bottleneck, (3, 4, 6, 3), "25,557,032")
resnet101 = _make(101, Bottleneck, (3, 4, 23, 3), "44,549,160")
resnet152 = _make(152, Bottleneck, (3, 8, 36, 3), "60,192,808")
