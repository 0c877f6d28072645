"""VGG networks; parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn.models._common import Classifier, initialise, relu
from fastcnn.models._registry import State, model, renamed, same_names

# Convolutions of 64, 128, 256, 512 and 512 channels (table 1: A, B, D, E).
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(Classifier):
    """3 x 3 convolutions in five stages, each followed by max pooling, and three linear layers."""

    widths = (*_WIDTHS, _WIDTHS[-1])  #: of `stages`

    def __init__(self, depth: int, batch_norm: bool, num_classes: int, in_channels: int, dropout: float) -> None:
        super().__init__(in_channels, num_classes, (32, 32))
        layers: list[nn.Module] = []
        channels = in_channels
        for width, count in zip(_WIDTHS, _DEPTHS[depth], strict=True):
            for _ in range(count):
                layers.append(fnn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(relu())
                channels = width
            layers.append(fnn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = fnn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), relu(), nn.Dropout(dropout),
            nn.Linear(4096, 4096), relu(), nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        initialise(self)

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the features of each stage before pooling, and the last pooled ones: strides 1 to 32."""
        found = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                found.append(x)
            x = layer(x)
        return [*found, x]


def _from_timm(network: VGG, state: State, models: Sequence[str]) -> State:
    linear = (("pre_logits.fc1", "classifier.0"), ("pre_logits.fc2", "classifier.3"), ("head.fc", "classifier.6"))
    # There, the linear layers are convolutions over all pixels.
    return {
        name: value.flatten(1) if name.startswith("classifier.") and value.ndim == 4 else value
        for name, value in renamed(state, linear).items()
    }


def _make(depth: int, batch_norm: bool, parameters: str) -> Callable[..., VGG]:
    name = f"vgg{depth}{'_bn' if batch_norm else ''}"

    @model(VGG, {"torchvision": same_names, "timm": _from_timm}, name)
    def vgg(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
        return VGG(depth, batch_norm, num_classes, in_channels, dropout)

    vgg.__doc__ = f"""Make VGG-{depth}{" with batch norm" if batch_norm else ""}: {parameters} parameters.

    Args:
        num_classes: size of the result.
        in_channels: of the images, (B, in_channels, H, W) of at least 32 x 32 pixels, 224 x 224 in the paper.
        dropout: after the first two linear layers.

    Reference:
        K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.{name}(num_classes=5)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 5])
    """
    return vgg


vgg11, vgg11_bn = _make(11, False, "132,863,336"), _make(11, True, "132,868,840")
vgg13, vgg13_bn = _make(13, False, "133,047,848"), _make(13, True, "133,053,736")
vgg16, vgg16_bn = _make(16, False, "138,357,544"), _make(16, True, "138,365,992")
vgg19, vgg19_bn = _make(19, False, "143,667,240"), _make(19, True, "143,678,248")
