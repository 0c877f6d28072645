"""Flat morphology and its footprints."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastcnn._arguments import channelwise, per_axis
from fastcnn._dispatch import Array, is_tensor, is_tracing, native
from fastcnn._errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor

    Footprint = int | Sequence[int] | Sequence[Sequence[object]] | NDArray[Any] | Tensor

__all__ = [
    "closing",
    "diamond",
    "dilation",
    "disk",
    "erosion",
    "hexagon",
    "line",
    "morphological_gradient",
    "opening",
    "rectangle",
    "square",
]


def _over_window(op: str, image: Array, footprint: Footprint, border: str, value: float, spatial_dims: int) -> Array:
    size, member = _members(footprint, spatial_dims, op)
    if member is not None and is_tensor(image) != is_tensor(member):
        member = np.asarray(member) if is_tensor(member) else sys.modules["torch"].from_numpy(member)
    result: Array = native(op, image, size, member, border, float(value))
    return result


def _members(footprint: Footprint, spatial_dims: int, op: str) -> tuple[list[int], Any]:
    """Return sizes and members (None: all) of a footprint, on the CPU."""
    if isinstance(footprint, Sequence) and any(isinstance(row, (Sequence, np.ndarray)) for row in footprint):
        try:
            footprint = np.asarray(footprint)
        except ValueError:
            raise ArgumentError(f"{op}: expected footprint of rows of one length, got {footprint!r}") from None
    several: Any = footprint
    if not (isinstance(several, np.ndarray) or is_tensor(several)) or several.ndim == 0:
        return per_axis(several, spatial_dims, op, "footprint"), None
    if several.ndim != spatial_dims:
        raise ArgumentError(f"{op}: expected footprint of {spatial_dims} dimensions, got {several.ndim}")
    if is_tensor(several):
        return list(several.shape), (several.cpu() != 0).contiguous()
    if not is_tracing() and several.dtype.kind not in "biuf":  # dynamo does not support dtypes of arrays
        raise TypeError(f"{op}: expected footprint of bool or numbers, got {several.dtype}")
    return list(several.shape), np.ascontiguousarray(several != 0)


@channelwise
def erosion(
    image: Array,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> Array:
    """Erode each image: the minimum over a flat footprint.

    As `scipy.ndimage.grey_erosion` and `skimage.morphology.erosion`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the minimum, and spreads;
            -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or an array, a tensor or nested
            lists of `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the largest value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: O(pixels) for boxes of any size; for other footprints O(pixels x rows of the footprint).
    Scratch: a few rows per thread in 2-D; up to one image in 3-D.
    Gradient: to the first pixel in raster order that attains the minimum; the second derivative is zero except for that
    choice. Deterministic: the result depends on neither threads, instruction set nor device.

    Reference:
        M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
        1992; E. Urbach, M. Wilkinson, "Efficient 2-D grayscale morphological transformations with arbitrary flat
        structuring elements", 2008.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.erosion(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], np.uint8))
        array([[1, 1, 1],
               [1, 0, 0],
               [1, 0, 0]], dtype=uint8)
    """
    return _over_window("erosion", image, footprint, border, value, spatial_dims)


@channelwise
def dilation(
    image: Array,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> Array:
    """Dilate each image: the maximum over a flat footprint, reflected.

    As `scipy.ndimage.grey_dilation`: the footprint is reflected (Minkowski), so that opening and closing are
    idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the greatest value, and
            spreads; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or an array, a tensor or nested
            lists of `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the smallest value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: that of `erosion`.
    Gradient: to the first pixel in raster order that attains the maximum; the second derivative is zero except for that
    choice. Deterministic: the result depends on neither threads, instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.dilation(np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1]], np.uint8))
        array([[0, 0, 0],
               [0, 1, 1],
               [0, 1, 1]], dtype=uint8)
    """
    return _over_window("dilation", image, footprint, border, value, spatial_dims)


@channelwise
def opening(
    image: Array,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> Array:
    """Open each image: the dilation of its erosion. Removes parts that the footprint does not fit into.

    As `scipy.ndimage.grey_opening`, and idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is treated as in `erosion`, then
            as in `dilation`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or an array, a tensor or nested
            lists of `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the two steps, one after the other. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.opening(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.uint8))
        array([[0, 0, 0],
               [0, 0, 0],
               [0, 0, 0]], dtype=uint8)
    """
    return _over_window("opening", image, footprint, border, value, spatial_dims)


@channelwise
def closing(
    image: Array,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> Array:
    """Close each image: the erosion of its dilation. Fills gaps that the footprint does not fit into.

    As `scipy.ndimage.grey_closing`, and idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is treated as in `dilation`,
            then as in `erosion`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or an array, a tensor or nested
            lists of `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the two steps, one after the other. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.closing(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
        array([[1, 1, 1],
               [1, 1, 1],
               [1, 1, 1]], dtype=uint8)
    """
    return _over_window("closing", image, footprint, border, value, spatial_dims)


@channelwise
def morphological_gradient(
    image: Array,
    footprint: Footprint = 3,
    *,
    border: str = "geodesic",
    value: float = 0.0,
    spatial_dims: int = 2,
    channel_axis: int | None = None,
) -> Array:
    """Subtract the erosion from the dilation: the range of values within the footprint.

    As `scipy.ndimage.morphological_gradient`. Integers saturate; of bool images it is dilation and not erosion.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is treated as in `dilation`; -0
            is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or an array, a tensor or nested
            lists of `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the dilation less that of the erosion. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.morphological_gradient(np.array([[0, 0, 0, 5]], np.uint8))
        array([[0, 0, 5, 5]], dtype=uint8)
    """
    return _over_window("morphological_gradient", image, footprint, border, value, spatial_dims)


def disk(radius: int) -> NDArray[np.bool_]:
    """A disk: pixels no farther from the centre than the radius. As `skimage.morphology.disk`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        A bool array, also for tensors, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.disk(1).view(np.uint8)
        array([[0, 1, 0],
               [1, 1, 1],
               [0, 1, 0]], dtype=uint8)
    """
    y, x = _offsets(radius, "disk")
    return np.asarray(x * x + y * y <= radius * radius)


def square(width: int) -> NDArray[np.bool_]:
    """A full square.

    Args:
        width: at least 1, in pixels.

    Returns:
        bool, (width, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.square(2).view(np.uint8)
        array([[1, 1],
               [1, 1]], dtype=uint8)
    """
    if width < 1:
        raise ArgumentError(f"square: expected width of at least 1, got {width}")
    return np.ones((width, width), np.bool_)


def rectangle(height: int, width: int) -> NDArray[np.bool_]:
    """A full rectangle. As `skimage.morphology.footprint_rectangle`.

    Args:
        height: at least 1, in pixels.
        width: at least 1, in pixels.

    Returns:
        bool, (height, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.rectangle(1, 3).view(np.uint8)
        array([[1, 1, 1]], dtype=uint8)
    """
    if height < 1 or width < 1:
        raise ArgumentError(f"rectangle: expected height and width of at least 1, got {height} and {width}")
    return np.ones((height, width), np.bool_)


def diamond(radius: int) -> NDArray[np.bool_]:
    """A diamond: pixels no more than `radius` steps away. As `skimage.morphology.diamond`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        A bool array, also for tensors, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.diamond(1).view(np.uint8)
        array([[0, 1, 0],
               [1, 1, 1],
               [0, 1, 0]], dtype=uint8)
    """
    y, x = _offsets(radius, "diamond")
    return np.asarray(abs(x) + abs(y) <= radius)


def hexagon(radius: int) -> NDArray[np.bool_]:
    """A regular hexagon with two corners on the horizontal axis.

    Args:
        radius: from the centre to a corner, at least 0, in pixels.

    Returns:
        bool, (2 floor(radius sqrt(3) / 2) + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.hexagon(2).view(np.uint8)
        array([[0, 1, 1, 1, 0],
               [1, 1, 1, 1, 1],
               [0, 1, 1, 1, 0]], dtype=uint8)
    """
    _, x = _offsets(radius, "hexagon")
    rows = math.isqrt(3 * radius * radius // 4)  # floor(radius sqrt(3) / 2)
    y = np.arange(-rows, rows + 1)[:, None]
    # sqrt(3) (radius - |x|) >= |y|, in integers.
    return np.asarray(3 * (radius - abs(x)) ** 2 >= y * y)


def line(length: int, angle: float) -> NDArray[np.bool_]:
    """A line through the centre, with one pixel per step along its longer axis.

    Args:
        length: between the ends, in pixels, at least 1.
        angle: in degrees, counter-clockwise from the horizontal.

    Returns:
        bool, both sides odd.

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.line(3, 90).view(np.uint8)
        array([[1],
               [1],
               [1]], dtype=uint8)
    """
    if length < 1:
        raise ArgumentError(f"line: expected length of at least 1, got {length}")
    dx, dy = math.cos(math.radians(angle)), -math.sin(math.radians(angle))  # rows run downwards
    longer = max(abs(dx), abs(dy))
    n = math.ceil((length - 1) / 2 * longer - 0.5)  # whole steps to either side
    points = [(round(step / longer * dy), round(step / longer * dx)) for step in range(-n, n + 1)]
    height, width = (max(abs(p[axis]) for p in points) for axis in (0, 1))
    members = [[(y, x) in points for x in range(-width, width + 1)] for y in range(-height, height + 1)]
    return np.array(members)


def _offsets(radius: int, op: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if radius < 0:
        raise ArgumentError(f"{op}: expected radius of at least 0, got {radius}")
    steps = np.arange(-radius, radius + 1)
    return steps[:, None], steps
