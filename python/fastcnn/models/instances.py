"""Turn a network's maps of bodies and borders into labelled objects, in one graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastcnn import ops
from fastcnn._errors import ArgumentError
from fastcnn._torch.register import register_named_tuple_for_export
from fastcnn.ops._markers import number_padded_points

# Default minimum distance of two objects' centres, in pixels.
MIN_DISTANCE = 5


class ObjectMaps(NamedTuple):
    """Labelled objects of a batch, in fixed shapes.

    Attributes:
        labels: int32 (B, H, W): 0 background, 1 to count.
        count: int32 (B).
        regions: the `RegionTable` of area, box, centroid and intensity, each (B, max_objects[, k]).
    """

    labels: Tensor
    count: Any  # a Tensor; but tuples have a method of this name
    regions: Any


register_named_tuple_for_export(ObjectMaps, "fastcnn.models.ObjectMaps")


class ObjectSegmenter(nn.Module):
    """Separate touching objects: network, exact distance transform, peaks, watershed, region table.

    Args:
        network: (B, C, H, W) to logits (B, 2, H, W): of bodies, and of borders between touching bodies, as drawn by
            `border_maps`.
        multiple: the network needs sizes that are multiples of this. Images are padded at the bottom and on the right,
            and results are cropped.
        max_objects: N, for results of fixed shape: if there are more objects, those with the largest distance are kept.
        min_distance: minimum distance of two objects' centres, in pixels.
        smooth: sigma of the blur of the distance, in pixels.
        min_size: bodies of at most this many pixels are removed.
        threshold: for the probability of bodies.

    The distance is measured to the nearest background or border pixel; the bodies are flooded from its peaks.

    Raises:
        ArgumentError: numbers out of range, or images that are not (B, C, H, W).

    All shapes are fixed and no data is read, so it can be compiled and exported. Only the intensities of regions have
    gradients. Deterministic.

    References:
        O. Ronneberger, P. Fischer, T. Brox, "U-Net", 2015, for borders between cells that touch; L. Vincent, P. Soille,
        "Watersheds in digital spaces", 1991.

    Example:
        >>> import torch, fastcnn.models as M
        >>> found = M.ObjectSegmenter(M.unet(2, 1, depth=2, width=4).eval(), 4, max_objects=9)(torch.rand(1, 1, 30, 41))
        >>> found.labels.shape, found.regions.area.shape
        (torch.Size([1, 30, 41]), torch.Size([1, 9]))
    """

    def __init__(
        self,
        network: nn.Module,
        multiple: int,
        max_objects: int = 512,
        min_distance: int = MIN_DISTANCE,
        smooth: float = 2.5,
        min_size: int = 15,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        for name, value, minimum in (
            ("multiple", multiple, 1), ("max_objects", max_objects, 1), ("min_distance", min_distance, 1),
            ("smooth", smooth, 0), ("min_size", min_size, 0),
        ):  # fmt: skip
            if value < minimum:
                raise ArgumentError(f"ObjectSegmenter: expected {name} of at least {minimum}, got {value}")
        if not 0 < threshold < 1:
            raise ArgumentError(f"ObjectSegmenter: expected threshold between 0 and 1, got {threshold}")
        self.network, self.multiple, self.max_objects = network, multiple, max_objects
        self.min_distance, self.smooth, self.min_size, self.threshold = min_distance, smooth, min_size, threshold

    def forward(self, x: Tensor) -> ObjectMaps:
        """(B, C, H, W) to `ObjectMaps`; intensities are the channels' mean."""
        return self.objects(self.logits(x), x.mean(1))

    def logits(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of any size to the network's (B, 2, H, W)."""
        if x.ndim != 4:
            raise ArgumentError(f"ObjectSegmenter: expected input of shape (B, C, H, W), got {tuple(x.shape)}")
        height, width = x.shape[-2:]
        below, right = -height % self.multiple, -width % self.multiple
        padded = nn.functional.pad(x, (0, right, 0, below), mode="replicate")
        result: Tensor = self.network(padded)[..., :height, :width]
        return result

    def objects(self, logits: Tensor, intensity: Tensor) -> ObjectMaps:
        """Logits (B, 2, H, W) and a grey image (B, H, W) to `ObjectMaps`."""
        probability = logits.float().sigmoid()
        body = ops.remove_small_objects(probability[:, 0] > self.threshold, self.min_size)
        inner = body & (probability[:, 1] < 0.5)
        distance = ops.distance_transform_edt(inner)
        if self.smooth:
            distance = ops.gaussian_blur(distance, self.smooth)
        pieces = ops.label(body, connectivity=1)
        assert isinstance(pieces, Tensor)  # no count was requested
        points, _ = ops.peak_local_max_padded(
            distance, self.max_objects, self.min_distance, threshold_abs=0.0, labels=pieces
        )
        markers, count = number_padded_points(points, distance)
        labels = ops.watershed(-distance, markers, connectivity=1, mask=body)
        regions = ops.region_table(labels, intensity.float(), self.max_objects)
        return ObjectMaps(labels, count, regions)


def border_maps(labels: Tensor, width: int = 1) -> Tensor:
    """Draw the training target for the network of an `ObjectSegmenter`.

    Args:
        labels: integer (..., H, W): a number for each object, 0 for background.
        width: pixels up to this distance from another object are border.

    Returns:
        float32 (..., 2, H, W): bodies, and pixels of bodies near another object.

    Raises:
        ArgumentError: a width below 1.

    Example:
        >>> import torch, fastcnn.models as M
        >>> M.border_maps(torch.tensor([[0, 1, 1, 2, 2, 2]]))[1]
        tensor([[0., 0., 1., 1., 0., 0.]])
    """
    if width < 1:
        raise ArgumentError(f"border_maps: expected width of at least 1, got {width}")
    labels = labels.to(torch.int32)
    body = labels > 0
    disk = ops.disk(width)
    highest = ops.dilation(labels, disk)
    # Background is set above every object number, so that the minimum around a pixel is that of an object.
    lowest = ops.erosion(torch.where(body, labels, torch.iinfo(torch.int32).max), disk)
    border = body & ((highest != labels) | (lowest != labels))
    return torch.stack([body, border], -3).float()
