"""COCO's three formats of an object's mask: polygons, run lengths, and run lengths as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MaskError(ValueError):
    """The annotation is not a mask of the expected size."""


def decode(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (height, width) of an annotation's "segmentation", equal to pycocotools' pixel for pixel.

    Raises:
        MaskError: not one of COCO's formats, or of another size.
    """
    if isinstance(segmentation, list):
        return _polygons(segmentation, height, width)
    if not isinstance(segmentation, dict) or segmentation.get("size") != [height, width]:
        raise MaskError("no polygons, nor run lengths of the picture's size")
    counts = segmentation.get("counts")
    runs = _text(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(n) is int and n >= 0 for n in runs) or sum(runs) != height * width:
        raise MaskError("run lengths that do not fill the picture")
    values = np.arange(len(runs)) % 2 == 1
    # Runs go column by column; the first one is background.
    return np.repeat(values, runs).reshape(width, height).T


def _polygons(polygons: list[Any], height: int, width: int) -> NDArray[np.bool_]:
    if not polygons:
        raise MaskError("no polygons")
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        numbers = isinstance(polygon, list) and all(isinstance(v, (int, float)) for v in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
            raise MaskError("a polygon that is not three corners or more")
        # Clip corners far outside the image: products of two such numbers stay exact.
        mask |= _polygon(np.clip(np.reshape(polygon, (-1, 2)).astype(float), -1e6, 1e6), height, width)
    return mask


def _polygon(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Fill a polygon as COCO's own code does (pycocotools, ``rleFrPoly`` in maskApi.c), pixel for pixel.

    Corners are rounded to fifths of a pixel, and edges are lines of such steps. Where an edge crosses the middle of a
    pixel column, the pixels below it switch between outside and inside.
    """
    begin = np.trunc(5 * corners + 0.5)
    end = np.roll(begin, -1, 0)
    step = np.abs(end - begin)
    flat = step[:, 0] >= step[:, 1]
    # Walk along the longer side of each edge, in ascending order.
    turned = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])[:, None]
    begin, end = np.where(turned, end, begin), np.where(turned, begin, end)
    rise = np.where(flat, end[:, 1] - begin[:, 1], end[:, 0] - begin[:, 0]) / np.maximum(step.max(1), 1)

    # A column's middle lies between its steps 5 c + 2 and 5 c + 3.
    first = np.maximum(np.ceil((np.minimum(begin, end)[:, 0] - 2) / 5), 0)
    last = np.minimum(np.floor((np.maximum(begin, end)[:, 0] - 3) / 5), width - 1)
    counts = np.maximum(last - first + 1, 0).astype(np.int64)
    edge = np.repeat(np.arange(len(corners)), counts)
    column = first[edge] + np.arange(len(edge)) - (np.cumsum(counts) - counts)[edge]
    x, (x0, y0), slope = 5 * column + 2, begin[edge].T, rise[edge]

    # The row is the smaller one of the two steps next to the middle.
    level = np.minimum(*(np.floor(y0 + slope * (at - x0) + 0.5) for at in (x, x + 1)))
    time = np.floor((x + 0.5 - x0) / np.where(flat[edge], 1, slope))  # of steep edges

    def passed(time: NDArray[np.float64]) -> NDArray[np.bool_]:
        over: NDArray[np.bool_] = (np.floor(x0 + slope * time + 0.5) > x) == (slope > 0)
        return over

    # The last step before the middle; the quotient's rounding may be off by one.
    time = np.where(passed(time), time - 1, np.where(passed(time + 1), time, time + 1))
    row = np.ceil(np.clip((np.where(flat[edge], level, y0 + time) + 0.5) / 5 - 0.5, 0, height))

    crossed = np.bincount((column * height + row).astype(np.int64), minlength=height * width + 1)
    inside: NDArray[np.bool_] = np.cumsum(crossed[:-1]) % 2 == 1
    return inside.reshape(width, height).T


def _text(text: str) -> list[int]:
    """Decode COCO's text: five bits per character from "0", lowest first; differences from the third number on."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise MaskError("run lengths that are no text of COCO's")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:  # more follows
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise MaskError("run lengths that end too soon")
    return runs
