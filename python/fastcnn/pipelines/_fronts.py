"""The few things that the two fronts spell differently, so that a pipeline is written once."""

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

    def floating(self, image: Any) -> Any:
        """Return the image in float32, in float64 where that would lose anything; None where it has no numbers."""
        kind, size = image.dtype.kind, image.dtype.itemsize
        if kind not in "biuf":
            return None
        return image.astype(np.float64 if size > (4 if kind == "f" else 2) else np.float32)

    def finite(self, image: Any) -> bool:
        """Tell whether there is no NaN and no infinity."""
        return image.dtype.kind != "f" or bool(np.isfinite(image).all())

    def mean(self, image: Any) -> float:
        """Mean in float64."""
        return float(image.mean(dtype=np.float64))

    def mean_where(self, image: Any, mask: Any) -> float:
        """Mean of the masked values in float64; NaN where there are none."""
        chosen = image[mask]
        return self.mean(chosen) if chosen.size else float("nan")

    def all_of_image(self, mask: Any) -> Any:
        """Per image: whether every pixel is set."""
        return mask.all(axis=(-2, -1), keepdims=True)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Choose elementwise."""
        return np.where(condition, a, b)

    def cone(self, image: Any) -> Any:
        """Return (H, W) values that fall in every direction from the middle, above 0."""
        height, width = image.shape[-2:]
        y, x = np.arange(height, dtype=image.dtype), np.arange(width, dtype=image.dtype)
        return height + width - abs(y - height // 2)[:, None] - abs(x - width // 2)

    def number(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (rows of batch..., y, x) from 1 per image in raster order: (markers, count)."""
        markers = np.zeros(image.shape, np.int32)
        pixels = max(1, image.shape[-2] * image.shape[-1])
        index = np.sort(np.ravel_multi_index(tuple(points.T), image.shape)) if len(points) else np.zeros(0, np.int64)
        batch = int(np.prod(image.shape[:-2], dtype=np.int64))
        ends = np.searchsorted(index, np.arange(batch + 1, dtype=np.int64) * pixels)
        markers.reshape(-1)[index] = np.arange(1, len(index) + 1) - ends[index // pixels]
        return markers, np.diff(ends).astype(np.int32).reshape(image.shape[:-2])

    def stack(self, images: list[Any], lead: tuple[int, ...]) -> Any:
        """Join the images of a batch."""
        return np.stack(images).reshape(lead + images[0].shape)


class TorchFront:
    """Tensors, through `fastcnn.ops`. Nothing here stops a graph from being traced, `mean` and `mean_where` aside."""

    @property
    def ops(self) -> ModuleType:
        """The ops of this front."""
        import fastcnn.ops

        return fastcnn.ops

    def floating(self, image: Any) -> Any:
        """Return the image in float32, in float64 where that would lose anything; None where it has no numbers."""
        import torch

        if image.is_complex():
            return None
        wide = image.dtype.itemsize > (4 if image.is_floating_point() else 2)
        return image.to(torch.float64 if wide else torch.float32)

    def finite(self, image: Any) -> bool:
        """Tell whether there is no NaN and no infinity; taken on trust while a graph is traced."""
        import torch

        return not image.is_floating_point() or torch.compiler.is_compiling() or bool(image.isfinite().all())

    def mean(self, image: Any) -> float:
        """Mean in float64."""
        import torch

        return float(image.mean(dtype=torch.float64))

    def mean_where(self, image: Any, mask: Any) -> float:
        """Mean of the masked values in float64; NaN where there are none."""
        return self.mean(image[mask])

    def all_of_image(self, mask: Any) -> Any:
        """Per image: whether every pixel is set."""
        return mask.all(-1, keepdim=True).all(-2, keepdim=True)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Choose elementwise."""
        import torch

        return torch.where(condition, a, b)

    def cone(self, image: Any) -> Any:
        """Return (H, W) values that fall in every direction from the middle, above 0."""
        import torch

        height, width = image.shape[-2:]
        y = torch.arange(height, dtype=image.dtype, device=image.device)
        x = torch.arange(width, dtype=image.dtype, device=image.device)
        return height + width - (y - height // 2).abs()[:, None] - (x - width // 2).abs()

    def number(self, points: Any, image: Any) -> tuple[Any, Any]:
        """Number points (rows of batch..., y, x) from 1 per image in raster order: (markers, count)."""
        import torch

        flags = torch.zeros_like(image, dtype=torch.bool)
        flags = flags.index_put(tuple(points.unbind(1)), flags.new_ones(()))
        flat = flags.flatten(-2)
        markers = (flat.cumsum(-1, dtype=torch.int32) * flat).reshape(image.shape)
        return markers, flat.sum(-1, dtype=torch.int32)

    def stack(self, images: list[Any], lead: tuple[int, ...]) -> Any:
        """Join the images of a batch."""
        import torch

        return torch.stack(images).reshape(lead + tuple(images[0].shape))


Front = NumpyFront | TorchFront


def front_of(image: Any) -> Front:
    """Return the front for an image's type. Imports torch only for an image that is a tensor already."""
    torch = sys.modules.get("torch")
    return TorchFront() if torch is not None and isinstance(image, torch.Tensor) else NumpyFront()
