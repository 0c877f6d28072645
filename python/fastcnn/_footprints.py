"""Footprints as NumPy arrays; both fronts wrap them. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcnn._arguments import sizes
from fastcnn._errors import ArgumentError

Mask = NDArray[np.bool_]


def members(footprint: Any, spatial_dims: int, op: str) -> tuple[list[int], Mask | None]:
    """Return sizes and members (None: all) of a footprint: an int, a size per axis, an array or nested lists."""
    if isinstance(footprint, Sequence) and any(isinstance(row, (Sequence, np.ndarray)) for row in footprint):
        try:
            footprint = np.asarray(footprint)
        except ValueError:
            raise ArgumentError(f"{op}: expected footprint of rows of one length, got {footprint!r}") from None
    if not isinstance(footprint, np.ndarray) or footprint.ndim == 0:
        return sizes(footprint, spatial_dims, op, "footprint"), None
    if footprint.ndim != spatial_dims:
        raise ArgumentError(f"{op}: expected footprint of {spatial_dims} dimensions, got {footprint.ndim}")
    if footprint.dtype.kind not in "biuf":
        raise TypeError(f"{op}: expected footprint of bool or numbers, got {footprint.dtype}")
    return list(footprint.shape), footprint.astype(bool)


def _offsets(radius: int, op: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if radius < 0:
        raise ArgumentError(f"{op}: expected radius of at least 0, got {radius}")
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y, x


def disk(radius: int) -> Mask:
    """Pixels no farther than the radius."""
    y, x = _offsets(radius, "disk")
    return np.asarray(x * x + y * y <= radius * radius)


def diamond(radius: int) -> Mask:
    """Pixels no more than `radius` steps of four neighbours away."""
    y, x = _offsets(radius, "diamond")
    return np.asarray(abs(x) + abs(y) <= radius)


def hexagon(radius: int) -> Mask:
    """A regular hexagon with two corners on the horizontal axis, `radius` from the middle."""
    _, x = _offsets(radius, "hexagon")
    rows = math.isqrt(3 * radius * radius // 4)  # floor(radius sqrt(3) / 2)
    y = np.arange(-rows, rows + 1)[:, None]
    # sqrt(3) (radius - |x|) >= |y|, in integers.
    return np.asarray(3 * (radius - abs(x)) ** 2 >= y * y)


def rectangle(height: int, width: int) -> Mask:
    """All of height x width."""
    if height < 1 or width < 1:
        raise ArgumentError(f"rectangle: expected height and width of at least 1, got {height} and {width}")
    return np.ones((height, width), np.bool_)


def line(length: int, angle: float) -> Mask:
    """A line of `length` pixels through the middle, one pixel per step of its longer direction."""
    if length < 1:
        raise ArgumentError(f"line: expected length of at least 1, got {length}")
    dx, dy = math.cos(math.radians(angle)), -math.sin(math.radians(angle))  # rows run downwards
    longer = max(abs(dx), abs(dy))
    n = math.ceil((length - 1) / 2 * longer - 0.5)  # whole steps to either side
    steps = np.arange(-n, n + 1) / longer
    x, y = np.rint(steps * dx).astype(int), np.rint(steps * dy).astype(int)
    mask = np.zeros((2 * abs(y).max() + 1, 2 * abs(x).max() + 1), np.bool_)
    mask[y + mask.shape[0] // 2, x + mask.shape[1] // 2] = True
    return mask
