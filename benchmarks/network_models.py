"""The networks that whole-model figures are about, with random weights and batch-norm statistics.

The first four are written out here, from the papers, so that they are torch's own layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Vgg16Features(nn.Sequential):
    """The 13 convolutions of VGG-16 (Simonyan and Zisserman, 2014)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)


def _double(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c in (channels, width):
        layers += [nn.Conv2d(c, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net (Ronneberger et al., 2015) with batch norm, padded convolutions and 2x2 up-convolutions."""

    def __init__(self, base: int = 32, levels: int = 4, classes: int = 2) -> None:
        super().__init__()
        widths = [base * 2**i for i in range(levels + 1)]
        self.down = nn.ModuleList(_double(c, w) for c, w in zip([3, *widths[:-2]], widths[:-1], strict=True))
        self.bottom = _double(widths[-2], widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.merge = nn.ModuleList(_double(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return self.head(x)


class _Residual(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return functional.relu(y)


class ResNet18(nn.Module):
    """ResNet-18 (He et al., 2015)."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        blocks = []
        channels = 64
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [_Residual(channels, width, stride), _Residual(width, width, 1)]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = functional.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.expand(functional.silu(self.reduce(s))))


class _MbConv(nn.Module):
    def __init__(self, channels: int, width: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion

        def unit(c: int, k: int, n: int, s: int, groups: int, *, act: bool) -> list[nn.Module]:
            norm = [nn.Conv2d(c, n, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(n)]
            return [*norm, nn.SiLU(inplace=True)] if act else norm

        layers = unit(channels, 1, inner, 1, 1, act=True) if expansion > 1 else []
        layers += unit(inner, kernel, inner, stride, inner, act=True)
        layers += [_SqueezeExcite(inner, max(1, channels // 4)), *unit(inner, 1, width, 1, 1, act=False)]
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.residual else y


class EfficientNetB0(nn.Module):
    """EfficientNet-B0 (Tan and Le, 2019), with SiLU and squeeze-excite."""

    STAGES = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1),
              (6, 192, 4, 5, 2), (6, 320, 1, 3, 1))  # fmt: skip

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(inplace=True)]
        channels = 32
        for expansion, width, depth, kernel, stride in self.STAGES:
            for i in range(depth):
                layers.append(_MbConv(channels, width, expansion, kernel, stride if i == 0 else 1))
                channels = width
        layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.SiLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.head(self.dropout(torch.flatten(x, 1)))


class YoloxS(nn.Module):
    """`fastcnn.models.yolox_s` on torch.nn's layers, to what its head gives: (B, 85, N), before decoding."""

    def __init__(self) -> None:
        super().__init__()
        import fastcnn.models as M
        from fastcnn import nn as fnn
        from fastcnn.models.unet import Upsample

        network = M.yolox_s()
        network.backbone.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        for module in network.modules():
            assert not isinstance(module, Upsample)
            if type(module).__name__ in fnn.__all__:
                module.__class__ = getattr(nn, type(module).__name__)
        self.backbone, self.head = network.backbone, network.head

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.cat(level, 1).flatten(2) for level in self.head(self.backbone(x))], 2)


def randomise_statistics(model: nn.Module, seed: int = 0) -> nn.Module:
    """Statistics as after training: a wrong fold shows only where mean, variance, weight and bias are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in ((module.running_mean, -0.3, 0.3), (module.running_var, 0.6, 1.6),
                                      (module.weight, 0.7, 1.3), (module.bias, -0.3, 0.3)):  # fmt: skip
                if tensor is not None:
                    tensor.data.uniform_(low, high, generator=generator)
    return model


MODELS: dict[str, tuple[type[nn.Module], int]] = {
    "vgg16-features": (Vgg16Features, 224),
    "unet32": (UNet, 512),
    "resnet18": (ResNet18, 224),
    "efficientnet-b0": (EfficientNetB0, 224),
    "yolox-s": (YoloxS, 640),
}


def create(name: str, batch: int = 1, size: int | None = None) -> tuple[nn.Module, Tensor]:
    """Return the network in eval mode and an input, both seeded."""
    kind, default = MODELS[name]
    torch.manual_seed(0)
    model = randomise_statistics(kind()).eval()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            # Variance kept through the layers: deep activations are neither denormal nor huge.
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    size = default if size is None else size
    return model, torch.randn(batch, 3, size, size)
