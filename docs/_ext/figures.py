"""The benchmarks' pages, written before the build: one for each file in benchmarks/results, with its picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "benchmark_runs"


def _write(app: Sphinx, config: Any) -> None:
    sys.path.insert(0, str(ROOT))
    from benchmarks import report

    FOLDER.mkdir(exist_ok=True)
    for name, run in report.reports().items():
        report.draw(run, FOLDER / f"{name}.png")
        title = f"{', '.join(run['families'])} ({run['isa']}, {run['cpu']})"
        (FOLDER / f"{name}.md").write_text(report.page(title, run, f"{name}.png"), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when the configuration is there."""
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True}
