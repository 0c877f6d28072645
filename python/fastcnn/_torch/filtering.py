"""Linear filters: fake kernels and derivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _same(image: Tensor, *_: object) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _keep_arguments(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.arguments = inputs[1:]


# The filter is linear: its derivative is the transposed filter, whose derivative is the filter again.
def _transposed(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _gaussian_blur_backward(grad, *ctx.arguments), None, None, None


def _direct(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _gaussian_blur(grad, *ctx.arguments), None, None, None


_gaussian_blur = register_op(
    "gaussian_blur", fake=_same, setup_context=_keep_arguments, backward=_transposed, linear=True
)
_gaussian_blur_backward = register_op(
    "_gaussian_blur_backward", fake=_same, setup_context=_keep_arguments, backward=_direct, linear=True
)
