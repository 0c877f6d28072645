"""Thresholds: one per image, or one per pixel: fake kernels and derivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _per_image(image: Tensor, nbins: int, spatial_dims: int) -> Tensor:
    return image.new_empty(image.shape[: max(image.ndim - spatial_dims, 0)])


def _surface(image: Tensor, *_: object) -> Tensor:
    wide = image.dtype in (torch.int32, torch.float64)
    return image.new_empty(image.shape, dtype=torch.float64 if wide else torch.float32)


def _mask(image: Tensor, *_: object) -> Tensor:
    return image.new_empty(image.shape, dtype=torch.bool)


def _same(grad: Tensor, *_: object) -> Tensor:
    return torch.empty_like(grad, memory_format=torch.contiguous_format)


def _keep_arguments(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.dtype, ctx.block_size, ctx.method = inputs[0].dtype, inputs[1], inputs[2]


# The filter is symmetric: its own transpose.
def _surface_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    result = _threshold_local_backward(grad, ctx.block_size, ctx.method)
    return result.to(ctx.dtype), None, None, None


def _backward_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _threshold_local_backward(grad, ctx.block_size, ctx.method), None, None


register_op("threshold_otsu", fake=_per_image)
register_op("threshold_local", fake=_surface, setup_context=_keep_arguments, backward=_surface_backward)
_threshold_local_backward = register_op(
    "_threshold_local_backward",
    fake=_same,
    setup_context=_keep_arguments,
    backward=_backward_backward,
    linear=True,
)
register_op("binarize_local", fake=_mask)
