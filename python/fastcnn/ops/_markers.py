"""Markers of a watershed from points. Tensors are not read, so that this can be traced."""

from __future__ import annotations

from typing import Any

from fastcnn._dispatch import dtype_like, is_tensor, library_of, zeros_like


def number_points(points: Any, image: Any) -> tuple[Any, Any]:
    """Number points in raster order.

    Args:
        points: int64 (points, batch..., y and x), as `peak_local_max` returns them.
        image: (..., H, W) that they lie in.

    Returns:
        int32 (..., H, W) with the numbers from 1 in each image, and int32 (...), how many.
    """
    flags = zeros_like(image, image.shape, "bool")
    flags[tuple(points.T)] = True
    return _number(flags.reshape(*image.shape[:-2], image.shape[-2] * image.shape[-1]), image)


def number_padded_points(points: Any, image: Any) -> tuple[Any, Any]:
    """Number points (..., K, 2) of each image, y and x, -1 where there is none, likewise."""
    height, width = image.shape[-2:]
    y, x = points[..., 0], points[..., 1]
    behind = height * width  # a place of its own for the absent ones
    flags = zeros_like(image, (*image.shape[:-2], behind + 1), "bool")
    places = library_of(points).where(y < 0, behind, y * width + x)
    if is_tensor(flags):
        flags = flags.scatter(-1, places, True)
    else:
        library_of(flags).put_along_axis(flags, places, True, -1)
    return _number(flags[..., :behind], image)


def _number(flags: Any, image: Any) -> tuple[Any, Any]:
    int32 = dtype_like(image, "int32")
    markers = (flags.cumsum(-1, dtype=int32) * flags).reshape(image.shape)
    return markers, flags.sum(-1, dtype=int32)
