"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from fastcnn.cli.bench import bench
from fastcnn.cli.detect import detect
from fastcnn.cli.info import info
from fastcnn.cli.segment import segment
from fastcnn.cli.train import train

app = typer.Typer(
    name="fastcnn",
    help="Native image analysis: from image files to masks and boxes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(segment)
app.command()(detect)
app.command()(train)
app.command()(bench)
app.command()(info)


def _version(wanted: bool) -> None:
    if wanted:
        import fastcnn

        typer.echo(f"fastcnn {fastcnn.__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Native image analysis: from image files to masks and boxes."""
