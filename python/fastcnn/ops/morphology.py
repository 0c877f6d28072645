"""Flat morphology and its footprints. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastcnn import _footprints
from fastcnn._errors import ArgumentError
from fastcnn._library import native

Footprint = int | Sequence[int] | Sequence[Sequence[object]] | Tensor


def _same(image: Tensor, *_: object) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _index(image: Tensor, *_: object) -> Tensor:
    return image.new_empty(image.shape, dtype=torch.int64)


_erosion_index = native("_erosion_index", fake=_index)
_dilation_index = native("_dilation_index", fake=_index)


def _scattered(grad: Tensor, index: Tensor, spatial_dims: int) -> Tensor:
    """Sum the gradient where the values came from; -1 is the border. Of differentiable ops, for second derivatives."""
    flat = index.flatten(-spatial_dims)
    inside = torch.where(flat >= 0, grad.flatten(-spatial_dims), 0)
    return torch.zeros_like(inside).scatter_add(-1, flat.clamp(min=0), inside).reshape(grad.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, ctx.size, ctx.footprint, ctx.border, ctx.value = inputs
    ctx.save_for_backward(image)


def _formula(gradient: Callable[[Tensor, Tensor, int, tuple[Any, ...]], Tensor]) -> dict[str, Any]:
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (image,) = ctx.saved_tensors
        footprint = (ctx.size, ctx.footprint, ctx.border, ctx.value)
        return gradient(grad, image, len(ctx.size), footprint), None, None, None, None

    return {"setup_context": _save, "backward": backward}


def _erosion_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    return _scattered(grad, _erosion_index(image, *footprint), dims)


def _dilation_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    return _scattered(grad, _dilation_index(image, *footprint), dims)


_erosion = native("erosion", fake=_same, **_formula(_erosion_backward))
_dilation = native("dilation", fake=_same, **_formula(_dilation_backward))


def _opening_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    eroded = _erosion(image.detach(), *footprint)
    return _erosion_backward(_dilation_backward(grad, eroded, dims, footprint), image, dims, footprint)


def _closing_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    dilated = _dilation(image.detach(), *footprint)
    return _dilation_backward(_erosion_backward(grad, dilated, dims, footprint), image, dims, footprint)


def _gradient_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    return _dilation_backward(grad, image, dims, footprint) - _erosion_backward(grad, image, dims, footprint)


_opening = native("opening", fake=_same, **_formula(_opening_backward))
_closing = native("closing", fake=_same, **_formula(_closing_backward))
_morphological_gradient = native("morphological_gradient", fake=_same, **_formula(_gradient_backward))


def _apply(
    op: str,
    kernel: Callable[..., Any],
    image: Tensor,
    footprint: Footprint,
    border: str,
    value: float,
    spatial_dims: int,
) -> Tensor:
    member: Tensor | None
    if isinstance(footprint, Tensor):
        if footprint.ndim != spatial_dims:
            raise ArgumentError(f"{op}: expected footprint of {spatial_dims} dimensions, got {footprint.ndim}")
        size, member = list(footprint.shape), footprint.to("cpu", torch.bool).contiguous()
    elif isinstance(footprint, np.ndarray):
        raise TypeError(f"{op}: expected footprint to be an int, sizes, nested lists or a tensor, got an array")
    else:
        size, array = _footprints.members(footprint, spatial_dims, op)
        member = None if array is None else torch.from_numpy(array)
    result: Tensor = kernel(image, size, member, border, float(value))
    return result


def erosion(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Erode each image: the minimum over a flat footprint.

    As `scipy.ndimage.grey_erosion` and `skimage.morphology.erosion`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the least value, and spreads;
            -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool tensor (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the largest value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: O(pixels) for boxes whatever their size; for other footprints O(pixels x rows of the footprint).
    Scratch: a few rows per thread in 2-D; up to one image in 3-D.
    Gradient: to the first pixel in raster order that attains the minimum; the second derivative is zero but for that
    choice. Deterministic: the result depends on neither threads, instruction set nor device.

    Reference:
        M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
        1992; E. Urbach, M. Wilkinson, "Efficient 2-D grayscale morphological transformations with arbitrary flat
        structuring elements", 2008.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.erosion(torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=torch.uint8))
        tensor([[1, 1, 1],
                [1, 0, 0],
                [1, 0, 0]], dtype=torch.uint8)
    """
    return _apply("erosion", _erosion, image, footprint, border, value, spatial_dims)


def dilation(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Dilate each image: the maximum over a flat footprint, reflected.

    As `scipy.ndimage.grey_dilation`: the footprint is reflected (Minkowski), so that opening and closing are
    idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is the greatest value, and
            spreads; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool tensor (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        The image's shape and dtype. Where a window holds no pixel: the least value of the dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: that of `erosion`.
    Gradient: to the first pixel in raster order that attains the maximum; the second derivative is zero but for that
    choice. Deterministic: the result depends on neither threads, instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.dilation(torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.uint8))
        tensor([[0, 0, 0],
                [0, 1, 1],
                [0, 1, 1]], dtype=torch.uint8)
    """
    return _apply("dilation", _dilation, image, footprint, border, value, spatial_dims)


def opening(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Open each image: the dilation of its erosion. Removes what the footprint does not fit into.

    As `scipy.ndimage.grey_opening`, and idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `erosion`, then
            to `dilation`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool tensor (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the two steps, one after the other. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.opening(torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=torch.uint8))
        tensor([[0, 0, 0],
                [0, 0, 0],
                [0, 0, 0]], dtype=torch.uint8)
    """
    return _apply("opening", _opening, image, footprint, border, value, spatial_dims)


def closing(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Close each image: the erosion of its dilation. Fills what the footprint does not fit into.

    As `scipy.ndimage.grey_closing`, and idempotent.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `dilation`,
            then to `erosion`; -0 is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool tensor (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the two steps, one after the other. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.closing(torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.uint8))
        tensor([[1, 1, 1],
                [1, 1, 1],
                [1, 1, 1]], dtype=torch.uint8)
    """
    return _apply("closing", _closing, image, footprint, border, value, spatial_dims)


def morphological_gradient(
    image: Tensor, footprint: Footprint = 3, *, border: str = "geodesic", value: float = 0.0, spatial_dims: int = 2
) -> Tensor:
    """Subtract the erosion from the dilation: the range of values within the footprint.

    As `scipy.ndimage.morphological_gradient`. Integers saturate; of bool images it is dilation and not erosion.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is what it is to `dilation`; -0
            is less than +0.
        footprint: an int (square or cube of that side), a size per spatial axis, or a bool tensor (or nested lists) of
            `spatial_dims` dimensions, non-zero where a pixel belongs to it. Its origin is size // 2.
        border: what lies outside: "geodesic" (nothing), "constant" (`value`), "reflect" (the image mirrored, its edge
            repeated), "mirror" (not repeated) or "replicate" (the edge pixel).
        value: for ``border="constant"``; the image's dtype must hold it.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        The image's shape and dtype.

    Raises:
        ArgumentError: too few dimensions, an empty footprint or one of other dimensions, an unknown border, or a value
            that the dtype does not hold.

    Complexity: twice that of `erosion`, and one item of scratch per pixel more.
    Gradient: that of the dilation less that of the erosion. Deterministic: the result depends on neither threads,
    instruction set nor device.

    Reference: see `erosion`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.morphological_gradient(torch.tensor([[0, 0, 0, 5]], dtype=torch.uint8))
        tensor([[0, 0, 5, 5]], dtype=torch.uint8)
    """
    return _apply("morphological_gradient", _morphological_gradient, image, footprint, border, value, spatial_dims)


def disk(radius: int) -> Tensor:
    """A disk: pixels no farther from the middle than the radius. As `skimage.morphology.disk`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        bool, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.disk(1).byte()
        tensor([[0, 1, 0],
                [1, 1, 1],
                [0, 1, 0]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.disk(radius))


def square(width: int) -> Tensor:
    """A square, all of it.

    Args:
        width: at least 1, in pixels.

    Returns:
        bool, (width, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.square(2).byte()
        tensor([[1, 1],
                [1, 1]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.rectangle(width, width))


def rectangle(height: int, width: int) -> Tensor:
    """A rectangle, all of it. As `skimage.morphology.footprint_rectangle`.

    Args:
        height: at least 1, in pixels.
        width: at least 1, in pixels.

    Returns:
        bool, (height, width).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.rectangle(1, 3).byte()
        tensor([[1, 1, 1]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.rectangle(height, width))


def diamond(radius: int) -> Tensor:
    """A diamond: pixels no more than `radius` steps away. As `skimage.morphology.diamond`.

    Args:
        radius: at least 0, in pixels.

    Returns:
        bool, (2 radius + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.diamond(1).byte()
        tensor([[0, 1, 0],
                [1, 1, 1],
                [0, 1, 0]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.diamond(radius))


def hexagon(radius: int) -> Tensor:
    """A regular hexagon with two corners on the horizontal axis.

    Args:
        radius: from the middle to a corner, at least 0, in pixels.

    Returns:
        bool, (2 floor(radius sqrt(3) / 2) + 1, 2 radius + 1).

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.hexagon(2).byte()
        tensor([[0, 1, 1, 1, 0],
                [1, 1, 1, 1, 1],
                [0, 1, 1, 1, 0]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.hexagon(radius))


def line(length: int, angle: float) -> Tensor:
    """A line through the middle, of one pixel per step of its longer direction.

    Args:
        length: between the ends, in pixels, at least 1.
        angle: in degrees, counter-clockwise from the horizontal.

    Returns:
        bool, both sides odd.

    Raises:
        ArgumentError: for a smaller value.

    Example:
        >>> import fastcnn.ops as F
        >>> F.line(3, 90).byte()
        tensor([[1],
                [1],
                [1]], dtype=torch.uint8)
    """
    return torch.from_numpy(_footprints.line(length, angle))
