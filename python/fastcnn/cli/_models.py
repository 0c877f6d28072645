"""Trained models by the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fastcnn.cli._console import Reporter, printable

if TYPE_CHECKING:
    from fastcnn.models import ModelFile


def load_named(name: str, task: str, reporter: Reporter) -> ModelFile:
    """Load a model for a task, or say in one line why not."""
    from fastcnn import ArgumentError
    from fastcnn.models import load_model, shipped

    # "unet" is short for "unet-cells", the shipped model of this kind.
    short = {full.partition("-")[0]: full for full in shipped()}
    try:
        found = load_model(short.get(name, name))
    except ArgumentError as error:
        text = printable(" ".join(str(error).removeprefix("load_model: ").split()))
        raise typer.BadParameter(text, param_hint="--model") from None
    if found.about.get("task") != task:
        trained = printable(str(found.about.get("task"))[:60])
        raise typer.BadParameter(f"{printable(name)} is trained to {trained}, not to {task}.", param_hint="--model")
    return found
