"""Interpret the arguments of a convolution, for arrays and tensors. Sizes may be symbolic (torch.SymInt)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastcnn._arguments import LARGEST, Size, integer, per_axis
from fastcnn._errors import ArgumentError


class Geometry(NamedTuple):
    """The lists that the native ops take; padding has all values before, then all after."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]


def geometry(
    op: str, kernel: Sequence[int], stride: Size, padding: Size | str, dilation: Size, *, named: bool = True
) -> Geometry:
    """Read a convolution's arguments. ``named``: padding may be "same" or "valid"."""
    dims = len(kernel)
    strides, dilations = (
        per_axis(stride, dims, op, "stride", as_torch=True),
        per_axis(dilation, dims, op, "dilation", as_torch=True),
    )
    if not isinstance(padding, str):
        return Geometry(strides, per_axis(padding, dims, op, "padding", as_torch=True) * 2, dilations)
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
    count: int = integer(groups, op, "groups")
    if count < 1:
        raise ArgumentError(f"{op}: expected groups of at least 1, got {count}")
    return count


def _fitting(op: str, size: int) -> int:
    if type(size) is int and abs(size) > LARGEST:
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
    extra = per_axis(output_padding, dims, op, "output_padding", as_torch=True)
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
