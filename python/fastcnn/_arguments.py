"""Argument handling for arrays and tensors, before an argument reaches the core. Imports no torch."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from fastcnn._errors import ArgumentError

Function = TypeVar("Function", bound=Callable[..., Any])
# One integer for all spatial axes, or one for each.
Size = int | Sequence[int]


LARGEST = 2**63 - 1


def integer(value: Any, op: str, argument: str) -> int:
    """Check an integer: Python's, NumPy's, a tensor's, or a symbolic one, which operator.index would make constant."""
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "__index__")):
        raise TypeError(f"{op}: expected {argument} of integers, got {value!r}")
    if not isinstance(value, int) and hasattr(value, "dtype"):
        try:
            value = operator.index(value)
        except (TypeError, ValueError):
            raise TypeError(f"{op}: expected {argument} of integers, got {value!r}") from None
    if type(value) is int and abs(value) > LARGEST:
        raise ArgumentError(f"{op}: expected {argument} to fit in 64 bits, got {value}")
    return value  # type: ignore[no-any-return]  # may be symbolic, which numbers' types do not say


def per_axis(value: Size, dims: int, op: str, argument: str, *, as_torch: bool = False) -> list[int]:
    """Expand one integer to every spatial axis, or check a sequence; torch's layers take sequences of one too."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [integer(value, op, argument)] * dims
    values = [integer(v, op, argument) for v in value]
    if as_torch and len(values) == 1:
        values = values * dims  # dynamo of torch 2.10 knows no "*=" of lists
    if len(values) != dims:
        raise ArgumentError(
            f"{op}: expected {argument} of {'1 or ' if as_torch and dims > 1 else ''}{dims} values, got {len(values)}"
        )
    return values


def numbers(value: float | Sequence[float], spatial_dims: int, op: str, argument: str) -> list[float]:
    """Expand one number to every spatial axis, or check a sequence's length."""
    try:
        several = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)
        values = [float(v) for v in value] if several else [float(value)] * spatial_dims  # type: ignore[union-attr, arg-type]  # mypy does not follow `several`
    except (TypeError, ValueError):
        raise TypeError(f"{op}: expected {argument} to be numbers, got {value!r}") from None
    if len(values) != spatial_dims:
        raise ArgumentError(f"{op}: expected {argument} of {spatial_dims} values, got {len(values)}")
    return values


def same_shape(op: str, argument: str, value: Any, image: Any) -> None:
    """Refuse an argument that goes with the image, pixel by pixel, but has another shape."""
    if value.shape != image.shape:
        raise ArgumentError(f"{op}: expected {argument} of shape {tuple(image.shape)}, got {tuple(value.shape)}")


def check_choice(value: str, known: tuple[str, ...], op: str, argument: str) -> None:
    """Refuse what is not one of some words."""
    if value not in known:
        raise ArgumentError(f"{op}: expected {argument} to be one of {', '.join(known)}, got {value}")


def channelwise(function: Function) -> Function:
    """Let an image function take ``channel_axis``: that axis is moved to the front, as batch, and back."""
    first = next(iter(inspect.signature(function).parameters))

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        axis = kwargs.pop("channel_axis", None)
        if axis is None:
            return function(*args, **kwargs)
        image = args[0] if args else kwargs.pop(first)
        if not hasattr(image, "ndim"):
            image = np.asarray(image)
        if not -image.ndim <= axis < image.ndim:
            raise ArgumentError(f"{function.__name__}: expected channel_axis of {tuple(image.shape)}, got {axis}")
        return moved(function(moved(image, axis, 0), *args[1:], **kwargs), 0, axis)

    wrapper.without_channels = function  # type: ignore[attr-defined]  # saves a call without channel_axis
    return cast(Function, wrapper)


def moved(image: Any, source: int, destination: int) -> Any:
    """Return a view with an axis moved."""
    if isinstance(image, np.ndarray):
        return np.moveaxis(image, source, destination)
    return image.movedim(source, destination)


def channels_third_last(image: Any, channel_axis: int | None, op: str) -> Any:
    """Move the channels to third last, (..., C, H, W); without an axis of theirs there is one channel."""
    rank = 2 if channel_axis is None else 3
    if image.ndim < rank or (channel_axis is not None and not -image.ndim <= channel_axis < image.ndim):
        what = "(..., H, W)" if channel_axis is None else f"three dimensions, channels at {channel_axis}"
        raise ArgumentError(f"{op}: expected image of shape {what}, got {tuple(image.shape)}")
    if channel_axis is None:
        return image[..., None, :, :]
    order = [i for i in range(image.ndim) if i != channel_axis % image.ndim]
    order.insert(len(order) - 2, channel_axis % image.ndim)
    return image.permute(order) if hasattr(image, "permute") else image.transpose(order)
