"""Shared by the models: the input check, and layers of a convolution, its normalisation and an activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn._errors import ArgumentError


def check_counts(model: str, in_channels: int, num_classes: int) -> None:
    """Refuse numbers below 1."""
    for name, value in (("in_channels", in_channels), ("num_classes", num_classes)):
        if value < 1:
            raise ArgumentError(f"{model}: expected {name} of at least 1, got {value}")


class Model(nn.Module):
    """A network on images (B, in_channels, H, W) that declares which sizes it accepts."""

    def __init__(
        self, in_channels: int, num_classes: int, minimum: tuple[int, int], multiple: int = 1, exact: bool = False
    ) -> None:
        super().__init__()
        check_counts(type(self).__name__, in_channels, num_classes)
        self.in_channels, self.num_classes = in_channels, num_classes
        height, width = minimum  # may be a list, from a file
        self._min, self._multiple, self._exact = (height, width), multiple, exact

    def size_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the smallest size, not below this one, that the network accepts."""
        if self._exact:
            return self._min
        height, width = (
            -(-max(s, minimum) // self._multiple) * self._multiple for s, minimum in zip(size, self._min, strict=True)
        )
        return height, width

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return self._multiple

    def check(self, x: Tensor) -> None:
        """Refuse input on which an inner layer would fail with an unclear message. Skipped while a graph is traced."""
        if torch.compiler.is_compiling():
            return
        height, width = self._min
        size = tuple(x.shape[-2:])
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            what = f"(B, {self.in_channels}, H, W)"
        elif self._exact and size != self._min:
            what = f"(B, {self.in_channels}, {height}, {width})"
        elif size[0] < height or size[1] < width:
            what = f"(B, {self.in_channels}, H, W), H and W at least {height} and {width}"
        elif size[0] % self._multiple or size[1] % self._multiple:
            what = f"(B, {self.in_channels}, H, W), H and W multiples of {self._multiple}"
        else:
            return
        raise ArgumentError(f"{type(self).__name__}: expected input of shape {what}, got {tuple(x.shape)}")


class Classifier(Model):
    """Features, adaptive average pooling to a few bins, and a classifier."""

    features: nn.Sequential
    avgpool: nn.Module
    classifier: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, num_classes)."""
        self.check(x)
        result: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return result


def stages_between(features: nn.Sequential, ends: tuple[int, ...], x: Tensor) -> list[Tensor]:
    """Return x, and the features before each index of `ends` in a sequence."""
    found, begin = [x], 0
    for end in ends:
        x = features[begin:end](x)
        found.append(x)
        begin = end
    return found


class SameConv2d(fnn.Conv2d):
    """A convolution with TensorFlow's padding "SAME", for kernel sizes of at least the stride.

    The result has ceil(size / stride) pixels. The padding depends on the size; an odd pixel comes last.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        (tall, wide), (down, across) = self.kernel_size, self.stride
        rows, columns = tall - 1 - (input.shape[-2] - 1) % down, wide - 1 - (input.shape[-1] - 1) % across
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        result: Tensor = super().forward(nn.functional.pad(input, padding))
        return result


def conv_norm(
    channels: int,
    width: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], nn.Module] | None = None,
    eps: float = 1e-5,
    momentum: float = 0.1,
    same: bool = False,
) -> nn.Sequential:
    """Return a convolution without bias, batch norm and an activation; `same` selects TensorFlow's padding."""
    conv = (
        SameConv2d(channels, width, kernel, stride, groups=groups, bias=False)
        if same and stride > 1
        else fnn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    )
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(width, eps=eps, momentum=momentum)]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def relu() -> nn.Module:
    """Return an in-place ReLU."""
    return nn.ReLU(inplace=True)


def relu6() -> nn.Module:
    """Return an in-place ReLU6: clamped to 0..6."""
    return nn.ReLU6(inplace=True)


def silu() -> nn.Module:
    """Return an in-place SiLU: x * sigmoid(x)."""
    return nn.SiLU(inplace=True)


def divisible(value: float, by: int = 8) -> int:
    """Round a number of channels to a multiple of `by`, but not below 90% of it."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


def initialise(model: nn.Module) -> None:
    """Initialise like torchvision: He's method (fan out) for convolutions, small normal values for linear layers."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)


def timm_ends(last: int) -> Iterator[tuple[str, str]]:
    """Return timm's names, and torchvision's, of the first and last layers of MobileNet V2 and EfficientNet."""
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", f"features.{last}.0"), ("bn2", f"features.{last}.1"), ("classifier", "classifier.1"))
