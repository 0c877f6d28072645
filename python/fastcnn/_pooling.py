"""Argument handling of the pooling ops, for arrays and tensors. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._convolution import whole
from fastcnn._errors import ArgumentError

AXES = ("", "L", "H, W", "D, H, W")


def check_dimensions(op: str, argument: str, shape: Sequence[int], rank: int) -> None:
    """Images stand alone, (C, ...), or in a batch, (N, C, ...)."""
    if len(shape) - rank not in (1, 2):
        raise ArgumentError(
            f"{op}: expected {argument} of shape (N, C, {AXES[rank]}) or (C, {AXES[rank]}), got {tuple(shape)}"
        )


def size(value: Any, op: str, argument: str) -> int:
    """Check one integer, which may be symbolic: operator.index would fix that at today's value."""
    if (isinstance(value, int) or hasattr(value, "__index__")) and not isinstance(value, bool):
        one: int = value if isinstance(value, int) or not hasattr(value, "dtype") else whole(value, op, argument)
        return one
    raise TypeError(f"{op}: expected {argument} to be an int or a sequence of ints, got {type(value).__name__}")


def sizes(value: Any, rank: int, op: str, argument: str) -> list[int]:
    """Expand one integer, or a sequence of one, to every spatial axis."""
    if not isinstance(value, Sequence):
        return [size(value, op, argument)] * rank
    if len(value) not in (1, rank):
        raise ArgumentError(f"{op}: expected {argument} of {rank} values, got {len(value)}")
    values = [size(v, op, argument) for v in value]
    return values if len(values) == rank else values * rank


def strides(value: Any, kernel: list[int], op: str) -> list[int]:
    """None, or nothing in a sequence, stands for the kernel's size."""
    if value is None or (isinstance(value, Sequence) and len(value) == 0):
        return kernel
    return sizes(value, len(kernel), op, "stride")


def adaptive_sizes(value: Any, spatial: Sequence[int], op: str) -> list[int]:
    """Like `sizes`, where None keeps an axis's size."""
    rank = len(spatial)
    if isinstance(value, Sequence) and len(value) not in (1, rank):
        raise ArgumentError(f"{op}: expected output_size of {rank} values, got {len(value)}")
    values = list(value) * (rank // len(value)) if isinstance(value, Sequence) else [value] * rank
    return [s if v is None else size(v, op, "output_size") for v, s in zip(values, spatial, strict=True)]


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


def check_levels(levels: Sequence[int], mode: str) -> list[int]:
    """The pyramid's grids and its fold."""
    op = "spatial_pyramid_pool"
    if mode not in ("max", "avg"):
        raise ArgumentError(f'{op}: expected mode "max" or "avg", got {mode!r}')
    checked = [size(level, op, "levels") for level in levels]
    if not checked or any(level < 1 for level in checked):
        raise ArgumentError(f"{op}: expected levels of at least one positive int, got {tuple(levels)}")
    return checked
