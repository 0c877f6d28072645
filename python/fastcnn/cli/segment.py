"""`fastcnn segment`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fastcnn.cli._console import Reporter
from fastcnn.cli._files import check_names, each, sample_picture, targets
from fastcnn.cli._models import load_named
from fastcnn.cli._options import given, refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastcnn.io import Picture
    from fastcnn.pipelines import Settings

_SUFFIXES = ("_labels.tif", "_overlay.png", "_regions.csv")
_LOCAL = ("block_size", "offset")  # of the local threshold alone
_FINDING, _SPLITTING, _OTHER = "Finding objects", "Telling touching objects apart", "Files"


def _threshold(text: str) -> str | float:
    if text in ("auto", "otsu", "local"):
        return text
    return _number(text, "auto, otsu, local or a number")


def _number(text: str, expected: str = "a number") -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is not {expected}.")
    return value


def _length(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise typer.BadParameter(f"{text!r} is below 0.")
    return value


def _holes(text: str) -> str | int:
    if text == "all":
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is not a number of pixels, nor all.")
    return int(text)


def _odd(value: int | None) -> int | None:
    if value is not None and value % 2 == 0:
        raise typer.BadParameter(f"{value} is even; a block has a pixel in its middle.")
    return value


def segment(
    context: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="PNG, JPEG or TIFF files, 8 or 16 bit, grey or colour; the pages of a TIFF are segmented one by one. "
            "Without any, a sample picture of touching cells.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.", rich_help_panel=_OTHER)] = Path(
        "fastcnn-segment"
    ),
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Find objects with a trained network instead: unet (of fastcnn, for bright touching cells), or the "
            "weights of fastcnn train segment.",
            rich_help_panel=_FINDING,
        ),
    ] = None,
    threshold: Annotated[
        Any,
        typer.Option(
            metavar="auto|otsu|local|VALUE",
            parser=_threshold,
            help="What is brighter than this is an object: Otsu's threshold, the local mean, or an intensity.",
            rich_help_panel=_FINDING,
        ),
    ] = "auto",
    block_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            callback=_odd,
            help="Side of the local mean's square, odd.",
            show_default="a third of the smaller side",
            rich_help_panel=_FINDING,
        ),
    ] = None,
    offset: Annotated[
        Any,
        typer.Option(
            metavar="X",
            parser=_number,
            help="Subtracted from the local mean; negative is stricter.",
            show_default="by Otsu's method",
            rich_help_panel=_FINDING,
        ),
    ] = None,
    dark_objects: Annotated[
        bool, typer.Option("--dark-objects", help="Objects are darker than the threshold.", rich_help_panel=_FINDING)
    ] = False,
    sigma: Annotated[
        Any,
        typer.Option(
            metavar="S", parser=_length, help="Blur before the threshold, in pixels.", rich_help_panel=_FINDING
        ),
    ] = "1",
    closing: Annotated[
        int,
        typer.Option(metavar="R", min=0, help="Close gaps with a disk of this radius.", rich_help_panel=_FINDING),
    ] = 1,
    opening: Annotated[
        int,
        typer.Option(metavar="R", min=0, help="Remove what no disk of this radius fits.", rich_help_panel=_FINDING),
    ] = 1,
    fill_holes: Annotated[
        Any,
        typer.Option(
            metavar="N|all",
            parser=_holes,
            help="Fill holes of up to N pixels.",
            show_default="a tenth of the typical object",
            rich_help_panel=_FINDING,
        ),
    ] = None,
    min_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Remove objects of up to N pixels.",
            show_default="a tenth of the typical object",
            rich_help_panel=_FINDING,
        ),
    ] = None,
    smooth_distance: Annotated[
        Any,
        typer.Option(
            metavar="S",
            parser=_length,
            help="Blur of the distance to the background.",
            show_default="a tenth of the typical radius",
            rich_help_panel=_SPLITTING,
        ),
    ] = None,
    min_distance: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Least distance of two touching objects' centres.",
            show_default="half the typical radius",
            rich_help_panel=_SPLITTING,
        ),
    ] = None,
    max_pixels: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Refuse files of more pixels, all pages together.", rich_help_panel=_OTHER
        ),
    ] = 1 << 28,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but problems.", rich_help_panel=_OTHER)
    ] = False,
) -> None:
    """Find the objects in images, touching ones apart from each other.

    For each IMAGE it writes IMAGE's name with _labels.tif (int32, 0 is background), _overlay.png (the picture with
    outlines) and _regions.csv (a line for each object).

    Exit status: 0, all done; 1, some input failed, each named on stderr; 2, wrong usage.
    """
    reporter = Reporter(quiet)
    options = {
        "threshold": threshold, "block_size": block_size, "offset": offset, "dark_objects": dark_objects,
        "sigma": sigma, "closing": closing, "opening": opening, "fill_holes": fill_holes, "min_size": min_size,
        "smooth_distance": smooth_distance, "min_distance": min_distance,
    }  # fmt: skip
    if model is not None:
        refuse(context, options, "cannot be combined with it", "--model")
    elif threshold not in ("auto", "local"):
        refuse(context, _LOCAL, "cannot be combined with it, only with local or auto", "--threshold")
    paths = list(images or [])
    check_names(paths, out, _SUFFIXES)
    find = _with_model(model, reporter) if model is not None else _classically(options)
    if not paths:
        paths = sample_picture("cells.png" if model is None else "dense_cells.png", "touching cells", reporter)
    done = each(paths, out, lambda path: _one(path, out, find, dark_objects, max_pixels), reporter)
    if done and not quiet:
        _print_table(done, out, reporter, "threshold" if model is None else "model")
    if unused := given(context, _LOCAL):
        for row in done:
            if row.how == "otsu":
                named = " and ".join(unused)
                reporter.problem(f"{row.path}: {named} had no effect: auto took Otsu's threshold, not local")
    if len(done) < len(paths):
        raise typer.Exit(1)


class _Found(NamedTuple):
    """The objects found, a word for the table that names the method, and the options that reproduce it."""

    labels: Any
    regions: Any
    count: Any
    how: str
    options: str | None


Find = Callable[["Picture", float], _Found]


def _classically(options: dict[str, Any]) -> Find:
    def find(picture: Picture, background: float) -> _Found:
        from fastcnn.pipelines import segment_instances

        found = segment_instances(picture.grey(background), **options)
        kinds = {s.threshold if isinstance(s.threshold, str) else f"{s.threshold:g}" for s in found.settings}
        command = _command(found.settings[0]) if len(found.settings) == 1 else None
        return _Found(found.labels, found.regions, found.count, ", ".join(sorted(kinds)), command)

    return find


def _with_model(name: str, reporter: Reporter) -> Find:
    model = load_named(name, "segment", reporter)

    def find(picture: Picture, background: float) -> _Found:
        from fastcnn.pipelines import segment_with_model

        pixels = picture.grey(background) if picture.channels in (2, 4) else picture.pixels
        found = segment_with_model(pixels, model, channel_axis=-1 if picture.channels == 3 else None)
        return _Found(found.labels, found.regions, found.count, Path(name).name, None)

    return find


class _Done(NamedTuple):
    """A row of the closing table."""

    path: Path
    size: tuple[int, int]
    pages: int
    how: str
    options: str | None
    objects: int
    segment_s: float
    total_s: float


def _one(path: Path, out: Path, find: Find, dark_objects: bool, max_pixels: int) -> _Done:
    from fastcnn.cli._console import decoders_silenced
    from fastcnn.io import read_image, replacing
    from fastcnn.io.writing import save_png, save_tiff
    from fastcnn.pipelines import write_region_csv

    start = time.perf_counter()
    with decoders_silenced():
        picture = read_image(path, max_pixels=max_pixels)
    # Transparent pixels are background: dark if the objects are bright, bright if they are dark.
    background = 1.0 if dark_objects else 0.0
    before = time.perf_counter()
    found = find(picture, background)
    after = time.perf_counter()
    with replacing(*targets(path, out, _SUFFIXES)) as (labels, overlay, regions):
        save_tiff(labels, found.labels)
        save_png(overlay, _overlay(picture, found, background))
        write_region_csv(regions, found.regions, found.count)
    return _Done(
        path, picture.size, picture.pages or 1, found.how, found.options, int(found.count.sum()), after - before,
        time.perf_counter() - start,
    )  # fmt: skip


def _overlay(picture: Picture, found: _Found, background: float) -> NDArray[np.uint8]:
    import numpy as np

    from fastcnn.io import to_grey
    from fastcnn.pipelines import contact_sheet, draw_outlines

    pixels = picture.pixels
    if picture.channels == 2:
        pixels = picture.grey(background)
    elif picture.channels == 4:
        pixels = np.stack([to_grey(pixels[..., [c, 3]], background=background) for c in range(3)], axis=-1)
    if picture.pages is None:
        return draw_outlines(pixels, found.labels)
    return contact_sheet([draw_outlines(p, labels) for p, labels in zip(pixels, found.labels, strict=True)])


def _print_table(done: Sequence[_Done], out: Path, reporter: Reporter, how: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from fastcnn.cli._console import printable

    many, paged = len(done) > 1, any(row.pages > 1 for row in done)
    table = Table(show_footer=many)
    table.add_column("image", "all", overflow="fold")
    table.add_column("size", justify="right")
    if paged:
        table.add_column("pages", str(sum(row.pages for row in done)), justify="right")
    table.add_column(how)
    table.add_column("objects", str(sum(row.objects for row in done)), justify="right", style="bold")
    table.add_column("segment s", f"{sum(row.segment_s for row in done):.3f}", justify="right")
    table.add_column("total s", f"{sum(row.total_s for row in done):.3f}", justify="right")
    for row in done:
        cells: list[str | Text] = [Text(printable(row.path.name)), f"{row.size[1]} x {row.size[0]}"]
        if paged:
            cells.append(str(row.pages))
        cells += [row.how, str(row.objects), f"{row.segment_s:.3f}", f"{row.total_s:.3f}"]
        table.add_row(*cells)
    reporter.out.print(table)
    if not many and done[0].options is not None:
        reporter.say(f"Settings: {done[0].options}")
    if many:
        reporter.say(f"Results: {', '.join(f'IMAGE{suffix}' for suffix in _SUFFIXES)} in {out}")
    else:
        reporter.say(f"Results: {', '.join(map(str, targets(done[0].path, out, _SUFFIXES)))}")


def _command(settings: Settings) -> str:
    """The options that give the same result, nothing left to be measured."""
    words = []
    for name, value in settings._asdict().items():
        local_only = name in _LOCAL and settings.threshold != "local"
        if value is None or value is False or local_only:
            continue
        option = f"--{name.replace('_', '-')}"
        number = f"{value:g}" if isinstance(value, float) else str(value)
        words.append(option if value is True else f"{option} {number}")
    return " ".join(words)
