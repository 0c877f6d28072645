"""Convolutions of every kind, and torch's results in float64 for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import torch

import fastcnn
import fastcnn.ops as F
from fastcnn import _core
from fastcnn.ops._conv_layer import Layer

ALGORITHMS = _core.conv_algorithms()
WINOGRAD = [name for name in ALGORITHMS if name.startswith("winograd")]

# Shapes that each algorithm is made for, at sizes that leave tails: of channels, of filters, of tiles, of rows.
KINDS = (
    "1x17x9x13, 33x17x1x1",
    "3x64x7x7, 48x64x1x1",
    "2x24x11x6, 19x24x1x1, stride 2",
    "1x16x15x17, 16x16x3x3, padding 1",
    "2x19x13x22, 37x19x3x3, padding 1",
    "1x70x6x7, 300x70x3x3, padding 1",
    "1x300x5x9, 21x300x3x3, padding 2x0",
    "2x8x1x31, 5x8x3x3, padding 1",
    "1x32x28x30, 32x32x3x3, padding 1",
    "1x20x24x18, 24x20x3x3, stride 2, padding 1",
    "1x36x14x19, 40x36x3x3, dilation 2, padding 2",
    "2x20x23x29, 24x20x3x3, dilation 5x3, padding 4x3",
    "1x17x9x11, 18x17x3x3, dilation 12, padding 12",
    "2x18x77, 20x18x3, dilation 4, padding 6",
    "1x16x7x9x11, 16x16x3x3x3, dilation 2x1x3, padding 2x1x3",
    "1x20x9x9, 18x20x5x3, stride 1x2, padding 2x1, dilation 1x2",
    "1x3x27x30, 32x3x3x3, padding 1",
    "2x3x33x29, 20x3x7x7, stride 2, padding 3",
    "1x1x19x40, 16x1x5x5, padding 2",
    "1x4x21x15, 9x4x3x3, stride 2",
    "1x40x15x18, 40x1x3x3, padding 1",
    "2x17x16x13, 17x1x5x5, padding 2",
    "1x33x19x23, 33x1x7x7, stride 2, padding 3",
    "1x21x17x12, 21x1x3x3, stride 2, padding 1",
    "1x12x9x14, 36x1x3x3, padding 1",
    "1x32x14x15, 64x4x3x3, padding 1",
    "1x32x9x11, 32x8x3x3, stride 2, padding 1",
    "2x40x7x20, 40x2x3x3, padding 1",
    "1x48x6x13, 48x4x1x5, padding 0x2",
    "2x40x7x9, 40x8x3x3, padding 4, dilation 2",
    "1x36x31, 36x4x7, stride 3, padding 3",
    # Depthwise along lines: few channels, whole planes.
    "1x3x31x45, 3x1x3x3, padding 1",
    "1x3x22x52, 3x1x1x21, padding 0x10",
    "2x5x33x38, 5x1x5x5, stride 2, padding 2",
    "1x2x19x64, 2x1x7x3, dilation 2x5, padding 6x5",
    "1x7x21x30, 7x1x3x3, stride 3, padding 1",
    "1x12x17x40, 12x1x3x3, stride 1x2, padding 1",
    "1x15x9x33, 15x1x2x4, stride 2x4",
    "1x8x30, 8x1x9, padding 20",
    "1x6x5x6x20, 6x1x3x3x3, padding 1",
    "1x3x12x20, 3x1x4x4, stride 2, padding 1, groups 3, transposed",
    "1x20x12x33, 20x1x3x3, stride 2, padding 1",
    "2x18x7x70, 18x1x5x3, padding 2x1, dilation 1x3",
    # Taps that lie outside the image under whole tiles.
    "1x32x16x16, 40x32x3x3, dilation 12, padding 12",
    "2x36x9x11, 24x36x3x3, dilation 24, padding 24",
    "1x16x7x30, 3x16x3x3, dilation 5, padding 5",
    "1x34x16x9, 70x34x3x3, dilation 8, padding 8",
    "1x24x5x6x7, 24x8x3x3x3, padding 1",
    "2x20x9x8, 20x4x4x4, stride 2, padding 1, groups 5, transposed",
    "2x24x8x9, 30x8x1x1, stride 2",
    "1x18x11x10, 27x6x3x5, padding 1x2",
    "1x128x12x12, 128x32x3x3, padding 1",
    "1x12x9x8, 8x12x3x3, padding same, dilation 2",
    "1x12x9x8, 8x12x4x2, padding same",
    "1x5x3x4, 6x5x3x3, padding 5",
    # Batches of small images with few channels: computed along planes where weights are not packed for good.
    "9x1x28x28, 6x1x5x5",
    "8x6x12x11, 16x6x5x5, padding 2",
    "11x5x9x13, 7x5x3x3, padding 2, dilation 2",
    "8x3x31, 5x3x7, padding 3",
    "10x8x7x9, 6x8x3x4, padding 2x1",
    "8x9x10x11, 9x5x3x3, padding 1, transposed",
    "2x10x50, 22x10x7, padding 3",
    "1x65x131, 34x65x3, stride 2, dilation 3",
    "3x16x40, 16x1x9, padding 4",
    "1x9x7x10x11, 17x9x3x3x3, padding 1",
    "2x4x5x9x8, 6x2x2x3x3, stride 1x2x2, padding 0x1x1",
    "1x18x4x6x9, 18x1x3x3x3, padding 1",
    "1x20x6x7, 20x10x2x2, stride 2, transposed",
    "2x18x9x7, 18x35x4x4, stride 2, padding 1, transposed",
    "1x24x12x14, 24x30x3x3, padding 1, transposed",
    "1x16x8x9, 16x12x3x3, stride 2, padding 1, output_padding 1, transposed",
    "1x12x5x6, 12x6x3x2, stride 3x2, dilation 2x3, groups 2, transposed",
    "1x14x7x5, 14x1x3x3, stride 2, groups 14, transposed",
    "2x11x23, 11x13x5, stride 3, padding 1, output_padding 2, transposed",
    "1x8x4x5x6, 8x9x2x2x2, stride 2, transposed",
    # Filters that Winograd transforms in each call.
    "1x300x5x18, 490x300x3x3, padding 1",
    "2x520x3x5, 480x260x3x3, padding 1",
    "1x130x3x5x6, 310x130x3x3x3, padding 1",
    "1x840x9, 850x840x3, padding 1",
)


@dataclass
class Case:
    """A layer's arrays in float64, and the op that takes them."""

    layer: Layer
    input: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None
    options: dict[str, Any]
    exact: dict[torch.dtype, torch.Tensor] = field(default_factory=dict)

    @property
    def op(self) -> str:
        return self.layer.op

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return (self.input, self.weight) + (() if self.bias is None else (self.bias,))

    def tensors(self, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
        return [torch.from_numpy(a).to(dtype) for a in self.arrays]

    def run(self, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return getattr(F, self.op)(*self.tensors(dtype), **self.options)

    def torch(self, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Return torch's result for the values rounded to dtype, computed in float64."""
        if dtype not in self.exact:
            tensors = [t.double() for t in self.tensors(dtype)]
            self.exact[dtype] = getattr(torch.nn.functional, self.op)(*tensors, **self.options)
        return self.exact[dtype]

    def with_input(self, input: np.ndarray) -> Case:
        return replace(self, input=input, exact={})


@cache
def case_of(text: str, seed: int = 0) -> Case:
    layer = Layer.parse(text)
    rng = np.random.default_rng(seed)
    filters = layer.output[1]
    bias = rng.standard_normal(filters) if seed % 4 != 3 else None
    return Case(layer, rng.standard_normal(layer.input), rng.standard_normal(layer.weight), bias,
                {**layer.options, "groups": layer.groups})  # fmt: skip


def kinds() -> list[Case]:
    return [case_of(text, i) for i, text in enumerate(KINDS)]


def random_layers(seed: int, count: int) -> Iterator[str]:
    """Any combination of arguments, at sizes where borders matter more than the inside."""
    rng = np.random.default_rng(seed)
    pick = lambda values: int(rng.choice(values))  # noqa: E731
    found = 0
    while found < count:
        dims, groups, transposed = pick([1, 2, 2, 3]), pick([1, 1, 1, 2, 3, 8]), bool(rng.random() < 0.35)
        channels, filters = (groups * pick([1, 2, 3, 5, 17]) for _ in range(2))
        kernel, stride, dilation = ([pick([1, 1, 2, 3, 3, 4, 5]) for _ in range(dims)],
                                    [pick([1, 1, 2, 3]) for _ in range(dims)],
                                    [pick([1, 1, 1, 2, 3]) for _ in range(dims)])  # fmt: skip
        padding = [pick([0, 1, 2, 7]) for _ in range(dims)]
        size = [pick(range(1, 40 if dims == 1 else 14 if dims == 2 else 8)) for _ in range(dims)]
        weight = [channels, filters // groups] if transposed else [filters, channels // groups]
        join = lambda numbers: "x".join(map(str, numbers))  # noqa: E731
        text = (
            f"{join([pick([1, 2]), channels, *size])}, {join([*weight, *kernel])}, stride {join(stride)}, "
            f"padding {join(padding)}, dilation {join(dilation)}, groups {groups}"
        )
        if transposed:
            extra = [pick(range(max(s, d))) for s, d in zip(stride, dilation, strict=True)]
            text += f", output_padding {join(extra)}, transposed"
        try:
            Layer.parse(text)
        except fastcnn.ArgumentError:  # the result would be empty
            continue
        found += 1
        yield text


@contextmanager
def algorithm(name: str) -> Iterator[None]:
    before = fastcnn.get_conv_algorithm()
    fastcnn.set_conv_algorithm(name)
    try:
        yield
    finally:
        fastcnn.set_conv_algorithm(before)


def fits(name: str, layer: Layer) -> bool:
    """Whether the algorithm computes this layer."""
    return next(fits for found, fits, _ in layer.candidates(packed=False, threads=1) if found == name)


def assert_accurate(got: Any, exact: Any, torchs: Any = None, what: str = "", bound: float = 3e-5) -> None:
    """Within 3e-5 of the output's root mean square, or twice torch's own error."""
    got, exact = np.asarray(got, np.float64), np.asarray(exact, np.float64)
    assert got.shape == exact.shape, what
    if not got.size:
        return
    rms = float(np.sqrt(np.mean(exact**2)))
    error = float(np.abs(got - exact).max())
    allowed = bound * rms
    if torchs is not None:
        allowed = max(allowed, 2 * float(np.abs(np.asarray(torchs, np.float64) - exact).max()))
    assert error <= allowed, f"{what}: error {error / rms:.2e} of the rms, allowed {allowed / rms:.2e}"
