"""Flat morphology and its footprints on NumPy arrays; `fastcnn.ops.morphology` says more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _arguments, _core, _footprints

Footprint = int | Sequence[int] | ArrayLike


def _apply(
    op: str,
    kernel: Callable[..., NDArray[Any]],
    image: ArrayLike,
    footprint: Footprint,
    border: str,
    value: float,
    spatial_dims: int,
) -> NDArray[Any]:
    size, member = _footprints.members(footprint, spatial_dims, op)
    return kernel(np.asarray(image), size, member, border, float(value))


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
    """Erode each image: the minimum over a flat footprint.

    As `scipy.ndimage.grey_erosion` and `skimage.morphology.erosion`. See `fastcnn.ops.erosion`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the least value, and spreads;
            -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool array (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: where colour stands, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the largest value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.erosion(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], np.uint8))
        array([[1, 1, 1],
               [1, 0, 0],
               [1, 0, 0]], dtype=uint8)
    """
    return _apply("erosion", _core.erosion, image, footprint, border, value, spatial_dims)


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
    """Dilate each image: the maximum over a flat footprint, reflected.

    As `scipy.ndimage.grey_dilation`: the footprint is reflected (Minkowski), so that opening and closing are
    idempotent. See `fastcnn.ops.dilation`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the greatest value, and
            spreads; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool array (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: where colour stands, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the least value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.dilation(np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1]], np.uint8))
        array([[0, 0, 0],
               [0, 1, 1],
               [0, 1, 1]], dtype=uint8)
    """
    return _apply("dilation", _core.dilation, image, footprint, border, value, spatial_dims)


@_arguments.channelwise
def opening(
    image: ArrayLike,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Open each image: the dilation of its erosion. Removes what the footprint does not fit into.

    As `scipy.ndimage.grey_opening`, and idempotent. See `fastcnn.ops.opening`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `erosion`, then
            to `dilation`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool array (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: where colour stands, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.opening(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.uint8))
        array([[0, 0, 0],
               [0, 0, 0],
               [0, 0, 0]], dtype=uint8)
    """
    return _apply("opening", _core.opening, image, footprint, border, value, spatial_dims)


@_arguments.channelwise
def closing(
    image: ArrayLike,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Close each image: the erosion of its dilation. Fills what the footprint does not fit into.

    As `scipy.ndimage.grey_closing`, and idempotent. See `fastcnn.ops.closing`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `dilation`,
            then to `erosion`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool array (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: where colour stands, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.closing(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
        array([[1, 1, 1],
               [1, 1, 1],
               [1, 1, 1]], dtype=uint8)
    """
    return _apply("closing", _core.closing, image, footprint, border, value, spatial_dims)


@_arguments.channelwise
def morphological_gradient(
    image: ArrayLike,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Subtract the erosion from the dilation: the range of values within the footprint.

    As `scipy.ndimage.morphological_gradient`. Integers saturate; of bool images it is dilation and not erosion. See
    `fastcnn.ops.morphological_gradient`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `dilation`; -0
            is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool array (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: where colour stands, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.morphological_gradient(np.array([[0, 0, 0, 5]], np.uint8))
        array([[0, 0, 5, 5]], dtype=uint8)
    """
    return _apply("morphological_gradient", _core.morphological_gradient, image, footprint, border, value, spatial_dims)


def disk(radius: int) -> NDArray[np.bool_]:
    """A disk: pixels no farther from the middle than the radius. As `skimage.morphology.disk`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        bool, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.disk(1).view("uint8")
        array([[0, 1, 0],
               [1, 1, 1],
               [0, 1, 0]], dtype=uint8)
    """
    return _footprints.disk(radius)


def square(width: int) -> NDArray[np.bool_]:
    """A square, all of it.

    Args:
        width: at least 1, in pixels.

    Returns:
        bool, (width, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.square(2).view("uint8")
        array([[1, 1],
               [1, 1]], dtype=uint8)
    """
    return _footprints.rectangle(width, width)


def rectangle(height: int, width: int) -> NDArray[np.bool_]:
    """A rectangle, all of it. As `skimage.morphology.footprint_rectangle`.

    Args:
        height: at least 1, in pixels.
        width: at least 1, in pixels.

    Returns:
        bool, (height, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.rectangle(1, 3).view("uint8")
        array([[1, 1, 1]], dtype=uint8)
    """
    return _footprints.rectangle(height, width)


def diamond(radius: int) -> NDArray[np.bool_]:
    """A diamond: pixels no more than `radius` steps away. As `skimage.morphology.diamond`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        bool, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.diamond(1).view("uint8")
        array([[0, 1, 0],
               [1, 1, 1],
               [0, 1, 0]], dtype=uint8)
    """
    return _footprints.diamond(radius)


def hexagon(radius: int) -> NDArray[np.bool_]:
    """A regular hexagon with two corners on the horizontal axis.

    Args:
        radius: from the middle to a corner, at least 0, in pixels.

    Returns:
        bool, (2 floor(radius sqrt(3) / 2) + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.hexagon(2).view("uint8")
        array([[0, 1, 1, 1, 0],
               [1, 1, 1, 1, 1],
               [0, 1, 1, 1, 0]], dtype=uint8)
    """
    return _footprints.hexagon(radius)


def line(length: int, angle: float) -> NDArray[np.bool_]:
    """A line through the middle, of one pixel per step of its longer direction.

    Args:
        length: between the ends, in pixels, at least 1.
        angle: in degrees, counter-clockwise from the horizontal.

    Returns:
        bool, both sides odd.

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.image as I
        >>> I.line(3, 90).view("uint8")
        array([[1],
               [1],
               [1]], dtype=uint8)
    """
    return _footprints.line(length, angle)
