"""What both fronts do around the histograms of gradients. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn._arguments import planar, sizes
from fastcnn._boxes import check_choice
from fastcnn._errors import ArgumentError

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
VARIANTS = ("skimage", "dalal")


def line(from_row: int, from_column: int, to_row: int, to_column: int) -> list[tuple[int, int]]:
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


def prepare(
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
    check_choice(block_norm, NORMS, op, "block_norm")
    check_choice(variant, VARIANTS, op, "variant")
    cell = sizes(pixels_per_cell, 2, op, "pixels_per_cell")
    block = sizes(cells_per_block, 2, op, "cells_per_block")
    for name, values in (("pixels_per_cell", cell), ("cells_per_block", block)):
        if min(values) < 1:
            raise ArgumentError(f"{op}: expected {name} of at least 1, got {tuple(values)}")
    if not 1 <= orientations <= 360:
        raise ArgumentError(f"{op}: expected orientations from 1 to 360, got {orientations}")
    image = planar(image, channel_axis, op)
    height, width = image.shape[-2:]
    least = cell[0] * block[0], cell[1] * block[1]
    if height < least[0] or width < least[1]:
        raise ArgumentError(f"{op}: expected image of at least {least[0]} x {least[1]} pixels, got {height} x {width}")
    return image, [*cell, *block], NORMS.index(block_norm)


def draw(picture: Any, cells: Any, cell: Sequence[int]) -> None:
    """Add a line for each orientation of each cell, across its gradient: as scikit-image draws them."""
    rows, columns, orientations = cells.shape[-3:]
    radius = max(0, min(cell) // 2 - 1)
    middle = cell[0] // 2, cell[1] // 2
    for o in range(orientations):
        angle = math.pi * (o + 0.5) / orientations
        down, across = radius * math.sin(angle), radius * math.cos(angle)
        ends = (int(middle[0] - across), int(middle[1] + down), int(middle[0] + across), int(middle[1] - down))
        for row, column in line(*ends):
            picture[..., row : rows * cell[0] : cell[0], column : columns * cell[1] : cell[1]] += cells[..., o]
