"""`fastcnn train`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from fastcnn._tasks import TASKS
from fastcnn.cli._console import Reporter
from fastcnn.cli._files import ending_with_a_word
from fastcnn.cli._options import refuse

_MODEL, _STEPS, _MACHINE = "Model", "Training", "Machine"


def _size(text: str) -> tuple[int, int]:
    parts = text.split("x")
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r} is not a size like 160 or 240x320.")
    return int(parts[0]), int(parts[-1])


def _arguments(words: list[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE.", param_hint="--set")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def train(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="|".join(TASKS), help="The task that is learned.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="WORD|DIR",
            help="digits, cells or shapes, which need no files; or a folder: MNIST's files or one of pictures for each "
            "class; images/ and masks/; COCO's or VOC's.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the run.")] = Path("fastcnn-train"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, to more epochs too.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of fastcnn.models.",
            show_default="the task's own",
            rich_help_panel=_MODEL,
        ),
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An argument of the model.", rich_help_panel=_MODEL),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="FILE", help="Start from these.", rich_help_panel=_MODEL, show_default="none")
    ] = "",
    weights_source: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Whose names they have: fastcnn, torchvision, timm, segmentation_models, yolox.",
            rich_help_panel=_MODEL,
        ),
    ] = "fastcnn",
    image_size: Annotated[
        Any,
        typer.Option(
            metavar="N|HxW",
            parser=_size,
            help="Bring pictures to this size.",
            show_default="the data's own",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="Masks hold classes; otherwise objects that may touch.", rich_help_panel=_MODEL),
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Keep weights in 16 bits: half the file.", rich_help_panel=_MODEL)
    ] = False,
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Losses by name, in classify and segment: dice, focal, dice+cross_entropy, 0.5*dice+focal. A wrong "
            "name lists them all.",
            show_default="the task's own",
            rich_help_panel=_STEPS,
        ),
    ] = "",
    epochs: Annotated[int, typer.Option(metavar="N", min=1, rich_help_panel=_STEPS)] = 20,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, rich_help_panel=_STEPS)] = 16,
    optimizer: Annotated[str, typer.Option(metavar="adamw|sgd", rich_help_panel=_STEPS)] = "adamw",
    learning_rate: Annotated[float, typer.Option(metavar="X", rich_help_panel=_STEPS)] = 0.002,
    weight_decay: Annotated[float, typer.Option(metavar="X", rich_help_panel=_STEPS)] = 0.01,
    clip: Annotated[
        float, typer.Option(metavar="X", help="Largest norm of the gradient; 0 for any.", rich_help_panel=_STEPS)
    ] = 0.0,
    average: Annotated[
        float,
        typer.Option(metavar="X", help="Decay of the weights' moving average; 0 for none.", rich_help_panel=_STEPS),
    ] = 0.99,
    patience: Annotated[
        int,
        typer.Option(
            metavar="N", help="Stop after N epochs without anything better; 0 for never.", rich_help_panel=_STEPS
        ),
    ] = 0,
    no_augment: Annotated[
        bool, typer.Option("--no-augment", help="Do not change pictures at random.", rich_help_panel=_STEPS)
    ] = False,
    mosaic: Annotated[
        float,
        typer.Option(metavar="P", help="Chance of four pictures in one, in detection.", rich_help_panel=_STEPS),
    ] = 0.5,
    seed: Annotated[int, typer.Option(metavar="N", min=0, rich_help_panel=_STEPS)] = 0,
    on_error: Annotated[
        str, typer.Option(metavar="refuse|skip", help="Broken files: end, or warn and go on.", rich_help_panel=_STEPS)
    ] = "refuse",
    precision: Annotated[
        str, typer.Option(metavar="32-true|bf16-mixed|16-mixed", rich_help_panel=_MACHINE)
    ] = "32-true",
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Processes or GPUs.", rich_help_panel=_MACHINE)] = 1,
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes that prepare pictures.", rich_help_panel=_MACHINE)
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but problems.")] = False,
) -> None:
    """Train a network; a run leaves one folder.

    weights.safetensors (for fastcnn segment and detect --model, and fastcnn.models.load_model), settings.yaml,
    metrics.json, pictures of predictions, curves for TensorBoard, and checkpoints. A run that was ended, whenever and
    however, goes on with --resume.

    Needs the extra fastcnn\\[train]. Exit status: 0, trained; 1, failed, with the reason on stderr; 2, wrong usage.
    """
    reporter = Reporter(quiet)
    try:
        from fastcnn.train import Settings
        from fastcnn.train import train as run
    except ModuleNotFoundError as error:
        reporter.problem(str(error))
        raise typer.Exit(1) from None
    from fastcnn import ArgumentError
    from fastcnn.data import DataError
    from fastcnn.io import ImageFileError

    try:
        settings = Settings(
            task, data, model, _arguments(set_ or []), weights, weights_source, image_size or (0, 0), not classes,
            epochs=epochs, batch_size=batch_size, optimizer=optimizer, learning_rate=learning_rate, clip=clip,
            weight_decay=weight_decay, augment=not no_augment, mosaic=mosaic, average=average, precision=precision,
            patience=patience, devices=devices, workers=workers, seed=seed, on_error=on_error, half=half,
            loss=loss,
        )  # fmt: skip
    except ArgumentError as error:
        raise typer.BadParameter(str(error).removeprefix("train: ")) from None
    if task != "segment":
        refuse(context, ("classes",), "goes with segment only")
    if task != "detect" or no_augment:
        refuse(context, ("mosaic",), "goes with detect only, and not with --no-augment")
    if not weights:
        refuse(context, ("weights_source",), "goes with --weights only")
    try:
        with ending_with_a_word(reporter):
            finished = run(settings, out, resume=resume, quiet=quiet)
    except (ArgumentError, DataError, ImageFileError, ModuleNotFoundError) as error:
        reporter.problem(" ".join(str(error).split()))
        raise typer.Exit(1) from None
    except OSError as error:
        reporter.problem(f"{error.filename or out}: cannot be written ({error.strerror or error})")
        raise typer.Exit(1) from None
    if os.environ.get("LOCAL_RANK", "0") != "0":  # another process of the same run tells it
        return
    for name, value in finished.metrics.items():
        reporter.say(f"{name}: {value:.4f}")
    reporter.say(f"Results: {finished.folder}")
