"""A convolution layer as a line of text: what the command line and the benchmarks measure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from fastcnn import _core
from fastcnn._errors import ArgumentError
from fastcnn.ops import _conv_arithmetic as _c

_OP = "layer"
_List = list[int]
_DTYPES = ("float32", "float64", "float16", "bfloat16")


def _sizes(text: str) -> list[int]:
    if not re.fullmatch(r"\d+(\s*[x×]\s*\d+)*", text):
        raise ArgumentError(f'{_OP}: expected sizes like 1x64x56x56, got "{text}"')
    return [int(n) for n in re.split(r"\s*[x×]\s*", text)]


@dataclass
class Layer:
    """``1x64x56x56, 128x64x3x3, stride 2, padding 1``: the input's size, the weight's, and what is not the default.

    Options: ``stride S``, ``padding P`` (or ``same``), ``dilation D``, ``output_padding P``, each one number or one per
    dimension (``2x1``), ``groups G`` (of a forward convolution they follow from the sizes), ``transposed``, and a
    dtype.

    Example:
        >>> layer = Layer.parse("1x64x56x56, 64x1x3x3, stride 2, padding 1")
        >>> layer.groups, layer.output, f"{layer.flops:.2e}"
        (64, [1, 64, 28, 28], '9.03e+05')
    """

    text: str
    input: list[int]
    weight: list[int]
    options: dict[str, Any] = field(default_factory=dict)
    groups: int = 1
    transposed: bool = False
    dtype: str = "float32"

    @staticmethod
    def parse(text: str) -> Layer:
        """Read a line; what is wrong with it is an ArgumentError."""
        parts = [" ".join(p.split()) for p in text.split(",")]
        if len(parts) < 2:
            raise ArgumentError(f'{_OP}: expected the sizes of input and weight, "1x64x56x56, 64x64x3x3", got "{text}"')
        layer = Layer(", ".join(parts), _sizes(parts[0]), _sizes(parts[1]))
        groups: int | None = None
        for part in parts[2:]:
            name, _, value = part.partition(" ")
            if part == "transposed":
                layer.transposed = True
            elif part in _DTYPES:
                layer.dtype = part
            elif name == "groups" and value.isdecimal():
                groups = int(value)
            elif name == "padding" and value in ("same", "valid"):
                layer.options[name] = value
            elif name in ("stride", "padding", "dilation", "output_padding") and value:
                layer.options[name] = _sizes(value)
            else:
                raise ArgumentError(
                    f"{_OP}: expected stride, padding, dilation, output_padding or groups with a number, transposed or "
                    f'one of {", ".join(_DTYPES)}, got "{part}"'
                )
        inferred = 1 if layer.transposed or 0 in layer.weight else layer.input[1:2][0] // layer.weight[1]
        layer.groups = _c.group_count(max(inferred, 1) if groups is None else groups, _OP)
        layer.candidates(packed=True, threads=1)  # whatever does not fit together is an error here
        return layer

    @property
    def dims(self) -> int:
        """Spatial dimensions."""
        return len(self.weight) - 2

    @property
    def op(self) -> str:
        """The op's name: "conv2d", "conv_transpose3d"."""
        return f"conv_transpose{self.dims}d" if self.transposed else f"conv{self.dims}d"

    @property
    def arguments(self) -> tuple[_List, _List, _List, _List, _List, int, _List, bool]:
        """The arguments of the core's queries about an algorithm."""
        if not 1 <= self.dims <= 3 or len(self.input) != len(self.weight):
            raise ArgumentError(
                f"{_OP}: expected input and weight of the same 3 to 5 dimensions, got {self.input} and {self.weight}"
            )
        options = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, **self.options}
        extra = options.pop("output_padding")
        geometry = _c.geometry(_OP, self.weight[2:], **options, named=not self.transposed)
        size = (
            _c.transposed_output_size(_OP, self.input[2:], self.weight[2:], geometry, extra) if self.transposed else []
        )
        return (self.input, self.weight, *geometry, self.groups, size, self.dtype == "float64")

    @property
    def output(self) -> list[int]:
        """Size of the result."""
        input, weight, stride, padding, dilation, groups, size, _ = self.arguments
        if self.transposed:
            return [input[0], weight[1] * groups, *size]
        return [
            input[0],
            weight[0],
            *_c.output_size(input[2:], weight[2:], _c.Geometry(stride, padding, dilation)),
        ]

    @property
    def flops(self) -> float:
        """Multiplications and additions of the definition, whatever the algorithm does."""
        pixels = self.input if self.transposed else self.output
        return 2.0 * pixels[0] * math.prod(pixels[2:]) * math.prod(self.weight)

    def candidates(self, *, packed: bool, threads: int) -> list[tuple[str, bool, bool]]:
        """Each algorithm in the order of the choice: name, whether it fits, whether it beats those that follow."""
        return _core.conv_candidates(*self.arguments, threads, packed)

    def algorithm(self, *, packed: bool, threads: int) -> str:
        """Return the algorithm that is taken."""
        return _core.choose_conv_algorithm(*self.arguments, threads, packed, True)
