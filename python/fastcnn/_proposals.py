"""What both fronts do around proposals. Imports no torch."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from fastcnn._arguments import planar, sizes
from fastcnn._boxes import check_choice
from fastcnn._errors import ArgumentError

MODES = ("fast", "quality")
# Uijlings et al., 2013, table 6.
_SCALES = {"fast": (50.0, 100.0), "quality": (50.0, 100.0, 150.0, 300.0)}


def prepare(
    image: Any,
    mode: str,
    max_boxes: int,
    scales: Sequence[float] | None,
    sigma: float,
    min_size: int | None,
    seed: int,
    channel_axis: int,
    op: str,
) -> tuple[Any, bool, list[float], float, int, int, int]:
    """Return the core's arguments, the image as (..., C, H, W); errors name the argument."""
    check_choice(mode, MODES, op, "mode")
    image = planar(image, None if image.ndim == 2 else channel_axis, op)
    if min_size is not None and min_size < 1:
        raise ArgumentError(f"{op}: expected min_size of at least 1, got {min_size}")
    return (
        image,
        mode == "quality",
        [float(s) for s in (_SCALES[mode] if scales is None else scales)],
        float(sigma),
        0 if min_size is None else min_size,
        max_boxes,
        operator.index(seed),
    )


def window_grid(image: Any, size: int | Sequence[int], stride: int | Sequence[int]) -> tuple[list[int], list[int]]:
    """Check the arguments of `sliding_windows`; return sizes and strides."""
    op = "sliding_windows"
    window, steps = sizes(size, 2, op, "size"), sizes(stride, 2, op, "stride")
    if image.ndim < 2:
        raise ArgumentError(f"{op}: expected image of shape (..., H, W), got {tuple(image.shape)}")
    for name, values in (("size", window), ("stride", steps)):
        if min(values) < 1:
            raise ArgumentError(f"{op}: expected {name} of at least 1, got {tuple(values)}")
    if image.shape[-2] < window[0] or image.shape[-1] < window[1]:
        raise ArgumentError(
            f"{op}: expected image of at least {window[0]} x {window[1]} pixels, got {tuple(image.shape)}"
        )
    return window, steps
