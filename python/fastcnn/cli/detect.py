"""`fastcnn detect`."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fastcnn.cli._console import Reporter, printable
from fastcnn.cli._files import check_names, each, sample_picture, targets
from fastcnn.cli._models import load_named

if TYPE_CHECKING:
    from fastcnn.models import ModelFile
    from fastcnn.pipelines import FoundBoxes

_SUFFIXES = ("_boxes.png", "_boxes.csv")


class _Done(NamedTuple):
    """A row of the closing table."""

    path: Path
    size: tuple[int, int]
    objects: int
    detect_s: float


def detect(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="PNG, JPEG or TIFF files, 8 or 16 bit, grey or colour; of a TIFF the first page. Without any, a "
            "sample picture of shapes.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("fastcnn-detect"),
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="yolox (of fastcnn: circles, squares, triangles, stars), or the weights of fastcnn train detect.",
        ),
    ] = "yolox",
    threshold: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Least score of what is written.")
    ] = 0.4,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=32,
            max=1 << 15,
            help="The picture's longer side is brought to it for the network.",
            show_default="as in training",
        ),
    ] = None,
    max_pixels: Annotated[int, typer.Option(metavar="N", min=1, help="Refuse files of more pixels.")] = 1 << 28,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but problems.")] = False,
) -> None:
    """Find objects in images: boxes, classes and scores.

    For each IMAGE it writes IMAGE's name with _boxes.png (the picture with boxes and labels) and _boxes.csv (a line for
    each object).

    Exit status: 0, all done; 1, some input failed, each named on stderr; 2, wrong usage.
    """
    reporter = Reporter(quiet)
    paths = list(images or [])
    check_names(paths, out, _SUFFIXES)
    trained = load_named(model, "detect", reporter)
    if not paths:
        paths = sample_picture("shapes.png", "shapes", reporter)
    done = each(paths, out, lambda path: _one(path, out, trained, threshold, image_size, max_pixels), reporter)
    if done and not quiet:
        _print_table(done, out, reporter)
    if len(done) < len(paths):
        raise typer.Exit(1)


def _one(path: Path, out: Path, trained: ModelFile, threshold: float, image_size: int | None, max_pixels: int) -> _Done:
    from fastcnn.cli._console import decoders_silenced
    from fastcnn.io import read_image, replacing
    from fastcnn.io.writing import save_png
    from fastcnn.pipelines import detect, draw_boxes

    with decoders_silenced():
        picture = read_image(path, max_pixels=max_pixels)
    pixels = picture.pixels if picture.pages is None else picture.pixels[0]
    if picture.channels == 2:
        pixels = pixels[..., 0]
    elif picture.channels == 4:
        pixels = pixels[..., :3]
    before = time.perf_counter()
    found = detect(pixels, trained, threshold=threshold, image_size=image_size)
    after = time.perf_counter()
    with replacing(*targets(path, out, _SUFFIXES)) as (drawing, table):
        labels = [f"{found.names[c]} {s:.2f}" for c, s in zip(found.classes, found.scores, strict=True)]
        save_png(drawing, draw_boxes(pixels, found.boxes, found.classes, labels))
        _write_csv(table, found)
    return _Done(path, picture.size, len(found.boxes), after - before)


def _write_csv(path: Path, found: FoundBoxes) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("x1", "y1", "x2", "y2", "class", "name", "score"))
        for box, kind, score in zip(found.boxes, found.classes, found.scores, strict=True):
            writer.writerow([*(f"{v:.2f}" for v in box), int(kind), found.names[kind], f"{score:.4f}"])


def _print_table(done: list[_Done], out: Path, reporter: Reporter) -> None:
    from rich.table import Table
    from rich.text import Text

    many = len(done) > 1
    table = Table(show_footer=many)
    table.add_column("image", "all", overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("objects", str(sum(row.objects for row in done)), justify="right", style="bold")
    table.add_column("detect s", f"{sum(row.detect_s for row in done):.3f}", justify="right")
    for row in done:
        size = f"{row.size[1]} x {row.size[0]}"
        table.add_row(Text(printable(row.path.name)), size, str(row.objects), f"{row.detect_s:.3f}")
    reporter.out.print(table)
    named = (
        [f"IMAGE{suffix}" for suffix in _SUFFIXES] if many else list(map(str, targets(done[0].path, out, _SUFFIXES)))
    )
    reporter.say(f"Results: {', '.join(named)}{f' in {out}' if many else ''}")
