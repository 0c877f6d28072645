"""Writes docs/benchmarks.md from a run's JSON: ``python -m benchmarks.report out.json docs/benchmarks.md``."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

HEAD = """# Benchmarks

The last full run of `python -m benchmarks --json out.json`, losses included. Contenders take turns in one run, with
the same threads, inputs and output contract. A ratio says how many times as fast fastcnn is as that peer; the machine
is shared, so read ratios rather than times. *Differs* is how far the peer's result is from ours: the share of
elements for integers, the largest difference for floats. *Floor* is the share of what the copy bandwidth allows.

"""


def lines(report: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    out = [
        HEAD,
        f"Machine: {report['cpu']}, {report['isa']}, {report['threads']} threads; copies at "
        f"{report['copy_gb_per_s']:.0f} GB/s, float32 matmul at {report['gflop_per_s']:.0f} GFLOP/s.\n",
        f"Versions: {versions}.\n",
    ]
    for family, cases in report["families"].items():
        out.append(f"\n## {family}\n\n| case | goal | fastcnn ms (IQR) | ratio to the best peer | every peer | floor |")
        out.append("|---|---|---|---|---|---|")
        for case in cases:
            ours = case["rows"]["fastcnn"]
            peers = "; ".join(
                f"{name} {case['ratios'][name]:.2f} ({row['median_ms']:.3g} ms"
                + (f", differs {row['difference']}" if row.get("difference", "equal") != "equal" else "")
                + ")"
                for name, row in case["rows"].items()
                if name != "fastcnn"
            )
            ratio = f"**{case['ratio']:.2f}**" if case["ratio"] else ""
            floor = f"{100 * case['share_of_floor']:.0f} %" if case["share_of_floor"] else ""
            time = f"{ours['median_ms']:.3g} ({ours['iqr_ms']:.2g})"
            out.append(f"| {case['case']} | {case['goal']} | {time} | {ratio} | {peers} | {floor} |")
        ratios = [c["ratio"] for c in cases if c["ratio"]]
        if len(ratios) > 1:
            out.append(f"\nGeometric mean {np.exp(np.mean(np.log(ratios))):.2f}, least {min(ratios):.2f}.")
    return out


def main(
    json_file: Annotated[Path, typer.Argument(help="what `python -m benchmarks --json` wrote")],
    markdown: Annotated[Path, typer.Argument(help="the page to write")],
) -> None:
    """Write the page of a run's figures."""
    markdown.write_text("\n".join(lines(json.loads(json_file.read_text()))) + "\n")


if __name__ == "__main__":
    typer.run(main)
