"""The windows of a pooling and its result's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._arguments import integer, per_axis
from fastcnn._errors import ArgumentError

_AXES = ("", "L", "H, W", "D, H, W")


def check_dimensions(op: str, input: Any, dims: int) -> None:
    """Refuse anything but images that stand alone, (C, ...), or in a batch, (N, C, ...)."""
    if input.ndim - dims not in (1, 2):
        raise ArgumentError(
            f"{op}: expected input of shape (N, C, {_AXES[dims]}) or (C, {_AXES[dims]}), got {tuple(input.shape)}"
        )


def strides_of(value: Any, kernel: list[int], op: str) -> list[int]:
    """Check the strides; None, or an empty sequence, stands for the kernel's size."""
    if value is None or (isinstance(value, Sequence) and len(value) == 0):
        return kernel
    return per_axis(value, len(kernel), op, "stride", as_torch=True)


def adaptive_sizes(value: Any, spatial: Sequence[int], op: str) -> list[int]:
    """Check a result's sizes, where None keeps an axis's size."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if len(values) not in (1, len(spatial)):
        raise ArgumentError(f"{op}: expected output_size of {len(spatial)} values, got {len(values)}")
    values = values if len(values) == len(spatial) else values * len(spatial)
    return [s if v is None else integer(v, op, "output_size") for v, s in zip(values, spatial, strict=True)]


def unpooled_sizes(
    op: str, pooled: Sequence[int], kernel: list[int], stride: list[int], padding: list[int], output_size: Any
) -> list[int]:
    """The sizes that a pooling may have had; `output_size` chooses among those that stride leaves open."""
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(pooled, stride, kernel, padding, strict=True)]
    rank = len(kernel)
    chosen = default
    if output_size is not None:
        chosen = list(output_size)
        if len(chosen) == rank + 2:
            chosen = chosen[2:]
        if len(chosen) != rank:
            raise ArgumentError(f"{op}: expected output_size of {rank} or {rank + 2} values, got {len(output_size)}")
        for d in range(rank):
            if not default[d] - stride[d] < chosen[d] < default[d] + stride[d]:
                raise ArgumentError(
                    f"{op}: expected output_size[{d}] between {default[d] - stride[d] + 1} and "
                    f"{default[d] + stride[d] - 1}, got {chosen[d]}"
                )
    for d in range(rank):
        if chosen[d] < 0:
            raise ArgumentError(f"{op}: expected output_size[{d}] that is not negative, got {chosen[d]}")
    return chosen
