"""Writes docs/benchmarks.md from the JSON of runs: ``python -m benchmarks.report OUT.json… docs/benchmarks.md``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness import OURS, summaries

HEAD = """# Benchmarks

The last full run of `python -m benchmarks --json out.json`, losses included. Contenders take turns in one run, with
the same threads, inputs and output contract. A ratio says how many times as fast fastcnn is as that peer; the machine
is shared, so read ratios rather than times. *Differs* is how far the peer's result is from ours: the share of
elements for integers, the largest difference for floats. An *error* is the largest distance from the float64 result, in
units of its root mean square. *Floor* is the share of what the copy bandwidth allows, or, for networks and their
layers, of the rate of torch's float32 matrix multiplication; Winograd may go beyond 100 % of that."""


def machine(report: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"\nMachine: {report['cpu']}, {report['isa']}, {report['threads']} threads; copies at "
        f"{report['copy_gb_per_s']:.0f} GB/s, float32 matmul at {report['gflop_per_s']:.0f} GFLOP/s.\n"
        f"\nVersions: {versions}."
    )


def contender(case: dict[str, Any], name: str) -> str:
    row = case["rows"][name]
    facts = [f"{row['median_ms']:.3g} ms"]
    if name in case["notes"]:
        facts.append(case["notes"][name])
    elif row.get("difference", "equal") != "equal":
        facts.append(f"differs {row['difference']}")
    return f"{name} {case['ratios'][name]:.2f} ({', '.join(facts)})"


COLUMNS = ("case", "goal", "fastcnn ms (IQR)", "ratio to the best peer", "every peer", "floor")


def table(cases: list[dict[str, Any]]) -> list[str]:
    out = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for case in cases:
        ours = case["rows"][OURS]
        peers = "; ".join(contender(case, name) for name in case["rows"] if name != OURS)
        ratio = f"**{case['ratio']:.2f}**" if case["ratio"] else ""
        floor = f"{100 * case['share_of_floor']:.0f} %" if case["share_of_floor"] else ""
        error = f", {case['notes'][OURS]}" if OURS in case["notes"] else ""
        time = f"{ours['median_ms']:.3g} ({ours['iqr_ms']:.2g}){error}"
        out.append(f"| {case['case']} | {case['goal']} | {time} | {ratio} | {peers} | {floor} |")
    return out


def lines(reports: list[dict[str, Any]]) -> list[str]:
    out = [HEAD]
    for report in reports:
        out.append(machine(report))
        for family, cases in report["families"].items():
            out.append(f"\n## {family}\n")
            if found := [f"- {line}" for line in summaries(family, cases)]:
                out += [*found, ""]
            out += table(cases)
    return out


def main(
    json_files: Annotated[list[Path], typer.Argument(help="what `python -m benchmarks --json` wrote, run by run")],
    markdown: Annotated[Path, typer.Argument(help="the page to write")],
) -> None:
    """Write the page of the runs' figures."""
    markdown.write_text("\n".join(lines([json.loads(file.read_text()) for file in json_files])) + "\n")


if __name__ == "__main__":
    typer.run(main)
