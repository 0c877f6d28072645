"""COCO's three forms of an object's mask: polygons, run lengths, and run lengths as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MaskError(ValueError):
    """What is there is no mask of this size."""


def decode(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (height, width) of an annotation's "segmentation".

    Raises:
        MaskError: anything else than COCO's forms, or of another size.
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
    # Column by column, the first run is background.
    return np.repeat(values, runs).reshape(width, height).T


def _polygons(polygons: list[Any], height: int, width: int) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for polygon in polygons:
        numbers = isinstance(polygon, list) and all(isinstance(v, (int, float)) for v in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
            raise MaskError("a polygon that is not three corners or more")
        # Far outside is far enough: what is drawn would not fit Pillow's integers.
        corners = np.clip(np.reshape(polygon, (-1, 2)), -1e6, 1e6)
        # Corners lie on the grid of edges, Pillow's on pixels' centres.
        draw.polygon([tuple(c) for c in (corners - 0.5).tolist()], fill=1)
    return np.array(picture)


def _text(text: str) -> list[int]:
    """Undo COCO's packing: five bits a character from "0" on, lowest first; from the third on, differences."""
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
