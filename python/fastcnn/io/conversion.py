"""Explicit conversions between pixel types, lossless unless documented otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastcnn._errors import ArgumentError

# Luma of ITU-R BT.601, for the gamma-encoded values that files hold; Pillow and OpenCV use the same.
LUMINANCE = (0.299, 0.587, 0.114)


def _refuse(wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    """Raise for the first wrong value, with its position and the number of wrong values."""
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return
    at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    place = f" at {tuple(int(i) for i in at)}" if at else ""
    more = f"; {count} of {wrong.size} values are wrong" if count > 1 else ""
    raise ArgumentError(f"to_dtype: expected {expected}, got {values[at]}{place}{more}")


def _full_scale(dtype: np.dtype[Any], role: str) -> float:
    """The value that means white."""
    if dtype.kind in "bf":
        return 1.0
    if dtype.kind == "u":
        return float(np.iinfo(dtype).max)
    raise ArgumentError(f"to_dtype: expected {role} of bool, unsigned integer or float for scale=True, got {dtype}")


def to_dtype(image: ArrayLike, dtype: DTypeLike, *, scale: bool = False) -> NDArray[Any]:
    """Convert pixels to another dtype, without loss or not at all.

    Args:
        image: any shape; bool, integer or float.
        dtype: bool, an integer or a float dtype.
        scale: keep the values (False), or map the source's full range to the target's: black stays black and white
            white. Full range is 0..1 for bool and floats and 0..max for unsigned integers. Scaling to fewer bits
            rounds to the nearest value; only this loses information.

    Returns:
        A new array of the same shape.

    Raises:
        ArgumentError: if any value does not fit: out of the target's range, not whole or not finite where the target
            is an integer, or not exactly representable in the target. Nothing wraps round, clips or rounds.
        TypeError: for a dtype that is not bool, integer or float.

    Linear time; deterministic.

    Example:
        >>> import numpy as np
        >>> from fastcnn.io import to_dtype
        >>> to_dtype([[0, 128, 255]], np.uint8)
        array([[  0, 128, 255]], dtype=uint8)
        >>> to_dtype([[251, 237, 299]], np.uint8)
        Traceback (most recent call last):
            ...
        fastcnn._errors.ArgumentError: to_dtype: expected values within 0..255 for uint8, got 299 at (0, 2)
        >>> to_dtype(np.array([0, 255], np.uint8), np.uint16, scale=True)
        array([    0, 65535], dtype=uint16)
    """
    source, target = np.asarray(image), np.dtype(dtype)
    for role, kind in (("image", source.dtype), ("dtype", target)):
        if kind.kind not in "biuf":
            raise TypeError(f"to_dtype: expected {role} of bool, integer or float, got {kind}")
    if scale and source.dtype != target:
        return _rescale(source, target)

    if target.kind in "bui":
        low, high = (0, 1) if target.kind == "b" else (int(np.iinfo(target).min), int(np.iinfo(target).max))
        if source.dtype.kind == "f":
            whole = np.isfinite(source) & (np.trunc(source) == source)
            _refuse(~whole, source, f"whole numbers for {target}")
            outside = _outside(source, low, high)
        else:
            outside = (source < low) | (source > high)
        _refuse(outside, source, f"values within {low}..{high} for {target}")
        return source.astype(target)

    with np.errstate(over="ignore"):
        result = source.astype(target)
    is_float = source.dtype.kind == "f"
    if source.itemsize > target.itemsize if is_float else 8 * source.itemsize > np.finfo(target).nmant + 1:
        back = result
        if not is_float:
            low, high = int(np.iinfo(source.dtype).min), int(np.iinfo(source.dtype).max)
            back = np.where(_outside(result, low, high), 0, result)  # rounding exceeded the range of the integer
        with np.errstate(invalid="ignore"):
            kept = back.astype(source.dtype) == source
        _refuse(~(kept | (source != source)), source, f"values that {target} holds exactly")
    return result


def _outside(values: NDArray[Any], low: int, high: int) -> NDArray[np.bool_]:
    """Return which floats are outside the range of an integer dtype."""
    # high + 1 is a power of two, hence exact in a float, or infinite; high itself need not be.
    with np.errstate(over="ignore"):
        wrong: NDArray[np.bool_] = (values < values.dtype.type(low)) | (values >= values.dtype.type(high + 1))
    return wrong


def _rescale(source: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    white, goal = _full_scale(source.dtype, "image"), _full_scale(target, "dtype")
    if source.dtype.kind == "f":
        _refuse(~((source >= 0) & (source <= 1)), source, "values within 0..1 to scale")
    if target.kind == "b":
        _refuse((source != 0) & (source != white), source, f"0 or {white:g} to scale to bool")
        return source.astype(bool)
    values = source.astype(np.promote_types(target, np.float32) if target.kind == "f" else np.float64)
    values *= goal / white
    if target.kind == "u":
        np.rint(values, out=values)
    return values.astype(target)


def to_grey(image: ArrayLike, *, channel_axis: int = -1, background: float = 0.0) -> NDArray[Any]:
    """Convert colour to grey: the luminance 0.299 R + 0.587 G + 0.114 B of ITU-R BT.601.

    Args:
        image: colour pixels with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels; bool, unsigned integer
            or float (whose white is 1).
        channel_axis: the channels' axis.
        background: what transparent pixels show, from 0 (black) to 1 (white). Alpha is not premultiplied.

    Returns:
        The grey image, without the channel axis, of the same dtype; integers rounded to the nearest, so that a pixel
        with R = G = B keeps its value.

    Raises:
        ArgumentError: for another number of channels, dtype or background.

    Linear time, 24 bytes of scratch a pixel; deterministic.

    Example:
        >>> import numpy as np
        >>> from fastcnn.io import to_grey
        >>> to_grey(np.array([[[255, 0, 0], [7, 7, 7]]], np.uint8))
        array([[76,  7]], dtype=uint8)
    """
    source = np.asarray(image)
    if source.ndim == 0 or not -source.ndim <= channel_axis < source.ndim:
        raise ArgumentError(f"to_grey: expected channel_axis to be an axis of shape {source.shape}, got {channel_axis}")
    channels = np.moveaxis(source, channel_axis, 0)
    if not 1 <= len(channels) <= 4:
        raise ArgumentError(f"to_grey: expected 1 to 4 channels, got {len(channels)}")
    if source.dtype.kind not in "buf":
        raise ArgumentError(f"to_grey: expected bool, unsigned integers or floats, got {source.dtype}")
    if not 0 <= background <= 1:
        raise ArgumentError(f"to_grey: expected background within 0..1, got {background}")

    if len(channels) >= 3:
        grey: NDArray[Any] = channels[0] * np.float64(LUMINANCE[0])
        for weight, channel in zip(LUMINANCE[1:], channels[1:3], strict=True):
            grey += channel * np.float64(weight)
    elif len(channels) == 1:
        return np.array(channels[0])
    else:
        grey = channels[0].astype(np.float64)
    white = _full_scale(source.dtype, "image")
    if len(channels) in (2, 4):
        alpha = channels[-1] / np.float64(white)
        grey *= alpha
        grey += (1 - alpha) * (background * white)
    if source.dtype.kind != "f":
        np.rint(grey, out=grey)
    return grey.astype(source.dtype)
