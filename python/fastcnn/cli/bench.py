"""`fastcnn bench`: convolution layers on this machine, and why each is computed as it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from fastcnn.ops._conv_layer import Layer

# Layers of the networks that people run: ResNet, VGG, U-Net, EfficientNet, ResNeXt, a detector's, audio, volumes.
TYPICAL = (
    "1x64x56x56, 64x64x3x3, padding 1",
    "1x256x14x14, 256x256x3x3, padding 1",
    "1x512x7x7, 512x512x3x3, padding 1",
    "1x64x224x224, 64x64x3x3, padding 1",
    "8x128x28x28, 128x128x3x3, padding 1",
    "1x256x56x56, 64x256x1x1",
    "1x1024x14x14, 256x1024x1x1",
    "1x64x56x56, 128x64x3x3, stride 2, padding 1",
    "1x3x224x224, 64x3x7x7, stride 2, padding 3",
    "1x3x224x224, 64x3x3x3, padding 1",
    "1x256x32x32, 256x256x3x3, dilation 2, padding 2",
    "1x128x56x56, 128x4x3x3, padding 1",
    "1x144x56x56, 144x1x3x3, padding 1",
    "1x240x28x28, 240x1x5x5, padding 2",
    "1x96x112x112, 96x1x3x3, stride 2, padding 1",
    "1x128x64x64, 128x64x2x2, stride 2, transposed",
    "1x128x32x32, 128x64x4x4, stride 2, padding 1, transposed",
    "1x256x1000, 256x256x5, padding 2",
    "1x32x32x56x56, 32x32x3x3x3, padding 1",
)


def bench(
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="LAYER",
            help='"1x64x56x56, 64x64x3x3, stride 1, padding 1": the sizes of input and weight, then what is not the '
            "default of stride, padding, dilation, groups, transposed, output_padding, dtype. May be repeated. "
            "Without it, typical layers.",
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show and measure every algorithm that fits.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Threads; all cores without.")] = None,
    unpacked: Annotated[bool, typer.Option("--unpacked", help="Pack the weight on every call, as training does.")] = (
        False
    ),
    seconds: Annotated[float, typer.Option(min=0.0, help="Time for each layer, about.")] = 0.3,
) -> None:
    """Measure convolutions on this machine: the algorithm, its speed, its share of the matrix multiplication's."""
    from rich.console import Console

    import fastcnn
    from fastcnn.ops._conv_layer import Layer

    try:
        chosen = [Layer.parse(text) for text in layers or TYPICAL]
    except (fastcnn.ArgumentError, TypeError) as error:
        raise typer.BadParameter(str(error), param_hint="--layer") from None
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        peak = _matmul_rate()
        console = Console(highlight=False)
        console.print(
            f"{fastcnn.info()['isa']['used']}, {torch.get_num_threads()} threads, float32 matrix multiplication "
            f"{peak / 1e9:.0f} GFLOP/s; algorithm: {fastcnn.get_conv_algorithm()}"
        )
        if explain:
            for layer in chosen:
                console.print(_explained(layer, peak, not unpacked, seconds))
        else:
            console.print(_summary(chosen, peak, not unpacked, seconds))
    finally:
        torch.set_num_threads(before)


def _table(title: str | None, names: tuple[str, ...], figures: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _figures(layer: Layer, time: float, peak: float) -> list[str]:
    rate = layer.flops / time
    return [f"{time * 1e3:.3g}", f"{rate / 1e9:.0f}", f"{100 * rate / peak:.0f} %"]


def _summary(layers: list[Layer], peak: float, packed: bool, seconds: float) -> Table:
    """One line a layer."""
    import torch

    table = _table(None, ("layer", "algorithm"), ("ms", "GFLOP/s", "of matmul", "torch ms"))
    for layer in layers:
        ours, theirs = _median_of_each([_ours(layer, packed), _theirs(layer)], seconds)
        algorithm = layer.algorithm(packed=packed, threads=torch.get_num_threads())
        table.add_row(layer.text, algorithm, *_figures(layer, ours, peak), f"{theirs * 1e3:.3g}")
    return table


def _explained(layer: Layer, peak: float, packed: bool, seconds: float) -> Table:
    """The algorithms in the order in which they are tried, then torch."""
    import torch

    import fastcnn

    threads, setting = torch.get_num_threads(), fastcnn.get_conv_algorithm()
    taken = layer.algorithm(packed=packed, threads=threads)
    rows = layer.candidates(packed=packed, threads=threads)
    # The reference is for reading; it would take longer than all the others.
    measured = [name for name, fits, _ in rows if name == taken or (fits and name != "reference")]
    calls = [_ours(layer, packed, name) for name in measured]
    try:
        times = dict(zip([*measured, "torch"], _median_of_each([*calls, _theirs(layer)], seconds), strict=True))
    finally:
        fastcnn.set_conv_algorithm(setting)
    table = _table(layer.text, ("algorithm", "fits", "wins", ""), ("ms", "GFLOP/s", "of matmul"))
    for name, fits, wins in rows:
        figures = _figures(layer, times[name], peak) if name in times else []
        table.add_row(name, _word(fits), _word(wins), "taken" if name == taken else "", *figures)
    table.add_row("torch", "", "", "", *_figures(layer, times["torch"], peak))
    return table


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def _tensors(layer: Layer) -> tuple[Tensor, Tensor]:
    import torch

    dtype, generator = getattr(torch, layer.dtype), torch.Generator().manual_seed(0)
    layout = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}[layer.dims]
    image = torch.randn(layer.input, generator=generator).to(dtype).contiguous(memory_format=layout)
    return image, (torch.randn(layer.weight, generator=generator) / 8).to(dtype).contiguous(memory_format=layout)


def _ours(layer: Layer, packed: bool, algorithm: str | None = None) -> Callable[[], Any]:
    """A call of fastcnn; `algorithm` is taken for it, whatever the process has set."""
    import fastcnn
    import fastcnn.ops as ops

    image, weight = _tensors(layer)
    options = {**layer.options, "groups": layer.groups}
    convolve = ops.PackedConvolution(weight, transposed=layer.transposed, **options)
    unpacked = getattr(ops, layer.op)

    def call() -> Any:
        if algorithm is not None:
            fastcnn.set_conv_algorithm(algorithm)
        return convolve(image) if packed else unpacked(image, weight, **options)

    return call


def _theirs(layer: Layer) -> Callable[[], Any]:
    import torch

    image, weight = _tensors(layer)
    options = {**layer.options, "groups": layer.groups}
    convolve = getattr(torch.nn.functional, layer.op)
    return lambda: convolve(image, weight, **options)


def _clock(call: Callable[[], Any], repeats: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _median_of_each(calls: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Taking turns, so that a busy machine slows all of them alike."""
    import torch

    samples: list[list[float]] = [[] for _ in calls]
    with torch.inference_mode():
        once = [min(_clock(call), _clock(call)) for call in calls]
        repeats = [max(1, int(0.002 / max(t, 1e-7))) for t in once]
        rounds = min(50, max(3, int(seconds / sum(t * n for t, n in zip(once, repeats, strict=True)))))
        for _ in range(rounds):
            for call, n, values in zip(calls, repeats, samples, strict=True):
                values.append(_clock(call, n))
    return [statistics.median(values) for values in samples]


def _matmul_rate() -> float:
    """FLOP/s of torch's float32 matrix multiplication: what a convolution without Winograd can reach at best."""
    import torch

    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    return 2 * 1024**3 / min(_clock(lambda: torch.mm(a, b), 2) for _ in range(8))
