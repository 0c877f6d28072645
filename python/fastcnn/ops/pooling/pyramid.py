"""Poolings of several sizes side by side."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn._arguments import check_choice, integer
from fastcnn._dispatch import Array, concatenate_last, native
from fastcnn._errors import ArgumentError
from fastcnn.ops.pooling._windows import check_dimensions

__all__ = ["spatial_pyramid_pool"]


def spatial_pyramid_pool(input: Array, levels: Sequence[int] = (1, 2, 4), mode: str = "max") -> Array:
    """Describe an image of any size by as many numbers: its adaptive poolings on grids of several sizes, side by side.

    Args:
        input: (N, C, H, W) or (C, H, W); see `adaptive_max_pool2d` and `adaptive_avg_pool2d`.
        levels: the sides of the grids.
        mode: "max" or "avg".

    Returns:
        (N, C Σ level²) or (C Σ level²,): level by level, each flattened as (C, level, level).

    Raises:
        ArgumentError: an input of other dimensions, no level or one below 1, or another mode.
        TypeError: a dtype that the mode does not take.

    Complexity: one adaptive pooling per level. Scratch: a row per thread.
    Gradient: that of the adaptive poolings. Deterministic.

    Reference: K. He, X. Zhang, S. Ren, J. Sun, "Spatial pyramid pooling in deep convolutional networks for visual
    recognition", ECCV 2014.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.spatial_pyramid_pool(torch.arange(16).reshape(1, 4, 4), levels=(1, 2))
        tensor([15,  5,  7, 13, 15])
    """
    op = "spatial_pyramid_pool"
    check_dimensions(op, input, 2)
    check_choice(mode, ("max", "avg"), op, "mode")
    grids = [integer(level, op, "levels") for level in levels]
    if not grids or min(grids) < 1:
        raise ArgumentError(f"{op}: expected levels of at least one positive int, got {tuple(levels)}")
    lead, channels = input.shape[:-3], input.shape[-3]
    pooled = [native(f"adaptive_{mode}_pool", input, [n, n]).reshape(*lead, channels * n * n) for n in grids]
    result: Array = concatenate_last(pooled)
    return result
