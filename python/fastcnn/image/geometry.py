"""Images of other sizes and in other places, on NumPy arrays; `fastcnn.ops.geometry` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core, _geometry
from fastcnn._arguments import channelwise


@channelwise
def resize(
    image: ArrayLike,
    size: int | Sequence[int],
    mode: str = "bilinear",
    antialias: bool = False,
    *,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Resize images. See `fastcnn.ops.resize`.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32 or floats; for the nearest modes every dtype.
        size: (height, width) of the result, or one number for both.
        mode: "bilinear", "bicubic", "nearest" or "nearest-exact".
        antialias: where the result is smaller, average over its pixels' width.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        (..., height, width), of the image's dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.resize(np.array([[0.0, 4.0], [8.0, 12.0]]), (2, 4))
        array([[ 0.,  1.,  3.,  4.],
               [ 8.,  9., 11., 12.]])
    """
    array = np.asarray(image)
    height, width = _geometry.check_resize(array, size, mode, antialias)
    return _core.resize(array, height, width, mode, antialias)


@channelwise
def warp_affine(
    image: ArrayLike,
    matrix: ArrayLike,
    size: int | Sequence[int] | None = None,
    mode: str = "bilinear",
    fill: float = 0.0,
    inverse: bool = False,
    *,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Move images by an affine map. See `fastcnn.ops.warp_affine`.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        matrix: (2, 3), from the image's pixels to the result's, (x, y, 1); or (..., 2, 3), one for each image.
        size: (height, width) of the result; None: the image's.
        mode: "bilinear" or "nearest".
        fill: the value outside of the image.
        inverse: matrix maps the result's pixels to the image's.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        (..., height, width), of the image's dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.warp_affine(np.array([[1, 2], [3, 4]]), [[1, 0, 1], [0, 1, 0]], mode="nearest")  # to the right
        array([[0, 1],
               [0, 3]])
    """
    array = np.asarray(image)
    maps = np.asarray(matrix, np.float64)
    height, width = _geometry.check_warp(array, maps, size, mode)
    if not inverse:
        with np.errstate(divide="ignore", invalid="ignore"):
            maps = _geometry.inverse(maps, lambda values: np.stack(values, -1))
    return _core.warp_affine(array, np.ascontiguousarray(maps.reshape(-1, 2, 3)), height, width, mode, fill)


def image_pyramid(
    image: ArrayLike,
    factor: float = 1.25,
    min_size: int | Sequence[int] = 1,
    max_levels: int | None = None,
    *,
    channel_axis: int | None = None,
) -> list[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Make smaller and smaller versions of images. See `fastcnn.ops.image_pyramid`.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        factor: between a level and the next.
        min_size: (height, width), or one number: smaller levels are left out.
        max_levels: at most so many.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        Levels from large to small, and for each (4,) float32, which its boxes are multiplied by to become the image's.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> [level.shape for level, scale in I.image_pyramid(np.zeros((8, 12)), 2, min_size=4)]
        [(8, 12), (4, 6)]
    """
    array = np.asarray(image)
    planes = array if channel_axis is None else np.moveaxis(array, channel_axis, 0)
    _geometry.check_image(planes, "image_pyramid")
    height, width = planes.shape[-2:]
    levels = []
    for h, w in _geometry.pyramid_sizes(height, width, factor, min_size, max_levels):
        same = (h, w) == (height, width)
        level = array if same else resize(array, (h, w), antialias=True, channel_axis=channel_axis)
        levels.append((level, np.array([width / w, height / h] * 2, np.float32)))
    return levels
