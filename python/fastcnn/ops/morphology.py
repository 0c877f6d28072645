"""Flat morphology. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcnn import _arguments
from fastcnn._library import native

Footprint = int | Sequence[int] | Tensor


def _same(image: Tensor, *_: object) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


_erosion = native("erosion", fake=_same)
_dilation = native("dilation", fake=_same)


def _member(footprint: Footprint, spatial_dims: int, op: str) -> tuple[list[int], Tensor | None]:
    if isinstance(footprint, Tensor):
        return list(footprint.shape), footprint.to("cpu", torch.bool).contiguous()
    return _arguments.sizes(footprint, spatial_dims, op, "footprint"), None


def erosion(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Erode each image: the minimum over a flat footprint.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.erosion(torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=torch.uint8))
        tensor([[1, 1, 1],
                [1, 0, 0],
                [1, 0, 0]], dtype=torch.uint8)
    """
    size, member = _member(footprint, spatial_dims, "erosion")
    result: Tensor = _erosion(image, size, member, border, float(value))
    return result


def dilation(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Dilate each image: the maximum over a flat footprint, reflected.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.dilation(torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.uint8))
        tensor([[0, 0, 0],
                [0, 1, 1],
                [0, 1, 1]], dtype=torch.uint8)
    """
    size, member = _member(footprint, spatial_dims, "dilation")
    result: Tensor = _dilation(image, size, member, border, float(value))
    return result
