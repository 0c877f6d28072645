"""Deformable convolution: fake kernels and derivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _columns(input: Tensor, offset: Tensor, mask: Tensor | None, numbers: list[int], *groups: int) -> Tensor:
    shape = input.shape[0], input.shape[1] * numbers[0] * numbers[1], *offset.shape[2:]
    return input.new_empty(shape).to(memory_format=torch.channels_last)


def _gradients(grad: Tensor, input: Tensor, offset: Tensor, mask: Tensor | None, *args: Any) -> Any:
    of_mask = offset.new_empty(0) if mask is None else mask.new_empty(mask.shape)
    return input.new_empty(input.shape), offset.new_empty(offset.shape), of_mask


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, offset, mask, *ctx.rest = inputs
    ctx.masked = mask is not None
    ctx.save_for_backward(input, offset, *([mask] if ctx.masked else []))


def _backward(ctx: Any, grad: Tensor) -> Any:
    input, offset, *mask = ctx.saved_tensors
    of_input, of_offset, of_mask = _deform_columns_backward(grad, input, offset, *(mask or [None]), *ctx.rest)
    return of_input, of_offset, of_mask if ctx.masked else None, None, None, None


def _no_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _not_twice(ctx: Any, *grads: Any) -> Any:
    # torchvision has none either. Without this error torch would return a silently wrong result.
    raise NotImplementedError("deform_conv2d: second derivatives are not implemented")


register_op("deform_columns", fake=_columns, images=(), setup_context=_save, backward=_backward)
_deform_columns_backward = register_op(
    "_deform_columns_backward", fake=_gradients, images=(), setup_context=_no_context, backward=_not_twice
)
