"""Convolutions: fake kernels, derivatives, batching rules, autocast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from fastcnn import _core
from fastcnn._torch.register import TENSOR_OPS, register_op
from fastcnn.ops import _conv_arithmetic as _c
from fastcnn.ops._conv_arithmetic import Geometry


def empty_result(shape: list[int], like: Tensor, weight: Tensor | None = None) -> Tensor:
    """A result in torch's layout: channels_last where the input is, or the weight."""
    chosen = like
    if weight is not None and suggest_memory_format(weight) != torch.contiguous_format:
        chosen = weight
    layout = suggest_memory_format(chosen) if len(shape) in (4, 5) else torch.contiguous_format
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


def _check_sizes(input: Any, weight: Any, *geometry: Any) -> None:
    """Refuse while a graph is traced what a kernel would refuse; symbolic sizes wait for the kernel."""
    stride, padding, dilation, groups, output_size = geometry
    if all(type(n) is int for n in (*input, *weight, *stride, *padding, *dilation, groups, *output_size)):
        _core.choose_conv_algorithm(
            list(input),
            list(weight),
            list(stride),
            list(padding),
            list(dilation),
            groups,
            list(output_size),
            False,
            1,
            False,
            True,
        )


def _fake_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    _check_sizes(input.shape, weight.shape, stride, padding, dilation, groups, [])
    size = _c.output_size(input.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    return empty_result([input.shape[0], weight.shape[0], *size], input, weight)


def _fake_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    output_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    _check_sizes(input.shape, weight.shape, stride, padding, dilation, groups, output_size)
    return empty_result([input.shape[0], weight.shape[1] * groups, *output_size], input, weight)


def _fake_weight_grad(
    grad: Tensor,
    input: Tensor,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    return input.new_empty([grad.shape[1], input.shape[1] // groups, *kernel_size])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.arguments = inputs[-4:]


def _product_rule(op: Callable[[], Callable[..., Tensor]], biased: bool = True) -> Callable[..., Tensor]:
    """The tangent of an op that is linear in each of its first two arguments, and to which a bias may be added."""

    def forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Tensor:
        first, second = tangents[:2]
        factors = [(first, args[1])] if first is not None else []
        if second is not None:
            factors.append((args[0], second))
        if not factors:
            factors = [(torch.zeros_like(args[0]), args[1])]
        rest = args[3:] if biased else args[2:]
        biases = [(tangents[2],), (None,)] if biased else [(), ()]
        first_part, *second_part = (op()(*f, *b, *rest) for f, b in zip(factors, biases, strict=False))
        return first_part + second_part[0] if second_part else first_part

    return forward


def _bias_grad(grad: Tensor) -> Tensor:
    return grad.sum([0, *range(2, grad.dim())])


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, weight = ctx.saved_tensors
    g_input = g_weight = None
    if ctx.needs_input_grad[0]:
        g_input = convolution_transpose(grad, weight, None, list(input.shape[2:]), *ctx.arguments)
    if ctx.needs_input_grad[1]:
        g_weight = _weight_grad(grad, input, list(weight.shape[2:]), *ctx.arguments)
    g_bias = _bias_grad(grad) if ctx.needs_input_grad[2] else None
    return g_input, g_weight, g_bias, None, None, None, None


def _transposed_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, weight = ctx.saved_tensors
    stride, padding, dilation, groups = ctx.arguments
    g_bias = _bias_grad(grad) if ctx.needs_input_grad[2] else None
    # A forward convolution of this padding must give the input's size: an output_padding of a stride or more is taken
    # from the padding behind, and what no tap reached from the gradient.
    dims = len(stride)
    padding = list(padding)
    found = _c.output_size(grad.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    for i in range(dims):
        while found[i] > input.shape[i + 2]:
            if padding[i + dims] > 0:
                padding[i + dims] -= 1
            elif grad.shape[i + 2] > 1:
                grad = grad.narrow(i + 2, 0, grad.shape[i + 2] - 1)
            else:  # no tap reached any of it
                zeros = [
                    torch.zeros_like(t) if n else None
                    for t, n in zip((input, weight), ctx.needs_input_grad[:2], strict=True)
                ]
                return *zeros, g_bias, None, None, None, None, None
            found = _c.output_size(grad.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    g_input = g_weight = None
    if ctx.needs_input_grad[0]:
        g_input = _convolution(grad, weight, None, stride, padding, dilation, groups)
    if ctx.needs_input_grad[1]:
        g_weight = _weight_grad(input, grad, list(weight.shape[2:]), stride, padding, dilation, groups)
    return g_input, g_weight, g_bias, None, None, None, None, None


def _weight_grad_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    result_grad, input = ctx.saved_tensors
    g_result = g_input = None
    if ctx.needs_input_grad[0]:
        g_result = _convolution(input, grad, None, *ctx.arguments)
    if ctx.needs_input_grad[1]:
        g_input = convolution_transpose(result_grad, grad, None, list(input.shape[2:]), *ctx.arguments)
    return g_result, g_input, None, None, None, None, None


def _channels_batch(t: Tensor, dim: int | None, count: int) -> Tensor:
    """(B, N, C, ...) as (N, B * C, ...): a batch of convolutions is one with B times the groups."""
    t = t.unsqueeze(1).expand(-1, count, *t.shape[1:]) if dim is None else t.movedim(dim, 1)
    return t.flatten(1, 2)


def _filters_batch(t: Tensor, dim: int | None, count: int) -> Tensor:
    """(B, K, ...) as (B * K, ...)."""
    return (t.expand(count, *t.shape) if dim is None else t.movedim(dim, 0)).flatten(0, 1)


def _batch_forward(transposed: bool) -> Any:
    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        op = convolution_transpose if transposed else _convolution
        input, weight, bias, *rest = args
        count = info.batch_size
        if in_dims[1] is None and in_dims[2] is None:
            images = input.movedim(in_dims[0], 0)
            result = op(images.flatten(0, 1), weight, bias, *rest)
            return result.unflatten(0, (count, images.shape[1])), 0
        rest[-1] = rest[-1] * count
        result = op(
            _channels_batch(input, in_dims[0], count),
            _filters_batch(weight, in_dims[1], count),
            None if bias is None else _filters_batch(bias, in_dims[2], count),
            *rest,
        )
        return result.unflatten(1, (count, result.shape[1] // count)), 1

    return rule


def _batch_weight_grad(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
    grad, input, *rest = args
    count = info.batch_size
    rest[-1] = rest[-1] * count
    result = _weight_grad(_channels_batch(grad, in_dims[0], count), _channels_batch(input, in_dims[1], count), *rest)
    return result.unflatten(0, (count, result.shape[0] // count)), 0


_convolution: Callable[..., Any] = register_op(
    "convolution",
    fake=_fake_convolution,
    setup_context=_keep,
    backward=_backward,
    forward=_product_rule(lambda: _convolution),
    batch=_batch_forward(transposed=False),
)
convolution_transpose: Callable[..., Any] = register_op(
    "convolution_transpose",
    fake=_fake_transpose,
    setup_context=_keep,
    backward=_transposed_backward,
    forward=_product_rule(lambda: convolution_transpose),
    batch=_batch_forward(transposed=True),
)
_weight_grad: Callable[..., Any] = register_op(
    "_convolution_weight_grad",
    fake=_fake_weight_grad,
    setup_context=_keep,
    backward=_weight_grad_backward,
    forward=_product_rule(lambda: _weight_grad, biased=False),
    batch=_batch_weight_grad,
)


def _autocast(device: str, input: Tensor, *others: Tensor | None) -> tuple[Tensor | None, ...]:
    """As torch's own convolutions, these run in the lower precision under autocast."""
    # The devices by name: `torch.amp.is_autocast_available` cannot be traced before torch 2.11.
    if device not in ("cpu", "cuda") or not torch.is_autocast_enabled(device) or input.dtype == torch.float64:
        return (input, *others)
    dtype = torch.get_autocast_dtype(device)
    return tuple(t if t is None else t.to(dtype) for t in (input, *others))


def _public(name: str, op: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return an op as users call it: on one device, and under autocast."""

    def call(input: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:
        device = input.device
        for argument, value in (("weight", weight), ("bias", bias)):
            if value is not None and value.device != device:
                raise TypeError(
                    f"{name}{input.dim() - 2}d: expected {argument} on the input's device {device}, got {value.device}"
                )
        return op(*_autocast(device.type, input, weight, bias), *rest)

    return call


# The registered ops stay as they are: gradients are computed in the dtypes that they have.
TENSOR_OPS["convolution"] = _public("conv", _convolution)
TENSOR_OPS["convolution_transpose"] = _public("conv_transpose", convolution_transpose)
