"""Deformable convolution. Wrapper, docstring, fake kernel and autograd together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._arguments import sizes
from fastcnn._errors import ArgumentError
from fastcnn._torch.register import register_op
from fastcnn.ops.conv import conv2d


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
    # As torchvision: an error, where no formula would make it silently wrong.
    raise NotImplementedError("deform_conv2d: second derivatives are not implemented")


_deform_columns = register_op("deform_columns", fake=_columns, images=(), setup_context=_save, backward=_backward)
_deform_columns_backward = register_op(
    "_deform_columns_backward", fake=_gradients, images=(), setup_context=_no_context, backward=_not_twice
)


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolve an image whose samples are moved: deformable convolution, with a mask its modulated form.

    As `torchvision.ops.deform_conv2d`.

    Args:
        input: (N, C, H, W), float.
        offset: (N, 2 * offset groups * taps, oh, ow): how far each tap is moved, y then x, in pixels.
        weight: (K, C / groups, kh, kw).
        bias: (K), or None.
        stride: rows and columns.
        padding: zeros around the image.
        dilation: of the kernel.
        mask: (N, offset groups * taps, oh, ow), multiplies the samples; None: 1.

    Returns:
        (N, K, oh, ow), of the input's dtype. Half precision computes in float32.

    Raises:
        ArgumentError: shapes that do not fit.
        TypeError: different dtypes.

    Samples between pixels are bilinear, zero outside. Complexity: that of a convolution. Memory: the samples, taps
    times the input for an output of its size. Gradient: to all tensors, once; a second derivative is an error.
    Deterministic, its gradient too.

    Reference:
        J. Dai et al., "Deformable convolutional networks", 2017; X. Zhu, H. Hu, S. Lin, J. Dai, "Deformable ConvNets
        v2: more deformable, better results", 2019.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> image = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> right = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3)
        >>> F.deform_conv2d(image, right, torch.ones(1, 1, 1, 1))
        tensor([[[[1., 2., 0.],
                  [4., 5., 0.],
                  [7., 8., 0.]]]])
    """
    op = "deform_conv2d"
    if input.ndim != 4 or weight.ndim != 4:
        raise ArgumentError(
            f"{op}: expected input and weight of 4 dimensions, got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    numbers = [*weight.shape[2:], *sizes(stride, 2, op, "stride"), *sizes(padding, 2, op, "padding")]
    numbers += sizes(dilation, 2, op, "dilation")
    groups, taps = input.shape[1] // max(weight.shape[1], 1), weight.shape[2] * weight.shape[3]
    if groups * weight.shape[1] != input.shape[1] or weight.shape[0] % max(groups, 1) != 0:
        raise ArgumentError(
            f"{op}: expected weight for {input.shape[1]} channels in equal groups, got {tuple(weight.shape)}"
        )
    offset_groups = offset.shape[1] // (2 * taps) if offset.ndim == 4 else 0
    if offset_groups == 0:
        raise ArgumentError(f"{op}: expected offset of a multiple of {2 * taps} channels, got {tuple(offset.shape)}")
    half = input.dtype in (torch.float16, torch.bfloat16)
    if half:
        input, offset, mask = input.float(), offset.float(), None if mask is None else mask.float()
    columns = _deform_columns(input, offset, mask, numbers, groups, offset_groups)
    kernel = weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1, 1, 1)  # tap by tap, as the columns
    dtype = weight.dtype
    if half:
        result = conv2d(columns, kernel.float(), None if bias is None else bias.float(), groups=groups).to(dtype)
    else:
        result = conv2d(columns, kernel, bias, groups=groups)
    return result.contiguous()
