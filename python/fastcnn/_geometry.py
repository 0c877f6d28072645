"""What both fronts do around resizing and warps. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from fastcnn._arguments import sizes
from fastcnn._boxes import check_choice
from fastcnn._errors import ArgumentError

MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


def check_image(image: Any, op: str) -> None:
    """Refuse what has not two dimensions."""
    if image.ndim < 2:
        raise ArgumentError(f"{op}: expected image of shape (..., H, W), got {tuple(image.shape)}")


def new_size(size: int | Sequence[int], op: str) -> list[int]:
    """Return a result's height and width."""
    height, width = sizes(size, 2, op, "size")
    if min(height, width) < 1:
        raise ArgumentError(f"{op}: expected size of at least 1, got {(height, width)}")
    return [height, width]


def check_resize(image: Any, size: int | Sequence[int], mode: str, antialias: bool) -> list[int]:
    """Check the arguments of `resize` and return the size."""
    op = "resize"
    check_image(image, op)
    check_choice(mode, MODES, op, "mode")
    if antialias and mode.startswith("nearest"):
        raise ArgumentError(f"{op}: expected antialias=False with mode {mode}")
    return new_size(size, op)


def check_warp(image: Any, matrix: Any, size: int | Sequence[int] | None, mode: str) -> list[int]:
    """Check the arguments of `warp_affine` and return the size."""
    op = "warp_affine"
    check_image(image, op)
    check_choice(mode, ("nearest", "bilinear"), op, "mode")
    lead = tuple(matrix.shape[:-2])
    if tuple(matrix.shape[-2:]) != (2, 3) or lead != tuple(image.shape[: len(lead)]) or len(lead) > image.ndim - 2:
        raise ArgumentError(
            f"{op}: expected matrix of shape (2, 3), or (..., 2, 3) with leading dimensions of image, "
            f"{tuple(image.shape)}, got {tuple(matrix.shape)}"
        )
    return list(image.shape[-2:]) if size is None else new_size(size, op)


def inverse(matrix: Any, stack: Any) -> Any:
    """Return the maps (..., 2, 3) that undo others; `stack` joins along a new last dimension."""
    a, b, c = (matrix[..., 0, i] for i in range(3))
    d, e, f = (matrix[..., 1, i] for i in range(3))
    scale = 1 / (a * e - b * d)  # of a matrix without an inverse: infinite, and nothing of the image is seen
    first = stack([e * scale, -b * scale, (b * f - c * e) * scale])
    second = stack([-d * scale, a * scale, (c * d - a * f) * scale])
    return stack([first, second]).swapaxes(-1, -2)


def pyramid_sizes(
    height: int, width: int, factor: float, min_size: int | Sequence[int], max_levels: int | None
) -> Iterator[tuple[int, int]]:
    """Yield the sizes of a pyramid's levels, the image's own first."""
    op = "image_pyramid"
    least = sizes(min_size, 2, op, "min_size")
    if not (factor > 1 and math.isfinite(factor)):
        raise ArgumentError(f"{op}: expected factor above 1, got {factor}")
    if min(least) < 1:
        raise ArgumentError(f"{op}: expected min_size of at least 1, got {tuple(least)}")
    if max_levels is not None and max_levels < 0:
        raise ArgumentError(f"{op}: expected max_levels of at least 0, got {max_levels}")
    level = 0
    last = (-1, -1)
    while max_levels is None or level < max_levels:
        size = round(height / factor**level), round(width / factor**level)
        if size[0] < least[0] or size[1] < least[1]:
            return
        if size != last:
            yield size
        last = size
        level += 1
