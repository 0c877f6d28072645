"""Region tables as text."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

_COLUMNS = (
    "label", "area", "centroid_y", "centroid_x", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2",
    "intensity_mean", "intensity_min", "intensity_max",
)  # fmt: skip


def write_region_csv(path: str | os.PathLike[str], regions: Any, count: Any) -> None:
    """Write a region table as CSV: a header, then a line per object.

    Columns: label; area in pixels; centroid_y, centroid_x; bbox_x1, bbox_y1, bbox_x2, bbox_y2, half-open, so that
    x2 - x1 is the width; intensity_mean, intensity_min, intensity_max. For a batch (pages), the first column is page,
    counted from 1. Positions are in pixels from the centre of the top left pixel.

    Args:
        path: the output file.
        regions: a `RegionTable` with intensities, of one image or a batch with one leading dimension.
        count: objects per image.
    """
    counts = np.asarray(count)
    table = [np.asarray(column) for column in (regions.area, regions.centroid, regions.bbox)]
    table += [np.asarray(c) for c in (regions.intensity_mean, regions.intensity_min, regions.intensity_max)]
    paged = counts.ndim > 0
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("page", *_COLUMNS) if paged else _COLUMNS)
        for page in range(len(counts)) if paged else (None,):
            area, centroid, bbox, mean, low, high = table if page is None else (column[page] for column in table)
            for i in range(int(counts if page is None else counts[page])):
                row = [
                    i + 1, int(area[i]), *(f"{v:.3f}" for v in centroid[i].tolist()),
                    *(f"{v:.0f}" for v in bbox[i].tolist()), *(f"{float(v[i]):.7g}" for v in (mean, low, high)),
                ]  # fmt: skip
                writer.writerow(row if page is None else [page + 1, *row])
