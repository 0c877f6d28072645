"""Adapters for the few differences between arrays and tensors, so that a pipeline is written once."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np


class NumpyFront:
    """Arrays, through `fastcnn.image`."""

    @property
    def ops(self) -> ModuleType:
        """The ops of this front."""
        import fastcnn.image

        return fastcnn.image

    def is_tracing(self) -> bool:
        """Tell whether a graph is being traced."""
        return False

    def floating(self, image: Any) -> Any:
        """Return the image in float32, in float64 if float32 would lose precision; None if it is not numeric."""
        kind, size = image.dtype.kind, image.dtype.itemsize
        if kind not in "biuf":
            return None
        return image.astype(np.float64 if size > (4 if kind == "f" else 2) else np.float32)

    def finite(self, image: Any) -> bool:
        """Tell whether there is no NaN and no infinity."""
        return image.dtype.kind != "f" or bool(np.isfinite(image).all())

    def disk(self, radius: int) -> Any:
        """Return a round footprint."""
        return self.ops.disk(radius)

    def mean(self, image: Any) -> float:
        """Mean in float64."""
        return float(image.mean(dtype=np.float64))

    def magnitude(self, image: Any) -> float:
        """Return the maximum magnitude."""
        return max(float(image.max()), -float(image.min()))

    def mean_where(self, image: Any, mask: Any) -> float:
        """Mean of the masked values in float64; NaN where there are none."""
        chosen = image[mask]
        return self.mean(chosen) if chosen.size else float("nan")

    def peaked(self, distance: Any, mask: Any) -> Any:
        """Replace the distances of images without background, which have none, by a single peak in the middle."""
        whole = mask.reshape(*mask.shape[:-2], mask.shape[-2] * mask.shape[-1]).all(axis=-1)
        if not whole.any() or mask.size == 0:
            return distance
        height, width = distance.shape[-2:]
        y, x = np.arange(height, dtype=distance.dtype), np.arange(width, dtype=distance.dtype)
        cone = height + width - abs(y - height // 2)[:, None] - abs(x - width // 2)
        return np.where(whole[..., None, None], cone, distance)

    def number(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (rows of batch..., y, x) from 1 per image in raster order: (markers, count)."""
        markers = np.zeros(image.shape, np.int32)
        pixels = max(1, image.shape[-2] * image.shape[-1])
        index = np.sort(np.ravel_multi_index(tuple(points.T), image.shape)) if len(points) else np.zeros(0, np.int64)
        batch = int(np.prod(image.shape[:-2], dtype=np.int64))
        ends = np.searchsorted(index, np.arange(batch + 1, dtype=np.int64) * pixels)
        markers.reshape(-1)[index] = np.arange(1, len(index) + 1) - ends[index // pixels]
        return markers, np.diff(ends).astype(np.int32).reshape(image.shape[:-2])

    def number_padded(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (..., K, 2), -1 where there is none, likewise."""
        at = np.nonzero(points[..., 0] >= 0)
        return self.number(np.stack([*at[:-1], *points[at].T], axis=1), image)

    def stack(self, images: list[Any], lead: tuple[int, ...]) -> Any:
        """Join the images of a batch."""
        return np.stack(images).reshape(lead + images[0].shape)


class TorchFront:
    """Tensors, through `fastcnn.ops`. All methods can be traced except `mean` and `mean_where`."""

    @property
    def ops(self) -> ModuleType:
        """The ops of this front."""
        import fastcnn.ops

        return fastcnn.ops

    def is_tracing(self) -> bool:
        """Tell whether a graph is being traced."""
        import torch

        return torch.compiler.is_compiling()

    def floating(self, image: Any) -> Any:
        """Return the image in float32, in float64 if float32 would lose precision; None if it is not numeric."""
        import torch

        if image.is_complex():
            return None
        wide = image.dtype.itemsize > (4 if image.is_floating_point() else 2)
        return image.to(torch.float64 if wide else torch.float32)

    def finite(self, image: Any) -> bool:
        """Tell whether there is no NaN and no infinity; assumed while a graph is traced."""
        return not image.is_floating_point() or self.is_tracing() or bool(image.isfinite().all())

    def disk(self, radius: int) -> Any:
        """Return a round footprint; `fastcnn.ops` makes it with NumPy, which compilers do not trace."""
        import torch

        steps = torch.arange(-radius, radius + 1)
        return steps[:, None] ** 2 + steps**2 <= radius**2

    def mean(self, image: Any) -> float:
        """Mean in float64."""
        import torch

        return float(image.mean(dtype=torch.float64))

    def magnitude(self, image: Any) -> float:
        """Return the maximum magnitude."""
        return max(float(image.max()), -float(image.min()))

    def mean_where(self, image: Any, mask: Any) -> float:
        """Mean of the masked values in float64; NaN where there are none."""
        return self.mean(image[mask])

    def peaked(self, distance: Any, mask: Any) -> Any:
        """Replace the distances of images without background, which have none, by a single peak in the middle."""
        import torch

        whole = mask.flatten(-2).all(-1)
        if not self.is_tracing() and not whole.any():
            return distance
        height, width = distance.shape[-2:]
        y = torch.arange(height, dtype=distance.dtype, device=distance.device)
        x = torch.arange(width, dtype=distance.dtype, device=distance.device)
        cone = height + width - (y - height // 2).abs()[:, None] - (x - width // 2).abs()
        return torch.where(whole[..., None, None], cone, distance)

    def number(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (rows of batch..., y, x) from 1 per image in raster order: (markers, count)."""
        import torch

        from fastcnn._markers import number_flags

        flags = torch.zeros_like(image, dtype=torch.bool)
        flags = flags.index_put(tuple(points.unbind(1)), flags.new_ones(()))
        return number_flags(flags.flatten(-2), image)

    def number_padded(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (..., K, 2), -1 where there is none, likewise."""
        from fastcnn._markers import number_padded

        return number_padded(points, image)

    def stack(self, images: list[Any], lead: tuple[int, ...]) -> Any:
        """Join the images of a batch."""
        import torch

        return torch.stack(images).reshape(lead + tuple(images[0].shape))


Front = NumpyFront | TorchFront


def front_of(image: Any) -> Front:
    """Return the front for an image's type. Imports torch only if the image is a tensor."""
    torch = sys.modules.get("torch")
    return TorchFront() if torch is not None and isinstance(image, torch.Tensor) else NumpyFront()
