"""Helpers of the ONNX forms. Every value is a node of the graph; sizes are numbers or, where dynamic, values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxscript import ir, opset18

op: Any = opset18  # onnxscript's types say more than they hold
Types = ir.DataType


def ints(*values: int) -> Any:
    """Return a constant vector."""
    return op.Constant(value_ints=list(values))


def vector(sizes: Sequence[Any]) -> Any:
    """Return sizes as one vector."""
    if all(isinstance(n, int) for n in sizes):
        return ints(*sizes)
    return op.Concat(*(ints(n) if isinstance(n, int) else op.Reshape(n, ints(-1)) for n in sizes), axis=0)


def scalar(size: Any) -> Any:
    """Return a size as a value without dimensions."""
    return op.Constant(value_int=size) if isinstance(size, int) else op.Squeeze(size)


def count(size: Any) -> Any:
    """Return 0, 1, ... up to a size."""
    return op.Range(scalar(0), scalar(size), scalar(1))


def fixed(sizes: Sequence[Any]) -> bool:
    """Tell whether all sizes are known."""
    return all(isinstance(n, int) for n in sizes)


class Planes:
    """Images (..., spatial) as (N, C, spatial), which ONNX wants, and the way back."""

    def __init__(self, image: Any, dims: int) -> None:
        self.dims, self.own = dims, len(image.shape) == dims + 2
        self.spatial: list[Any] = list(image.shape)[-dims:]
        self.lead = op.Shape(image, end=-dims)
        self.value = image if self.own else op.Reshape(image, op.Concat(ints(1, -1), self.sizes(image), axis=0))

    def sizes(self, image: Any) -> Any:
        """Return the spatial sizes."""
        return op.Shape(image, start=-self.dims)

    def back(self, image: Any) -> Any:
        """Return a result with the leading dimensions that the image had."""
        return image if self.own else op.Reshape(image, op.Concat(self.lead, self.sizes(image), axis=0))
