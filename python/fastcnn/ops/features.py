"""Features of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from fastcnn._arguments import channels_third_last, check_choice, per_axis
from fastcnn._dispatch import Array, native, zeros_like
from fastcnn._errors import ArgumentError

__all__ = ["hog"]

_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
_VARIANTS = ("skimage", "dalal")


def hog(
    image: Array,
    orientations: int = 9,
    pixels_per_cell: Sequence[int] = (8, 8),
    cells_per_block: Sequence[int] = (2, 2),
    block_norm: str = "L2-Hys",
    variant: str = "skimage",
    visualize: bool = False,
    transform_sqrt: bool = False,
    feature_vector: bool = False,
    channel_axis: int | None = None,
) -> Array | tuple[Array, Array]:
    """Describe an image by histograms of oriented gradients.

    Args:
        image: (..., H, W), any dtype; with ``channel_axis`` that axis holds channels; each pixel uses the channel
            with the steepest gradient.
        orientations: bins of 180 degrees.
        pixels_per_cell: rows and columns; a remainder at the end of the image is ignored.
        cells_per_block: rows and columns; the stride of blocks is one cell.
        block_norm: "L1", "L1-sqrt", "L2" or "L2-Hys": L2, clipped at 0.2, and L2 again.
        variant: "skimage": a pixel votes for its cell and its orientation, as in `skimage.feature.hog`; "dalal": for
            the four nearest cells of a block and the two nearest orientations, under a Gaussian over the block, and
            blocks of little contrast are damped, as in the paper and in OpenCV's HOGDescriptor. Its arithmetic is
            float32: a gradient steeper than 1e19 is infinite.
        visualize: also return an image of the cells' histograms, with a line for each orientation.
        transform_sqrt: take the image's square root first (HOGDescriptor does).
        feature_vector: return one vector per image.

    Returns:
        (..., block rows, block columns, rows in a block, columns in it, orientations), or (..., N); float64 for a
        float64 image, else float32. With `visualize` also the image, (..., H, W).

    Raises:
        ArgumentError: an image smaller than a block, or arguments out of range.

    Complexity: linear in the pixels. Scratch: the cells, in double; "dalal" 24 bytes per pixel. Gradient: none.
    Deterministic: does not depend on threads or instruction set.

    Reference:
        N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", 2005.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> ramp = torch.arange(16.0).expand(16, 16)
        >>> F.hog(ramp, orientations=4).shape
        torch.Size([1, 1, 2, 2, 4])
        >>> F.hog(ramp, orientations=4)[0, 0, 0, 0]
        tensor([0.5000, 0.0000, 0.0000, 0.0000])
    """
    prepared: Any
    prepared, shape, norm = _prepare(
        image, orientations, pixels_per_cell, cells_per_block, block_norm, variant, channel_axis
    )
    features, cells = native("hog", prepared, orientations, shape, norm, transform_sqrt, variant == "dalal", visualize)
    if feature_vector:
        features = features.reshape(*features.shape[:-5], -1)
    if not visualize:
        return cast(Array, features)
    picture = zeros_like(cells, (*prepared.shape[:-3], *prepared.shape[-2:]))
    _draw(picture, cells, shape[:2])
    return features, picture


def _prepare(
    image: Any,
    orientations: int,
    pixels_per_cell: Sequence[int],
    cells_per_block: Sequence[int],
    block_norm: str,
    variant: str,
    channel_axis: int | None,
) -> tuple[Any, list[int], int]:
    """Return the image as (..., C, H, W), the sizes and the norm's number; errors name the argument."""
    op = "hog"
    check_choice(block_norm, _NORMS, op, "block_norm")
    check_choice(variant, _VARIANTS, op, "variant")
    cell = per_axis(pixels_per_cell, 2, op, "pixels_per_cell")
    block = per_axis(cells_per_block, 2, op, "cells_per_block")
    for name, values in (("pixels_per_cell", cell), ("cells_per_block", block)):
        if min(values) < 1:
            raise ArgumentError(f"{op}: expected {name} of at least 1, got {tuple(values)}")
    if not 1 <= orientations <= 360:
        raise ArgumentError(f"{op}: expected orientations from 1 to 360, got {orientations}")
    image = channels_third_last(image, channel_axis, op)
    height, width = image.shape[-2:]
    minimum = cell[0] * block[0], cell[1] * block[1]
    if height < minimum[0] or width < minimum[1]:
        raise ArgumentError(
            f"{op}: expected image of at least {minimum[0]} x {minimum[1]} pixels, got {height} x {width}"
        )
    return image, [*cell, *block], _NORMS.index(block_norm)


def _draw(picture: Any, cells: Any, cell: Sequence[int]) -> None:
    """Add a line for each orientation of each cell, across its gradient: as scikit-image draws them."""
    rows, columns, orientations = cells.shape[-3:]
    radius = max(0, min(cell) // 2 - 1)
    middle = cell[0] // 2, cell[1] // 2
    for o in range(orientations):
        angle = math.pi * (o + 0.5) / orientations
        down, across = radius * math.sin(angle), radius * math.cos(angle)
        ends = (int(middle[0] - across), int(middle[1] + down), int(middle[0] + across), int(middle[1] - down))
        for row, column in _line(*ends):
            picture[..., row : rows * cell[0] : cell[0], column : columns * cell[1] : cell[1]] += cells[..., o]


def _line(from_row: int, from_column: int, to_row: int, to_column: int) -> list[tuple[int, int]]:
    """Return the pixels of a line (Bresenham, 1965)."""
    row, column = from_row, from_column
    rows, columns = abs(to_row - row), abs(to_column - column)
    down, right = (1 if to_row > row else -1), (1 if to_column > column else -1)
    steep = rows > columns
    if steep:
        row, column, rows, columns, down, right = column, row, columns, rows, right, down
    error, pixels = 2 * rows - columns, []
    for _ in range(columns):
        pixels.append((column, row) if steep else (row, column))
        while error >= 0:
            row += down
            error -= 2 * columns
        column += right
        error += 2 * rows
    return [*pixels, (to_row, to_column)]
