"""Flat morphology: fake kernels and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _same(image: Tensor, *_: object) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _index(image: Tensor, *_: object) -> Tensor:
    return image.new_empty(image.shape, dtype=torch.int64)


_erosion_index = register_op("_erosion_index", fake=_index)
_dilation_index = register_op("_dilation_index", fake=_index)


def _scattered(grad: Tensor, index: Tensor, spatial_dims: int) -> Tensor:
    """Sum the gradient at the sources of the values; -1 is the border. Differentiable, for second derivatives."""
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


_erosion = register_op("erosion", fake=_same, **_formula(_erosion_backward))
_dilation = register_op("dilation", fake=_same, **_formula(_dilation_backward))


def _opening_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    eroded = _erosion(image.detach(), *footprint)
    return _erosion_backward(_dilation_backward(grad, eroded, dims, footprint), image, dims, footprint)


def _closing_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    dilated = _dilation(image.detach(), *footprint)
    return _dilation_backward(_erosion_backward(grad, dilated, dims, footprint), image, dims, footprint)


def _gradient_backward(grad: Tensor, image: Tensor, dims: int, footprint: tuple[Any, ...]) -> Tensor:
    return _dilation_backward(grad, image, dims, footprint) - _erosion_backward(grad, image, dims, footprint)


register_op("opening", fake=_same, **_formula(_opening_backward))
register_op("closing", fake=_same, **_formula(_closing_backward))
register_op("morphological_gradient", fake=_same, **_formula(_gradient_backward))
