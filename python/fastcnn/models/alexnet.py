"""AlexNet with one tower, or with the two towers of the paper."""

from __future__ import annotations

from torch import nn

from fastcnn import nn as fnn
from fastcnn._errors import ArgumentError
from fastcnn.models._common import Classifier, relu
from fastcnn.models._registry import model


class AlexNet(Classifier):
    """Five convolutions, three of them followed by overlapping max pooling, and three linear layers."""

    def __init__(self, num_classes: int, in_channels: int, groups: int, dropout: float) -> None:
        super().__init__(in_channels, num_classes, (63, 63))
        norm = [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)] if groups == 2 else []
        self.features = nn.Sequential(
            fnn.Conv2d(in_channels, 96, 11, 4, 2), relu(), *norm, fnn.MaxPool2d(3, 2),
            fnn.Conv2d(96, 256, 5, 1, 2, groups=groups), relu(), *norm, fnn.MaxPool2d(3, 2),
            fnn.Conv2d(256, 384, 3, 1, 1), relu(),
            fnn.Conv2d(384, 384, 3, 1, 1, groups=groups), relu(),
            fnn.Conv2d(384, 256, 3, 1, 1, groups=groups), relu(), fnn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = fnn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), relu(),
            nn.Dropout(dropout), nn.Linear(4096, 4096), relu(),
            nn.Linear(4096, num_classes),
        )  # fmt: skip


@model()
def alexnet(num_classes: int = 1000, in_channels: int = 3, towers: int = 1, dropout: float = 0.5) -> AlexNet:
    """Make AlexNet: 62,378,344 parameters in one tower, 60,965,224 in two.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 63 x 63 pixels, 224 x 224 in the paper.
        towers: 2: as in the paper: two groups in the second, fourth and fifth layers, and local response
            normalisation. 1: neither.
        dropout: before the first two linear layers.

    Reference:
        A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.alexnet(num_classes=5)(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 5])
    """
    if towers not in (1, 2):
        raise ArgumentError(f"alexnet: expected towers 1 or 2, got {towers}")
    return AlexNet(num_classes, in_channels, towers, dropout)
