"""U-Nets: the plain one, and one with another network as encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn import ops
from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn.models import efficientnet, mobilenet, resnet, vgg
from fastcnn.models._common import Model, initialise, relu
from fastcnn.models._registry import State, model, renamed

# Networks with `stages`, features of strides 1 to 32, and their `widths`.
Encoder = resnet.ResNet | vgg.VGG | mobilenet.MobileNetV2 | efficientnet.EfficientNet
ENCODERS: dict[str, Callable[..., Encoder]] = {
    f.__name__: f
    for f in (
        resnet.resnet18, resnet.resnet34, resnet.resnet50, resnet.resnet101, resnet.resnet152,
        vgg.vgg11_bn, vgg.vgg13_bn, vgg.vgg16_bn, vgg.vgg19_bn, mobilenet.mobilenet_v2,
        efficientnet.efficientnet_b0, efficientnet.efficientnet_b1, efficientnet.efficientnet_b2,
        efficientnet.efficientnet_b3, efficientnet.efficientnet_b4, efficientnet.efficientnet_b5,
        efficientnet.efficientnet_b6, efficientnet.efficientnet_b7,
    )
}  # fmt: skip


def _conv(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(fnn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), relu())


def _double(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(*_conv(channels, width), *_conv(width, width))


class UNet(Model):
    """An encoder with max pooling and a decoder; each decoder level is concatenated with its encoder level."""

    def __init__(self, in_channels: int, num_classes: int, depth: int, width: int, up: str) -> None:
        super().__init__(in_channels, num_classes, (2**depth, 2**depth), 2**depth)
        widths = [width << i for i in range(depth + 1)]
        self.down = nn.ModuleList(_double(c, w) for c, w in zip([in_channels, *widths], widths[:-1], strict=False))
        self.pool = fnn.MaxPool2d(2)
        self.bottom = _double(widths[-2] if depth else in_channels, widths[-1])
        self.up = nn.ModuleList(
            fnn.ConvTranspose2d(2 * w, w, 2, stride=2)
            if up == "transpose"
            else nn.Sequential(Upsample(), fnn.Conv2d(2 * w, w, 3, padding=1))
            for w in reversed(widths[:-1])
        )
        self.merge = nn.ModuleList(_double(2 * w, w) for w in reversed(widths[:-1]))
        self.head = fnn.Conv2d(width, num_classes, 1)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W), multiples of 2^depth, to (B, num_classes, H, W)."""
        self.check(x)
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        result: Tensor = self.head(x)
        return result


class Upsample(nn.Module):
    """Double height and width by repeating pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2 H, 2 W)."""
        return ops.resize(x, (2 * x.shape[-2], 2 * x.shape[-1]), "nearest")


class DecoderBlock(nn.Module):
    """Upsampling by 2, concatenation with encoder features, two convolutions; segmentation_models_pytorch's names."""

    def __init__(self, channels: int, skip: int, width: int) -> None:
        super().__init__()
        self.up = Upsample()
        self.conv1, self.conv2 = _conv(channels + skip, width), _conv(width, width)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """(B, channels, H, W) and (B, skip, 2 H, 2 W) to (B, width, 2 H, 2 W)."""
        x = self.up(x)
        if skip is not None:
            x = torch.cat([x, skip], 1)
        result: Tensor = self.conv2(self.conv1(x))
        return result


class Decoder(nn.Module):
    """The decoder: a block for each stage of an encoder, optionally with two convolutions before the first."""

    def __init__(self, stages: Sequence[int], widths: Sequence[int], centre: bool) -> None:
        super().__init__()
        channels = stages[-1]
        self.center = nn.Sequential(*(_conv(channels, channels) for _ in range(2))) if centre else nn.Identity()
        blocks = []
        for skip, width in zip([*reversed(stages[:-1]), 0], widths, strict=True):
            blocks.append(DecoderBlock(channels, skip, width))
            channels = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Features of strides 2, 4, ... to the last block's (B, width, H, W)."""
        *skips, last = stages
        x: Tensor = self.center(last)
        for block, skip in zip(self.blocks, [*reversed(skips), None], strict=True):
            x = block(x, skip)
        return x


class EncoderUNet(Model):
    """A classification network without its last layers as encoder, and a decoder on its stages."""

    def __init__(
        self, encoder: str, in_channels: int, num_classes: int, widths: Sequence[int], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(in_channels, num_classes, (32, 32), 32)
        self.encoder = ENCODERS[encoder](in_channels=in_channels, **arguments)
        for unused in ("fc", "classifier"):
            if hasattr(self.encoder, unused):
                delattr(self.encoder, unused)
        if isinstance(self.encoder, efficientnet.EfficientNet):
            del self.encoder.features[-1]  # the stages end before it
        # Maps of the full image size, the image or features, are not concatenated.
        self.decoder = Decoder(self.encoder.widths[1:], widths, isinstance(self.encoder, vgg.VGG))
        self.segmentation_head = nn.Sequential(fnn.Conv2d(widths[-1], num_classes, 3, padding=1))
        for part in (self.decoder, self.segmentation_head):
            initialise(part)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W), multiples of 32, to (B, num_classes, H, W)."""
        self.check(x)
        result: Tensor = self.segmentation_head(self.decoder(self.encoder.stages(x)[1:]))
        return result


def _from_segmentation_models(network: EncoderUNet, state: State, models: Sequence[str]) -> State:
    encoder = network.encoder
    if isinstance(encoder, efficientnet.EfficientNet):
        argument = "encoder_arguments={'variant': ...}"
        efficientnet.check_variant(encoder, "segmentation_models", models, argument)
    # segmentation_models_pytorch keeps the unused classifiers of some encoders.
    state = {k: v for k, v in state.items() if not k.startswith(("encoder.classifier.", "encoder.fc."))}
    state = {k.replace("encoder.model.", "encoder.", 1): v for k, v in state.items()}
    if not isinstance(encoder, efficientnet.EfficientNet):
        return state
    if not any(name.startswith("encoder.blocks.") for name in state):
        raise ArgumentError(
            "load_weights: of segmentation_models' EfficientNets only tu-efficientnet_b... has our padding and stages"
        )
    return renamed(state, ((f"encoder.{a}", f"encoder.{b}") for a, b in efficientnet.timm_names(encoder)))


@model(EncoderUNet, {"segmentation_models": _from_segmentation_models})
def unet(
    num_classes: int = 1,
    in_channels: int = 3,
    depth: int = 4,
    width: int = 64,
    up: str = "transpose",
    encoder: str | None = None,
    decoder_widths: Sequence[int] = (256, 128, 64, 32, 16),
    encoder_arguments: Mapping[str, Any] | None = None,
) -> UNet | EncoderUNet:
    """Make a U-Net with padded convolutions and batch norm: the result has the image's size.

    Args:
        num_classes: channels of the result.
        in_channels: of the images, (B, in_channels, H, W), H and W multiples of 2^depth (32 with an encoder).
        depth: number of times the size is halved, 1 to 16. 4 in the paper.
        width: channels of the first level, doubled on each further one. 64 in the paper: 31,036,481 parameters
            (with batch norm, for a grey image and one class).
        up: "transpose": 2 x 2 up-convolutions, as in the paper; "upsample": nearest neighbour by 2, then 3 x 3.
        encoder: the name of a network to use as encoder, `resnet18` for example; the decoder is then that of
            segmentation_models_pytorch.
        decoder_widths: with an encoder, the channels of the five decoder levels.
        encoder_arguments: arguments of the encoder's function, for example ``{"variant": "tensorflow"}``.

    Raises:
        ArgumentError: an unknown encoder or `up`, or a number below 1.

    Reference:
        O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.unet(num_classes=2, width=8)(torch.zeros(1, 3, 64, 48)).shape
        torch.Size([1, 2, 64, 48])
    """
    check_choice(up, ("transpose", "upsample"), "unet", "up")
    # A depth of 16 already needs multiples of 65,536 pixels; further levels would only fill memory.
    if not 1 <= depth <= 16 or width < 1:
        raise ArgumentError(f"unet: expected depth from 1 to 16 and width of at least 1, got {depth} and {width}")
    if encoder is None:
        return UNet(in_channels, num_classes, depth, width, up)
    check_choice(encoder, tuple(ENCODERS), "unet", "encoder")
    if len(decoder_widths) != 5:
        raise ArgumentError(f"unet: expected decoder_widths of 5 values, got {len(decoder_widths)}")
    return EncoderUNet(encoder, in_channels, num_classes, decoder_widths, encoder_arguments or {})
