#!/usr/bin/env python3
"""Write the table of models in docs/models.md from the registry. A test compares the two."""

from __future__ import annotations

import inspect
from collections import defaultdict
from pathlib import Path

import torch

from fastcnn.models import MODELS

DOCUMENT = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- models: scripts/model_table.py -->\n", "<!-- end of models -->\n"


def table() -> str:
    """A row for each file of models: names, parameters with the default arguments, and sources of weights."""
    families = defaultdict(list)
    for name, entry in MODELS.items():
        families[inspect.getmodule(entry.factory)].append(name)
    rows = []
    for names in families.values():
        with torch.device("meta"):
            counts = [sum(p.numel() for p in MODELS[name].factory().parameters()) for name in names]
        low, high = min(counts), max(counts)
        numbers = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        sources = sorted({source for name in names for source in MODELS[name].weights})
        rows.append((low, f"| {', '.join(f'`{name}`' for name in names)} | {numbers} | {', '.join(sources)} |"))
    head = ["| functions | parameters | weights of |", "|---|---|---|"]
    return "\n".join([*head, *(row for _, row in sorted(rows))]) + "\n"


def updated(text: str) -> str:
    """The document with the registry's table."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
