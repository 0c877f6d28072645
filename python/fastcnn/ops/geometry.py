"""Resizing and warping of images."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastcnn._arguments import channelwise, check_choice, moved, per_axis
from fastcnn._dispatch import Array, is_tensor, native, stack_last
from fastcnn._errors import ArgumentError

__all__ = ["image_pyramid", "resize", "warp_affine"]

_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


@channelwise
def resize(
    image: Array,
    size: int | Sequence[int],
    mode: str = "bilinear",
    antialias: bool = False,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Resize images.

    As `torch.nn.functional.interpolate` with ``align_corners=False``, for images (..., H, W) of any number of
    dimensions and dtype.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32 or floats; for the nearest modes every dtype, including
            labels and masks.
        size: (height, width) of the result, or one number for both.
        mode: "bilinear", "bicubic" (Keys, a = -0.75, or -0.5 with `antialias`), "nearest" (the pixel floor(i * scale),
            as torch has it) or "nearest-exact" (the pixel under the centre, as Pillow and scikit-image).
        antialias: if the result is smaller, average over the width of its pixels, as Pillow does.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        (..., height, width), dense, of the image's dtype. Arithmetic is in float32 (float64 for float64); integers are
        rounded to nearest, ties to even, and stay within their range.

    Raises:
        ArgumentError: a size below 1, an unknown mode, an image without pixels, or antialias with a nearest mode.
        TypeError: bool or int64 with an interpolating mode.

    Complexity: O(pixels of the result * taps), rows first, then columns. Scratch: a few rows for each thread.
    Gradient: the transposed map; differentiable any number of times. Deterministic for any number of threads.

    Reference:
        R. Keys, "Cubic convolution interpolation for digital image processing", 1981.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.resize(np.array([[0.0, 4.0], [8.0, 12.0]]), (2, 4))
        array([[ 0.,  1.,  3.,  4.],
               [ 8.,  9., 11., 12.]])
    """
    height, width = _check_resize(image, size, mode, antialias)
    result: Array = native("resize", image, height, width, mode, antialias)
    return result


@channelwise
def warp_affine(
    image: Array,
    matrix: Array | Sequence[Sequence[float]],
    size: int | Sequence[int] | None = None,
    mode: str = "bilinear",
    fill: float = 0.0,
    inverse: bool = False,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Move images by an affine map: rotate, shift, scale, shear.

    As `cv2.warpAffine`, for a batch, but without its rounding of positions to 1/32 of a pixel.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        matrix: (2, 3): a pixel (x, y) of the image moves to matrix @ (x, y, 1), in pixels, whose centres lie at whole
            numbers; or (..., 2, 3), one for each image, whose leading dimensions are the image's first ones:
            (B, 2, 3) for (B, C, H, W).
        size: (height, width) of the result; None: the image's.
        mode: "bilinear" or "nearest".
        fill: the value outside of the image. Values between it and the border pixels are interpolated.
        inverse: matrix maps the result's pixels to the image's.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        (..., height, width), dense, of the image's dtype; integers are rounded to nearest, ties to even.

    Raises:
        ArgumentError: a matrix of another shape, a size below 1, an unknown mode, or an image without pixels.
        TypeError: bool or int64 with "bilinear".

    Complexity: O(pixels of the result). Scratch: none for dense images.
    Gradient: of the image, by the transposed map, any number of times; of the matrix once, 0 with "nearest".
    Deterministic for any number of threads. A matrix without an inverse gives `fill`.

    Reference:
        G. Wolberg, "Digital Image Warping", 1990.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.warp_affine(np.array([[1, 2], [3, 4]]), [[1, 0, 1], [0, 1, 0]], mode="nearest")  # to the right
        array([[0, 1],
               [0, 3]])
    """
    torch = sys.modules["torch"] if is_tensor(image) else None
    maps: Any = torch.as_tensor(matrix, dtype=torch.float64, device="cpu") if torch else np.asarray(matrix, np.float64)
    height, width = _check_warp(image, maps, size, mode)
    if not inverse and torch:
        maps = _inverse(maps)
    elif not inverse:
        with np.errstate(divide="ignore", invalid="ignore"):  # torch does not warn, and dynamo cannot trace this
            maps = _inverse(maps)
    maps = maps.reshape(-1, 2, 3)
    maps = maps.contiguous() if torch else np.ascontiguousarray(maps)
    result: Array = native("warp_affine", image, maps, height, width, mode, float(fill))
    return result


def image_pyramid(
    image: Array,
    factor: float = 1.25,
    min_size: int | Sequence[int] = 1,
    max_levels: int | None = None,
    *,
    channel_axis: int | None = None,
) -> list[tuple[Array, Array]]:
    """Make a pyramid of smaller versions of images, for a detector of one object size.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        factor: ratio of the sizes of consecutive levels.
        min_size: (height, width), or one number: smaller levels are left out.
        max_levels: maximum number of levels.

    Returns:
        Levels from large to small, starting with the image: (..., h, w), by `resize` with antialias, and (4,) float32,
        the factors from boxes of the level to boxes of the image.

    Raises:
        ArgumentError: a factor that is not above 1, or a negative number.

    Complexity: O(pixels). Gradient: as `resize`. Deterministic.

    Reference:
        E. Adelson et al., "Pyramid methods in image processing", 1984.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> [(level.shape, scale.tolist()) for level, scale in F.image_pyramid(torch.zeros(8, 12), 2, min_size=4)]
        [(torch.Size([8, 12]), [1.0, 1.0, 1.0, 1.0]), (torch.Size([4, 6]), [2.0, 2.0, 2.0, 2.0])]
    """
    planes = image if channel_axis is None else moved(image, channel_axis, 0)
    _check_image(planes, "image_pyramid")
    height, width = (int(n) for n in planes.shape[-2:])
    levels = []
    for h, w in _pyramid_sizes(height, width, factor, min_size, max_levels):
        same = (h, w) == (height, width)
        level = image if same else resize(image, (h, w), antialias=True, channel_axis=channel_axis)
        scale: Any = np.array([width / w, height / h] * 2, np.float32)
        levels.append((level, sys.modules["torch"].from_numpy(scale) if is_tensor(image) else scale))
    return levels


def _check_image(image: Any, op: str) -> None:
    """Raise for fewer than two dimensions."""
    if image.ndim < 2:
        raise ArgumentError(f"{op}: expected image of shape (..., H, W), got {tuple(image.shape)}")


def _new_size(size: int | Sequence[int], op: str) -> list[int]:
    """Return a result's height and width."""
    height, width = per_axis(size, 2, op, "size")
    if min(height, width) < 1:
        raise ArgumentError(f"{op}: expected size of at least 1, got {(height, width)}")
    return [height, width]


def _check_resize(image: Any, size: int | Sequence[int], mode: str, antialias: bool) -> list[int]:
    """Check the arguments of `resize` and return the size."""
    op = "resize"
    _check_image(image, op)
    check_choice(mode, _MODES, op, "mode")
    if antialias and mode.startswith("nearest"):
        raise ArgumentError(f"{op}: expected antialias=False with mode {mode}")
    return _new_size(size, op)


def _check_warp(image: Any, matrix: Any, size: int | Sequence[int] | None, mode: str) -> list[int]:
    """Check the arguments of `warp_affine` and return the size."""
    op = "warp_affine"
    _check_image(image, op)
    check_choice(mode, ("nearest", "bilinear"), op, "mode")
    lead = tuple(matrix.shape[:-2])
    if tuple(matrix.shape[-2:]) != (2, 3) or lead != tuple(image.shape[: len(lead)]) or len(lead) > image.ndim - 2:
        raise ArgumentError(
            f"{op}: expected matrix of shape (2, 3), or (..., 2, 3) with leading dimensions of image, "
            f"{tuple(image.shape)}, got {tuple(matrix.shape)}"
        )
    return list(image.shape[-2:]) if size is None else _new_size(size, op)


def _inverse(matrix: Any) -> Any:
    """Return the inverse maps (..., 2, 3)."""
    a, b, c = (matrix[..., 0, i] for i in range(3))
    d, e, f = (matrix[..., 1, i] for i in range(3))
    scale = 1 / (a * e - b * d)  # infinite for a singular matrix: the result is fill only
    first = stack_last([e * scale, -b * scale, (b * f - c * e) * scale])
    second = stack_last([-d * scale, a * scale, (c * d - a * f) * scale])
    return stack_last([first, second]).swapaxes(-1, -2)


def _pyramid_sizes(
    height: int, width: int, factor: float, min_size: int | Sequence[int], max_levels: int | None
) -> Iterator[tuple[int, int]]:
    """Yield the sizes of a pyramid's levels, the image's own first."""
    op = "image_pyramid"
    minimum = per_axis(min_size, 2, op, "min_size")
    if not (factor > 1 and math.isfinite(factor)):
        raise ArgumentError(f"{op}: expected factor above 1, got {factor}")
    if min(minimum) < 1:
        raise ArgumentError(f"{op}: expected min_size of at least 1, got {tuple(minimum)}")
    if max_levels is not None and max_levels < 0:
        raise ArgumentError(f"{op}: expected max_levels of at least 0, got {max_levels}")
    level = 0
    last = (-1, -1)
    while max_levels is None or level < max_levels:
        size = round(height / factor**level), round(width / factor**level)
        if size[0] < minimum[0] or size[1] < minimum[1]:
            return
        if size != last:
            yield size
        last = size
        level += 1
