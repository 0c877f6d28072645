#!/usr/bin/env python3
"""Write the table of operations in README.md from `fastcnn.ops`. A test compares the two."""

from __future__ import annotations

import inspect
from pathlib import Path

from fastcnn import ops

DOCUMENT = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- operations: scripts/op_table.py -->\n", "<!-- end of operations -->\n"
TITLES = {
    "thresholding": "Thresholds", "filtering": "Filters", "morphology": "Morphology", "cleaning": "Cleaning",
    "distance": "Distance", "peaks": "Peaks", "labeling": "Labels and measurements", "flooding": "Watershed",
    "geometry": "Geometry", "features": "Features", "proposals": "Proposals", "boxes": "Boxes",
    "suppression": "Suppression", "anchors": "Anchors", "box_losses": "Losses of boxes", "roi": "Regions of interest",
    "conv": "Convolution", "deform": "Convolution", "packed": "Convolution", "pooling": "Pooling",
}  # fmt: skip


def table() -> str:
    """A row for each family, in the order of `TITLES`."""
    rows: dict[str, list[str]] = {title: [] for title in TITLES.values()}
    for name in sorted(ops.__all__):
        member = inspect.unwrap(getattr(ops, name))
        if name[-2:] in ("1d", "3d") and f"{name[:-2]}2d" in ops.__all__:
            continue  # "conv1d/2d/3d" on one line
        shown = f"{name[:-2]}1d/2d/3d" if name.endswith("2d") and f"{name[:-2]}1d" in ops.__all__ else name
        rows[TITLES[member.__module__.split(".")[2]]].append(f"`{shown}`")
    return "| | |\n|---|---|\n" + "".join(f"| {title} | {', '.join(names)} |\n" for title, names in rows.items())


def updated(text: str) -> str:
    """The document with the table of today's operations."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
