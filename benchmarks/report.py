"""Renders the figures in benchmarks/results: ``python -m benchmarks.report`` updates the summary in docs/benchmarks.md.

A file there is what ``python -m benchmarks --json`` wrote, with "remarks" added. The documentation's build renders a
page with every case of each file (docs/_ext/figures.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, means, summaries

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- summary: python -m benchmarks.report -->\n", "<!-- end of summary -->\n"
COLUMNS = ("case", "goal", "fastcnn ms (IQR)", "ratio to the best peer", "every peer", "floor")

Report = dict[str, Any]


def reports() -> dict[str, Report]:
    """Every run, by the name of its file."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))}


def groups(report: Report) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Family, group and cases that have a peer."""
    for family, cases in report["families"].items():
        for group in dict.fromkeys(case["group"] for case in cases):
            found = [case for case in cases if case["group"] == group and case["ratio"]]
            if found:
                yield family, group, found


def summary() -> str:
    """A row for each family's group: the mean and the minimum ratio to the best peer, by instruction set."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for report in reports().values():
        for family, group, cases in groups(report):
            every = means(cases)
            mean, worst = every.get("the best peer") or next(v for k, v in every.items() if not k.startswith(OURS))
            text = f"{mean:.2f} ({worst:.2f})" if len(cases) > 1 else f"{mean:.2f}"
            cells = rows.setdefault((family, group), {})
            known = cells.get(report["isa"])
            cells[report["isa"]] = f"{known}; {text}" if known else text
    isas = sorted({isa for cells in rows.values() for isa in cells})
    out = [f"| family | cases | {' | '.join(isas)} |", "|---" * (2 + len(isas)) + "|"]
    out += [
        f"| {family} | {group} | {' | '.join(cells.get(isa, '') for isa in isas)} |"
        for (family, group), cells in sorted(rows.items())
    ]
    return "\n".join(out) + "\n"


def updated(text: str) -> str:
    """The document with the summary of today's results."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + summary() + END + rest.partition(END)[2]


def _contender(case: dict[str, Any], name: str) -> str:
    row = case["rows"][name]
    facts = [f"{row['median_ms']:.3g} ms"]
    if name in case["notes"]:
        facts.append(case["notes"][name])
    elif row.get("difference", "equal") != "equal":
        facts.append(f"differs {row['difference']}")
    return f"{name} {case['ratios'][name]:.2f} ({', '.join(facts)})"


def _table(cases: list[dict[str, Any]]) -> list[str]:
    out = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for case in cases:
        ours = case["rows"][OURS]
        peers = "; ".join(_contender(case, name) for name in case["rows"] if name != OURS)
        ratio = f"**{case['ratio']:.2f}**" if case["ratio"] else ""
        floor = f"{100 * case['share_of_floor']:.0f} %" if case["share_of_floor"] else ""
        error = f", {case['notes'][OURS]}" if OURS in case["notes"] else ""
        time = f"{ours['median_ms']:.3g} ({ours['iqr_ms']:.2g}){error}"
        out.append(f"| {case['case']} | {case['goal']} | {time} | {ratio} | {peers} | {floor} |")
    return out


def page(title: str, report: Report, picture: str) -> str:
    """Every case of one run."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    out = [
        f"# {title}",
        "",
        report.get("remarks", ""),
        "",
        f"Machine: {report['cpu']}, {report['isa']}, {report['threads']} threads; copies at "
        f"{report['copy_gb_per_s']:.0f} GB/s, float32 matrix multiplication at {report['gflop_per_s']:.0f} GFLOP/s.",
        "",
        f"Versions: {versions}.",
        "",
        f"![Ratios to the best peer, by group]({picture})",
    ]
    for family, cases in report["families"].items():
        out += ["", f"## {family}", ""]
        if found := [f"- {line}" for line in summaries(family, cases)]:
            out += [*found, ""]
        out += _table(cases)
    return "\n".join(out) + "\n"


def draw(report: Report, path: Path) -> None:
    """Draw each case's ratio to the best peer as a point, on a row of its group."""
    import matplotlib.pyplot as plt

    rows = [(f"{family}: {group}" if group else family, cases) for family, group, cases in groups(report)]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.3 * len(rows)), layout="constrained")
    for y, (_, cases) in enumerate(rows):
        ratios = [case["ratio"] for case in cases]
        axes.plot(ratios, [y] * len(ratios), "o", ms=4, alpha=0.5, color="tab:blue")
    axes.axvline(1, color="tab:red", lw=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as the best peer (right of the line: faster)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
