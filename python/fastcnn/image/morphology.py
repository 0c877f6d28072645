"""Flat morphology on NumPy arrays; `fastcnn.ops.morphology` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _arguments, _core

Footprint = int | Sequence[int] | NDArray[Any]


def _member(footprint: Footprint, spatial_dims: int, op: str) -> tuple[list[int], NDArray[np.bool_] | None]:
    if isinstance(footprint, np.ndarray):
        return list(footprint.shape), footprint.astype(bool)
    return _arguments.sizes(footprint, spatial_dims, op, "footprint"), None


@_arguments.channelwise
def erosion(
    image: ArrayLike,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Erode each image: the minimum over a flat footprint. See `fastcnn.ops.erosion`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.erosion(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], np.uint8))
        array([[1, 1, 1],
               [1, 0, 0],
               [1, 0, 0]], dtype=uint8)
    """
    size, member = _member(footprint, spatial_dims, "erosion")
    return _core.erosion(np.asarray(image), size, member, border, value)


@_arguments.channelwise
def dilation(
    image: ArrayLike,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Dilate each image: the maximum over a flat footprint, reflected. See `fastcnn.ops.dilation`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.dilation(np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1]], np.uint8))
        array([[0, 0, 0],
               [0, 1, 1],
               [0, 1, 1]], dtype=uint8)
    """
    size, member = _member(footprint, spatial_dims, "dilation")
    return _core.dilation(np.asarray(image), size, member, border, value)
