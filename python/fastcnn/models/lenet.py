"""LeCun's networks, with parts that later versions omit: trainable subsampling and partly connected maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn import ops
from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn.models._common import Model, check_counts, relu
from fastcnn.models._registry import model

# The maps of S2 connected to each map of C3 (1998, table 1), and those of H2 connected to each map of H3 (1990).
C3 = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
H3 = ((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1), (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3))


class PartialConv2d(nn.Module):
    """A convolution whose output channels each see only some input channels, and have weights only for those."""

    pairs: Tensor

    def __init__(self, table: Sequence[Sequence[int]], kernel: int) -> None:
        super().__init__()
        pairs = [(out, of) for out, seen in enumerate(table) for of in seen]
        self.shape = (len(table), max(of for _, of in pairs) + 1, kernel, kernel)
        self.register_buffer("pairs", torch.tensor(pairs).T, persistent=False)
        bound = torch.tensor([1 / (len(seen) * kernel * kernel) ** 0.5 for seen in table])
        of_pair = bound[[out for out, _ in pairs]].reshape(-1, 1, 1)
        self.weight = nn.Parameter((2 * torch.rand(len(pairs), kernel, kernel) - 1) * of_pair)
        self.bias = nn.Parameter((2 * torch.rand(len(table)) - 1) * bound)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, maps, H - kernel + 1, W - kernel + 1)."""
        out, of = self.pairs
        dense = self.weight.new_zeros(self.shape).index_put((out, of), self.weight)
        return ops.conv2d(x, dense, self.bias)


class Subsampling(nn.Module):
    """The average of 2 x 2 pixels, times a learned factor plus a learned bias of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = fnn.AvgPool2d(2)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / 2, W / 2)."""
        result: Tensor = self.pool(x) * self.weight[:, None, None] + self.bias[:, None, None]
        return result


class ScaledTanh(nn.Module):
    """1.7159 tanh(2 x / 3): 1 at 1 (1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class LeNet(Model):
    """Features, and a classifier on all of them."""

    def __init__(self, features: nn.Module, classifier: nn.Module, size: int, channels: int, classes: int) -> None:
        super().__init__(channels, classes, (size, size), exact=True)
        self.features, self.classifier = features, classifier

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, S, S) to (B, num_classes)."""
        self.check(x)
        result: Tensor = self.classifier(self.features(x).flatten(1))
        return result


@model()
def lenet1(num_classes: int = 10, in_channels: int = 1) -> LeNet:
    """Make LeNet-1 for 28 x 28 pixels: 2,578 parameters for one channel and ten classes, as in the paper.

    Args:
        num_classes: size of the result.
        in_channels: of the images.

    Reference:
        Y. LeCun et al., "Handwritten digit recognition with a back-propagation network", 1990.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.lenet1()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    check_counts("lenet1", in_channels, num_classes)
    features = nn.Sequential(
        fnn.Conv2d(in_channels, 4, 5), Subsampling(4), nn.Tanh(), PartialConv2d(H3, 5), Subsampling(12), nn.Tanh()
    )
    return LeNet(features, nn.Linear(12 * 4 * 4, num_classes), 28, in_channels, num_classes)


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": ScaledTanh, "sigmoid": nn.Sigmoid, "relu": relu}


@model()
def lenet5(num_classes: int = 10, in_channels: int = 1, variant: str = "tanh", image_size: int = 32) -> LeNet:
    """Make LeNet-5 for 32 x 32 pixels.

    Args:
        num_classes: size of the result.
        in_channels: of the images.
        variant: "tanh" or "sigmoid": trainable subsampling and the paper's table of connections; 60,000 parameters for
            one channel up to F6, as in the paper, and a linear layer in place of its Gaussian connections to fixed
            patterns. "relu": the modern form, all maps connected, max pooling, ReLU and batch norm.
        image_size: height and width; "relu" accepts any size from 16 (28 for MNIST as it is, 32 if padded).

    Raises:
        ArgumentError: an unknown variant, or a size that it does not accept.

    Reference:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

    Example:
        >>> import torch, fastcnn.models as M
        >>> sum(p.numel() for name, p in M.lenet5().named_parameters() if not name.startswith("classifier.3"))
        60000
    """
    check_choice(variant, tuple(_ACTIVATIONS), "lenet5", "variant")
    check_counts("lenet5", in_channels, num_classes)
    activation = _ACTIVATIONS[variant]
    if variant != "relu":
        if image_size != 32:
            raise ArgumentError(f"lenet5: expected image_size 32 with variant {variant}, got {image_size}")
        features = nn.Sequential(
            fnn.Conv2d(in_channels, 6, 5),
            Subsampling(6),
            activation(),
            PartialConv2d(C3, 5),
            Subsampling(16),
            activation(),
        )
        classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            activation(),
            nn.Sequential(nn.Linear(120, 84), activation()),
            nn.Linear(84, num_classes),
        )
        return LeNet(features, classifier, 32, in_channels, num_classes)
    side = ((image_size - 4) // 2 - 4) // 2
    if side < 1:
        raise ArgumentError(f"lenet5: expected image_size of at least 16, got {image_size}")
    features = nn.Sequential(
        fnn.Conv2d(in_channels, 6, 5, bias=False), nn.BatchNorm2d(6), activation(), fnn.MaxPool2d(2),
        fnn.Conv2d(6, 16, 5, bias=False), nn.BatchNorm2d(16), activation(), fnn.MaxPool2d(2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Linear(16 * side * side, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, num_classes)
    )
    return LeNet(features, classifier, image_size, in_channels, num_classes)
