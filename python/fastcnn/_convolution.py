"""Interpret the arguments of a convolution, for arrays and tensors. Sizes may be symbolic (torch.SymInt)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastcnn._errors import ArgumentError

Size = int | Sequence[int]


class Geometry(NamedTuple):
    """The lists that the native ops take; padding has all values before, then all after."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]


_MOST = 2**63 - 1


def whole(value: Any, op: str, argument: str) -> int:
    """Return what an array's or a tensor's single integer is."""
    try:
        return operator.index(value)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: expected {argument} of integers, got {value!r}") from None


def _integer(value: Any, op: str, argument: str) -> int:
    """Python's integers, NumPy's, and symbolic ones (which a traced graph shows as either int or SymInt)."""
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "__index__")):
        raise TypeError(f"{op}: expected {argument} of integers, got {value!r}")
    if not isinstance(value, int) and hasattr(value, "dtype"):  # NumPy's numbers, and tensors of one, as torch takes
        return whole(value, op, argument)
    if type(value) is int and abs(value) > _MOST:
        raise ArgumentError(f"{op}: expected {argument} to fit in 64 bits, got {value}")
    return value  # type: ignore[no-any-return]  # may be symbolic, which numbers' types do not say


def sizes(value: Any, dims: int, op: str, argument: str) -> list[int]:
    """Expand one integer to every spatial dimension, or check a sequence."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    values = [_integer(v, op, argument) for v in values]
    if len(values) == 1:
        values = values * dims  # dynamo of torch 2.10 knows no "*=" of lists
    if len(values) != dims:
        raise ArgumentError(f"{op}: expected {argument} of 1 or {dims} values, got {len(values)}")
    return values


def geometry(
    op: str, kernel: Sequence[int], stride: Size, padding: Size | str, dilation: Size, *, named: bool = True
) -> Geometry:
    """Read a convolution's arguments. ``named``: padding may be "same" or "valid"."""
    dims = len(kernel)
    strides, dilations = sizes(stride, dims, op, "stride"), sizes(dilation, dims, op, "dilation")
    if not isinstance(padding, str):
        return Geometry(strides, sizes(padding, dims, op, "padding") * 2, dilations)
    if padding == "valid" and named:
        return Geometry(strides, [0] * 2 * dims, dilations)
    if padding != "same" or not named:
        allowed = 'integers, "same" or "valid"' if named else "integers"
        raise ArgumentError(f"{op}: expected padding to be {allowed}, got {padding!r}")
    if any(s != 1 for s in strides):
        raise ArgumentError(f'{op}: expected stride 1 for padding="same", got {tuple(strides)}')
    total = [_fitting(op, d * (k - 1)) for d, k in zip(dilations, kernel, strict=True)]
    return Geometry(strides, [t // 2 for t in total] + [t - t // 2 for t in total], dilations)


def group_count(groups: Any, op: str) -> int:
    """Return groups, an integer of at least 1."""
    count: int = _integer(groups, op, "groups")
    if count < 1:
        raise ArgumentError(f"{op}: expected groups of at least 1, got {count}")
    return count


def _fitting(op: str, size: int) -> int:
    if type(size) is int and abs(size) > _MOST:
        raise ArgumentError(f"{op}: expected sizes whose products fit in 64 bits, got a result of size {size}")
    return size


def kernel_size(op: str, weight: Any, dims: int) -> list[int]:
    """Return the spatial sizes of a weight."""
    if len(weight.shape) != dims + 2:
        raise ArgumentError(f"{op}: expected weight of {dims + 2} dimensions, got {tuple(weight.shape)}")
    return list(weight.shape[2:])


def output_size(input_size: Sequence[int], kernel: Sequence[int], g: Geometry) -> list[int]:
    """Spatial size of a convolution's result."""
    dims = len(kernel)
    return [
        (n + g.padding[i] + g.padding[i + dims] - g.dilation[i] * (kernel[i] - 1) - 1) // g.stride[i] + 1
        for i, n in enumerate(input_size)
    ]


def transposed_output_size(
    op: str, input_size: Sequence[int], kernel: Sequence[int], g: Geometry, output_padding: Size
) -> list[int]:
    """Spatial size of a transposed convolution's result."""
    dims = len(kernel)
    extra = sizes(output_padding, dims, op, "output_padding")
    for i in range(dims):
        if extra[i] < 0 or extra[i] >= max(g.stride[i], g.dilation[i]):
            raise ArgumentError(
                f"{op}: expected output_padding at least 0 and smaller than stride or dilation, got {tuple(extra)}"
            )
    return [
        _fitting(
            op,
            (n - 1) * g.stride[i] - g.padding[i] - g.padding[i + dims] + g.dilation[i] * (kernel[i] - 1) + extra[i] + 1,
        )
        for i, n in enumerate(input_size)
    ]


def batched(op: str, image: Any, dims: int) -> bool:
    """Tell whether the image has a batch dimension; other shapes are an error."""
    if len(image.shape) not in (dims + 1, dims + 2):
        spatial = {1: "L", 2: "H, W", 3: "D, H, W"}[dims]
        raise ArgumentError(
            f"{op}: expected input of shape (N, C, {spatial}) or (C, {spatial}), got {tuple(image.shape)}"
        )
    return len(image.shape) == dims + 2
