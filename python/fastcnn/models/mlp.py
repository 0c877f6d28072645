"""The multi-layer perceptron, a baseline without convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fastcnn.models._common import Model, relu
from fastcnn.models._registry import model


class MLP(Model):
    """A multi-layer perceptron on all pixels of an image of one size."""

    def __init__(self, in_channels: int, image_size: tuple[int, int], hidden: Sequence[int], num_classes: int) -> None:
        super().__init__(in_channels, num_classes, image_size, exact=True)
        layers: list[nn.Module] = [nn.Flatten()]
        width = in_channels * image_size[0] * image_size[1]
        for size in hidden:
            layers += [nn.Linear(width, size), relu()]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *image_size) to (B, num_classes)."""
        self.check(x)
        result: Tensor = self.layers(x)
        return result


@model()
def mlp(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: tuple[int, int] = (28, 28),
    hidden: Sequence[int] = (300, 100),
) -> MLP:
    """Make a perceptron with ReLU layers: by default the 784-300-100-10 of the paper, of 266,610 parameters.

    Args:
        num_classes: size of the result.
        in_channels: of the images.
        image_size: (height, width), the only accepted size.
        hidden: sizes of the hidden layers.

    Reference:
        Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998, table of methods.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.mlp()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    return MLP(in_channels, image_size, hidden, num_classes)
