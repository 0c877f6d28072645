"""Markers of a watershed from points, on tensors and without reading them."""

from __future__ import annotations

import torch
from torch import Tensor


def number_padded(points: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Number points in raster order.

    Args:
        points: int64 (..., K, 2), y and x, -1 where there is none.
        image: (..., H, W) that they lie in.

    Returns:
        int32 (..., H, W) with the numbers from 1, and int32 (...), how many.
    """
    height, width = image.shape[-2:]
    y, x = points.unbind(-1)
    behind = height * width  # a place of its own for the absent ones
    flags = torch.zeros((*image.shape[:-2], behind + 1), dtype=torch.bool, device=image.device)
    flags = flags.scatter(-1, torch.where(y < 0, behind, y * width + x), True)
    return number_flags(flags[..., :behind], image)


def number_flags(flags: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Number what is set in (..., H * W), likewise."""
    markers = (flags.cumsum(-1, dtype=torch.int32) * flags).reshape(image.shape)
    return markers, flags.sum(-1, dtype=torch.int32)
