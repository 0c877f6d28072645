"""YOLOX: anchor-free, with separate branches for classes and boxes; parameter names are those of its authors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fastcnn import nn as fnn
from fastcnn.models import _simota
from fastcnn.models._common import silu
from fastcnn.models._detection import Detections, Detector, YOLOXPredictions, select
from fastcnn.models._registry import model, same_names
from fastcnn.models.unet import Upsample

STRIDES = (8, 16, 32)


class BaseConv(nn.Module):
    """A convolution without bias, its batch norm and SiLU."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = fnn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3, momentum=0.03)
        self.act = silu()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        result: Tensor = self.act(self.bn(self.conv(x)))
        return result


class DepthwiseConv(nn.Module):
    """A depthwise convolution and a 1 x 1 one: `BaseConv` with fewer operations."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = BaseConv(channels, channels, kernel, stride, groups=channels)
        self.pconv = BaseConv(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        result: Tensor = self.pconv(self.dconv(x))
        return result


Conv = type[BaseConv] | type[DepthwiseConv]


class Bottleneck(nn.Module):
    """1 x 1 and 3 x 3 convolutions, optionally added to the input."""

    def __init__(self, width: int, adds: bool, conv: Conv) -> None:
        super().__init__()
        self.conv1, self.conv2 = BaseConv(width, width, 1), conv(width, width, 3)
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.adds else y


class CSPLayer(nn.Module):
    """Bottlenecks on one half of the channels, concatenated with the other half (cross stage partial)."""

    def __init__(self, channels: int, width: int, depth: int, adds: bool, conv: Conv) -> None:
        super().__init__()
        half = width // 2
        self.conv1, self.conv2 = BaseConv(channels, half, 1), BaseConv(channels, half, 1)
        self.conv3 = BaseConv(2 * half, width, 1)
        self.m = nn.Sequential(*(Bottleneck(half, adds, conv) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H, W)."""
        result: Tensor = self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))
        return result


class SPPBottleneck(nn.Module):
    """Features concatenated with their maxima over 5 x 5, 9 x 9 and 13 x 13 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = BaseConv(width, width // 2, 1)
        self.conv2 = BaseConv(4 * (width // 2), width, 1)
        self.pool = fnn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        found = [self.conv1(x)]
        for _ in range(3):  # repeated max pooling: 5, 9, 13
            found.append(self.pool(found[-1]))
        result: Tensor = self.conv2(torch.cat(found, 1))
        return result


class Focus(nn.Module):
    """The four pixels of each 2 x 2 as channels, and a convolution."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = BaseConv(4 * channels, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, width, H / 2, W / 2)."""
        pixels = [x[..., top::2, left::2] for left in (0, 1) for top in (0, 1)]
        result: Tensor = self.conv(torch.cat(pixels, 1))
        return result


class CSPDarknet(nn.Module):
    """The backbone: features of strides 8, 16 and 32."""

    def __init__(self, in_channels: int, base: int, depth: int, conv: Conv) -> None:
        super().__init__()
        self.stem = Focus(in_channels, base)
        self.dark2, self.dark3, self.dark4, self.dark5 = (
            nn.Sequential(
                conv(base << i, base << (i + 1), 3, 2),
                *([SPPBottleneck(base << (i + 1))] if i == 3 else []),
                CSPLayer(base << (i + 1), base << (i + 1), blocks, i < 3, conv),
            )
            for i, blocks in enumerate((depth, 3 * depth, 3 * depth, depth))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, in_channels, H, W) to features of H / 8, H / 16 and H / 32."""
        x = self.dark2(self.stem(x))
        found = []
        for stage in (self.dark3, self.dark4, self.dark5):
            x = stage(x)
            found.append(x)
        return found


class PAFPN(nn.Module):
    """Backbone, top-down and bottom-up paths; levels of the same size are concatenated (path aggregation)."""

    def __init__(self, in_channels: int, base: int, depth: int, conv: Conv) -> None:
        super().__init__()
        self.backbone = CSPDarknet(in_channels, base, depth, conv)
        self.upsample = Upsample()
        fine, middle, coarse = 4 * base, 8 * base, 16 * base
        self.lateral_conv0 = BaseConv(coarse, middle, 1)
        self.C3_p4 = CSPLayer(2 * middle, middle, depth, False, conv)
        self.reduce_conv1 = BaseConv(middle, fine, 1)
        self.C3_p3 = CSPLayer(2 * fine, fine, depth, False, conv)
        self.bu_conv2 = conv(fine, fine, 3, 2)
        self.C3_n3 = CSPLayer(2 * fine, middle, depth, False, conv)
        self.bu_conv1 = conv(middle, middle, 3, 2)
        self.C3_n4 = CSPLayer(2 * middle, coarse, depth, False, conv)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, in_channels, H, W) to features of H / 8, H / 16 and H / 32."""
        down8, down16, down32 = self.backbone(x)
        up32 = self.lateral_conv0(down32)
        up16 = self.reduce_conv1(self.C3_p4(torch.cat([self.upsample(up32), down16], 1)))
        out8 = self.C3_p3(torch.cat([self.upsample(up16), down8], 1))
        out16 = self.C3_n3(torch.cat([self.bu_conv2(out8), up16], 1))
        out32 = self.C3_n4(torch.cat([self.bu_conv1(out16), up32], 1))
        return [out8, out16, out32]


class Head(nn.Module):
    """Each level has one branch for classes, and one for boxes and objectness."""

    def __init__(self, num_classes: int, base: int, conv: Conv) -> None:
        super().__init__()
        width = 4 * base

        def branches() -> nn.ModuleList:
            return nn.ModuleList(nn.Sequential(conv(width, width, 3), conv(width, width, 3)) for _ in STRIDES)

        def results(channels: int) -> nn.ModuleList:
            return nn.ModuleList(fnn.Conv2d(width, channels, 1) for _ in STRIDES)

        self.stems = nn.ModuleList(BaseConv(width << i, width, 1) for i in range(len(STRIDES)))
        self.cls_convs, self.reg_convs = branches(), branches()
        self.cls_preds, self.reg_preds, self.obj_preds = results(num_classes), results(4), results(1)
        # Most positions are background: start with a low probability (Lin et al., 2017, section 4.1).
        for layer in (*self.cls_preds, *self.obj_preds):
            nn.init.constant_(layer.bias, -math.log((1 - 0.01) / 0.01))

    def forward(self, features: list[Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return boxes (B, 4, h, w), objectness (B, 1, h, w) and classes (B, num_classes, h, w) of each level."""
        found = []
        for i, x in enumerate(features):
            x = self.stems[i](x)
            boxes = self.reg_convs[i](x)
            classes = self.cls_preds[i](self.cls_convs[i](x))
            found.append((self.reg_preds[i](boxes), self.obj_preds[i](boxes), classes))
        return found


def _places(height: int, width: int, stride: int, like: Tensor) -> Tensor:
    y = torch.arange(height, dtype=like.dtype, device=like.device)[:, None].expand(height, width)
    x = torch.arange(width, dtype=like.dtype, device=like.device)[None].expand(height, width)
    return torch.stack([x * stride, y * stride, torch.full_like(x, stride)], -1).reshape(-1, 3)


def _decode(level: tuple[Tensor, Tensor, Tensor], stride: int) -> YOLOXPredictions:
    # Half precision would round positions to several pixels.
    boxes, objectness, classes = (x.to(torch.promote_types(x.dtype, torch.float32)).flatten(2) for x in level)
    height, width = level[0].shape[-2:]
    places = _places(height, width, stride, boxes)
    boxes = boxes.transpose(1, 2)
    centre = boxes[..., :2] * stride + places[:, :2]
    # At most 5e8 strides: an infinite size would make gradients NaN, also those of other boxes.
    half = torch.exp(boxes[..., 2:].clamp(max=20)) * (stride / 2)
    corners = torch.cat([centre - half, centre + half], -1)
    return YOLOXPredictions(corners, objectness[:, 0], classes.transpose(1, 2), places)


class YOLOX(Detector):
    """Features of three strides, and a head on each."""

    def __init__(
        self,
        width: float,
        depth: float,
        conv: Conv,
        num_classes: int,
        in_channels: int,
        score_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> None:
        super().__init__(in_channels, num_classes, (32, 32), 32)
        self.set_thresholds(score_threshold, iou_threshold, max_detections)
        base = int(64 * width)
        self.backbone = PAFPN(in_channels, base, max(round(3 * depth), 1), conv)
        self.head = Head(num_classes, base, conv)

    def predictions(self, x: Tensor) -> YOLOXPredictions:
        """(B, in_channels, H, W), multiples of 32, to all predictions, the result of a call in training mode."""
        self.check(x)
        levels = [_decode(level, stride) for level, stride in zip(self.head(self.backbone(x)), STRIDES, strict=True)]
        boxes, objectness, classes, places = zip(*levels, strict=True)
        return YOLOXPredictions(torch.cat(boxes, 1), torch.cat(objectness, 1), torch.cat(classes, 1), torch.cat(places))

    def detections(self, predictions: YOLOXPredictions) -> Detections:
        """Convert predictions to the result of a call in eval mode. A score is objectness times class probability."""
        best, classes = predictions.classes.max(-1)
        scores = predictions.objectness.sigmoid() * best.sigmoid()
        return select(predictions.boxes, scores, classes, self.iou_threshold, self.score_threshold, self.max_detections)

    def forward(self, x: Tensor) -> YOLOXPredictions | Detections:
        """(B, in_channels, H, W), multiples of 32, to `Detections`; in training mode to `YOLOXPredictions`."""
        predictions = self.predictions(x)
        return predictions if self.training else self.detections(predictions)

    def loss(
        self, predictions: YOLOXPredictions, boxes: Tensor, classes: Tensor, l1: bool = False
    ) -> dict[str, Tensor]:
        """Compare predictions with ground truth.

        Args:
            predictions: of B images.
            boxes: (B, M, 4), ``x1, y1, x2, y2`` in pixels.
            classes: int64 (B, M); -1 where there is no box, at the end or anywhere.
            l1: add the L1 distance of the box parameters, as the authors do once mosaics are off.

        Returns:
            "boxes" (5 times 1 - IoU^2), "objectness", "classes" and perhaps "l1", each a sum over the assigned
            positions divided by their number in the batch; their sum is to be minimised. SimOTA assigns positions to
            boxes (section 2 of the paper).

        Raises:
            ArgumentError: wrong shapes, or classes out of range.
        """
        self.check_targets(boxes, classes, predictions.boxes.shape[0])
        return _simota.loss(predictions, boxes, classes, l1)


def _make(size: str, depth: float, width: float, parameters: str, conv: Conv = BaseConv) -> Callable[..., YOLOX]:
    @model(YOLOX, {"yolox": same_names}, f"yolox_{size}")
    def yolox(
        num_classes: int = 80,
        in_channels: int = 3,
        score_threshold: float = 0.01,
        iou_threshold: float = 0.65,
        max_detections: int = 300,
    ) -> YOLOX:
        return YOLOX(width, depth, conv, num_classes, in_channels, score_threshold, iou_threshold, max_detections)

    yolox.__doc__ = f"""Make YOLOX-{size}: {parameters} parameters.

    Args:
        num_classes: how many kinds of objects.
        in_channels: of the images, (B, in_channels, H, W), H and W multiples of 32. The authors' weights take values
            from 0 to 255, blue first.
        score_threshold: only scores above it are detections. 0.01 is for curves of precision and recall; a person wants
            0.25 or more.
        iou_threshold: of two boxes of one class that overlap by more, the worse one goes.
        max_detections: K, how many are returned for an image.

    In eval mode a call gives `Detections` of fixed shape, so that the whole, suppression included, is one graph; in
    training mode it gives the predictions that its method `loss` takes.

    Raises:
        ArgumentError: numbers below 1, or thresholds outside [0, 1].

    Reference:
        Z. Ge, S. Liu, F. Wang, Z. Li, J. Sun, "YOLOX: exceeding YOLO series in 2021", 2021.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.yolox_{size}(num_classes=3, max_detections=20).eval()(torch.zeros(1, 3, 64, 64)).boxes.shape
        torch.Size([1, 20, 4])
    """
    return yolox


yolox_nano = _make("nano", 0.33, 0.25, "0.91 million", DepthwiseConv)
yolox_tiny = _make("tiny", 0.33, 0.375, "5.06 million")
yolox_s = _make("s", 0.33, 0.5, "8.97 million")
yolox_m = _make("m", 0.67, 0.75, "25.3 million")
yolox_l = _make("l", 1.0, 1.0, "54.2 million")
yolox_x = _make("x", 1.33, 1.25, "99.1 million")
