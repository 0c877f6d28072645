"""The command line: ``python -m benchmarks morphology --threads 2 --json out.json``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import harness


def main(
    families: Annotated[
        list[str] | None, typer.Argument(help=f"any of: {', '.join(harness.FAMILIES)}; all without")
    ] = None,
    threads: Annotated[int, typer.Option(help="threads of every contender")] = 2,
    seconds: Annotated[float, typer.Option(help="time per case, about")] = 2.0,
    match: Annotated[str, typer.Option(help="only cases whose name contains this")] = "",
    size: Annotated[int, typer.Option(help="height and width of the images")] = 2048,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures, with versions, here")] = None,
) -> None:
    """Measure fastcnn against its peers, interleaved."""
    unknown = set(families or []) - set(harness.FAMILIES)
    if unknown:
        raise typer.BadParameter(f"no such family: {', '.join(sorted(unknown))}")
    report = harness.run(families or harness.FAMILIES, threads, seconds, match, size)
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
