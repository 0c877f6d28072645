"""Shared by commands that read images and write results next to them: file names, the loop, errors."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from fastcnn.cli._console import Reporter, Terminated, ending_cleanly, printable
from fastcnn.cli._process import ENDINGS

Done = TypeVar("Done")


def targets(path: Path, out: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files that are written for an input."""
    return [out / f"{path.stem}{suffix}" for suffix in suffixes]


def sample_picture(name: str, what: str, reporter: Reporter) -> list[Path]:
    """Return the picture that comes with fastcnn, and say so."""
    from importlib.resources import files

    reporter.say(f"No image given: using the sample picture of {what} that comes with fastcnn.")
    return [Path(str(files("fastcnn") / "data" / name))]


def check_names(paths: Sequence[Path], out: Path, suffixes: Sequence[str]) -> None:
    """Refuse what would overwrite a result of the same call, or an input."""
    insensitive = sys.platform in ("win32", "darwin")
    seen: dict[str, Path] = {}
    for path in paths:
        stem = path.stem.casefold() if insensitive else path.stem
        if stem in seen:
            raise typer.BadParameter(
                f"{seen[stem]} and {path} have the same name {path.stem}, and so would their results.",
                param_hint="IMAGE",
            )
        seen[stem] = path
    inputs = {os.path.realpath(path): path for path in paths}
    for path in paths:
        for target in targets(path, out, suffixes):
            if os.path.realpath(target) in inputs:
                raise typer.BadParameter(f"{target} would be overwritten by a result of {path}.", param_hint="IMAGE")


@contextmanager
def ending_with_a_word(reporter: Reporter) -> Iterator[None]:
    """Turn Ctrl-C and the system's signals into a line and an exit status; temporary files are removed on the way."""
    try:
        with ending_cleanly():
            yield
    except (KeyboardInterrupt, Terminated) as end:
        number = end.args[0] if end.args else signal.SIGINT
        reporter.problem(ENDINGS[number])
        raise typer.Exit(128 + number) from None


def each(paths: Sequence[Path], out: Path, one: Callable[[Path], Done], reporter: Reporter) -> list[Done]:
    """Make the folder and do every file; what goes wrong with one is told, and the others are still done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise typer.BadParameter(f"{out} is not a folder.", param_hint="--out") from None
    except OSError as error:
        reporter.problem(f"{out}: cannot be made ({error.strerror})")
        raise typer.Exit(1) from None
    with ending_with_a_word(reporter):
        return _run(paths, one, reporter)


def _run(paths: Sequence[Path], one: Callable[[Path], Done], reporter: Reporter) -> list[Done]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = len(paths) > 1 and reporter.err.is_terminal and not reporter.quiet
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    done: list[Done] = []
    # Without its refreshing thread, which would write while decoders_silenced holds stderr.
    with Progress(*columns, console=reporter.err, transient=True, auto_refresh=False, disable=not shown) as progress:
        task = progress.add_task("", total=len(paths))
        for path in paths:
            progress.update(task, description=printable(path.name), refresh=True)
            try:
                done.append(one(path))
            except Exception as error:  # whatever it is, the other files are still done
                reporter.problem(_reason(path, error))
            progress.advance(task)
    return done


def _reason(path: Path, error: Exception) -> str:
    from fastcnn import ArgumentError
    from fastcnn.io import ImageFileError

    if isinstance(error, ImageFileError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch's
        return f"{path}: not enough memory"
    if isinstance(error, OSError):
        return f"{path}: results cannot be written ({error.strerror or error})"
    text = " ".join(str(error).split())
    if isinstance(error, (ArgumentError, TypeError)):
        return f"{path}: {text}"
    return f"{path}: {type(error).__name__}: {text}"
