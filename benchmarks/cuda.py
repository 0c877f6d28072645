"""CUDA kernels against torch's own: ``python -m benchmarks.cuda --json out.json``.

Needs a GPU. Times are medians of CUDA events around calls that are already queued, contenders taking turns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import max_pool2d, max_pool3d, pad

import fastcnn.ops as F
from benchmarks.harness import OURS, versions


@dataclass
class Case:
    name: str
    run: dict[str, Callable[[], Tensor]]
    bytes: int  # that any implementation moves


def image_of(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.randint(0, 250, shape, device="cuda", dtype=torch.int32).to(dtype)


def disk(radius: int) -> Tensor:
    r = torch.arange(-radius, radius + 1)
    return r[:, None] ** 2 + r**2 <= radius**2


def pooled_in_turn(image: Tensor, k: int) -> Tensor:
    rows = max_pool2d(image, (1, k), 1, (0, k // 2))
    return max_pool2d(rows, (k, 1), 1, (k // 2, 0))


def unfolded(image: Tensor, footprint: Tensor) -> Tensor:
    """Fold the maximum over shifted views: nothing in torch takes a footprint."""
    reach = footprint.shape[-1] // 2
    padded = pad(image, (reach,) * 4, value=-torch.inf)
    height, width = image.shape[-2:]
    shifted = [padded[..., y : y + height, x : x + width] for y, x in footprint.nonzero().tolist()]
    result = shifted[0].clone()
    for view in shifted[1:]:
        torch.maximum(result, view, out=result)
    return result


def cases() -> Iterator[Case]:
    """2048 x 2048 fits into a large GPU's cache; the batch of 16 does not."""
    for dtype in (torch.uint8, torch.float16, torch.float32):
        for batch in (1, 16):
            image = image_of((batch, 1, 2048, 2048), dtype)
            name, moved = f"{str(dtype).removeprefix('torch.')} {batch} x 2048 x 2048", 2 * image.nbytes
            for k in (3, 5, 15, 31, 101):
                run = {OURS: lambda i=image, k=k: F.dilation(i, k)}
                if dtype.is_floating_point:
                    run["torch, in turn"] = lambda i=image, k=k: pooled_in_turn(i, k)
                    if k <= 31:
                        run["torch"] = lambda i=image, k=k: max_pool2d(i, k, 1, k // 2)
                yield Case(f"box {k}, {name}", run, moved)
            for radius in (2, 5, 15):
                member = disk(radius)
                run = {OURS: lambda i=image, d=member: F.dilation(i, d)}
                if dtype.is_floating_point and radius <= 5:
                    run["torch, shifted"] = lambda i=image, d=member: unfolded(i, d)
                yield Case(f"disk {radius}, {name}", run, moved)
    volume = image_of((1, 1, 256, 512, 512), torch.float32)
    yield Case(
        "box 3, float32 256 x 512 x 512",
        {OURS: lambda: F.dilation(volume, 3, spatial_dims=3), "torch": lambda: max_pool3d(volume, 3, 1, 1)},
        2 * volume.nbytes,
    )


def clock(function: Callable[[], Tensor], repeats: int) -> float:
    """Milliseconds per call."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda._sleep(1_000_000)  # the host gets ahead, so that launches are not what is measured
    begin.record()
    for _ in range(repeats):
        function()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / repeats


def copy_rate() -> float:
    """Bytes per millisecond, read and written."""
    source = torch.empty(1 << 28, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / median(clock(lambda: target.copy_(source), 10) for _ in range(10))


def measure(case: Case, rate: float, rounds: int) -> dict[str, Any]:
    results = {name: run() for name, run in case.run.items()}  # also warms up
    differs = [name for name, result in results.items() if not torch.equal(result, results[OURS])]
    del results
    repeats = {name: max(1, min(50, int(2 / clock(run, 1)))) for name, run in case.run.items()}
    samples: dict[str, list[float]] = {name: [] for name in case.run}
    for _ in range(rounds):
        for name, run in case.run.items():
            samples[name].append(clock(run, repeats[name]))
    times = {name: median(values) for name, values in samples.items()}
    return {
        "case": case.name,
        "median_ms": times,
        "ratios": {name: t / times[OURS] for name, t in times.items() if name != OURS},
        "differs": differs,
        "share_of_floor": case.bytes / rate / times[OURS],
    }


def main(
    rounds: Annotated[int, typer.Option(help="samples of each contender")] = 15,
    match: Annotated[str, typer.Option(help="only cases whose name contains this")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures, with versions, here")] = None,
) -> None:
    """Measure the CUDA kernels against torch's, interleaved."""
    if not torch.cuda.is_available():
        raise typer.BadParameter("torch finds no CUDA device")
    rate = copy_rate()
    report: dict[str, Any] = {
        "versions": versions(),
        "device": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "copy_gb_per_s": rate / 1e6,
    }
    console = Console(width=150)
    console.print(
        f"{report['device']}, CUDA {torch.version.cuda}, torch {torch.__version__}, copy {rate / 1e6:.0f} GB/s"
    )
    table = Table()
    for title in ("case", "contender", "median ms", "fastcnn is … times as fast", "of floor"):
        table.add_column(title, justify="left" if title in ("case", "contender") else "right")
    measured = []
    for case in cases():
        if match not in case.name:
            continue
        row = measure(case, rate, rounds)
        measured.append(row)
        for name, time in row["median_ms"].items():
            ratio = "" if name == OURS else f"{row['ratios'][name]:.2f}"
            other = " (differs)" if name in row["differs"] else ""
            floor = f"{100 * row['share_of_floor']:.0f} %" if name == OURS else ""
            table.add_row(case.name if name == OURS else "", name + other, f"{time:.3g}", ratio, floor)
    console.print(table)
    report["cases"] = measured
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
