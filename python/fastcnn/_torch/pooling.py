"""Pooling: fake kernels and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._dispatch import as_batch
from fastcnn._torch.register import TENSOR_OPS, register_op

# --- metadata ---------------------------------------------------------------------------------------------------------


def _format(tensor: Tensor, rank: int) -> torch.memory_format:
    """Tell the layout that torch's ops would give their result: a batch's own; other dimensions have but one."""
    if tensor.ndim != rank + 2:
        return torch.contiguous_format
    return torch._prims_common.suggest_memory_format(tensor)


def _empty(like: Tensor, spatial: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    shape, memory_format = [*like.shape[: -len(spatial)], *spatial], _format(like, len(spatial))
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device, memory_format=memory_format)


def _pooled_sizes(
    spatial: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> list[int]:
    sizes = []
    for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        if ceil_mode:  # a window has to start inside the image or its left padding
            start = (n + p - 1) // s + 1
            sizes.append(torch.sym_min((room + s - 1) // s + 1, start))  # type: ignore[no-untyped-call]  # torch has no type here
        else:
            sizes.append(room // s + 1)
    return sizes


def _window_fake(input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Tensor:
    return _empty(input, _pooled_sizes(input.shape[-len(kernel) :], kernel, stride, padding, dilation, ceil_mode))


def _mean_fake(
    input: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Tensor:
    return _window_fake(input, kernel, stride, padding, [1] * len(kernel), ceil_mode)


def _with_indices(fake: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    def both(input: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
        values = fake(input, *arguments)
        return values, _empty(input, values.shape[-len(arguments[0]) :], torch.int64)

    return both


def _like_input(grad: Tensor, input: Tensor, sizes: Sequence[int], *_: object) -> Tensor:
    return _empty(input, input.shape[-len(sizes) :])


def _like_size(grad: Tensor, size: Sequence[int], channels_last: bool, *_: object) -> Tensor:
    shape = [*grad.shape[: -len(size)], *size]
    memory_format = torch.contiguous_format
    if channels_last and len(shape) == len(size) + 2:
        memory_format = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=memory_format)


# --- gradients --------------------------------------------------------------------------------------------------------
# Every one is linear in the gradient: sums of windows transposed, or values moved to and from where indices point. A
# gradient is brought to the input's layout first: the kernels are made for one at a time.


def _no_more(ctx: Any) -> tuple[None, ...]:
    return (None,) * len(ctx.arguments)


def _save_input(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.arguments = inputs[1:]


def _save_indices(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.arguments = inputs[1:]
    ctx.size = inputs[0].shape[-len(inputs[1]) :]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])


def _to_indices(ctx: Any, grad: Tensor, _: Any) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    grad = grad.contiguous(memory_format=_format(indices, len(ctx.size)))
    return _pool_scatter(grad, indices, ctx.size), *_no_more(ctx)


def _maximum(name: str, fake: Callable[..., Tensor]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Register the maximum, with and without indices.

    Without, the backward pass finds the maxima again: that costs less than indices of 8 bytes each, written and read.
    """

    def again(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        (input,) = ctx.saved_tensors
        grad = grad.contiguous(memory_format=_format(input, len(ctx.arguments[0])))
        return scattered(grad, input, *ctx.arguments), *_no_more(ctx)

    def save_second(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.arguments = inputs[1:]

    def gathered(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        (input,) = ctx.saved_tensors
        return at_maxima(grad, input, ctx.arguments[1:]), *_no_more(ctx)

    def at_maxima(values: Tensor, input: Tensor, arguments: Sequence[Any]) -> Tensor:
        rank = len(arguments[0])
        _, indices = both(input, *arguments)
        found: Tensor = _pool_gather(values.contiguous(memory_format=_format(input, rank)), indices, rank)
        return found

    def forward(args: Sequence[Any], tangents: Sequence[Any]) -> Tensor:
        return at_maxima(tangents[0], args[0], args[1:])

    def forward_both(args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, None]:
        return at_maxima(tangents[0], args[0], args[1:]), None

    values = register_op(name, fake=fake, setup_context=_save_input, backward=again, forward=forward)
    both = register_op(
        f"{name}_with_indices",
        fake=_with_indices(fake),
        setup_context=_save_indices,
        backward=_to_indices,
        forward=forward_both,
    )
    scattered = register_op(
        f"_{name}_backward",
        fake=_like_input,
        images=(0, 1),
        setup_context=save_second,
        backward=gathered,
        linear=True,
    )
    return values, both


def _mean(name: str, fake: Callable[..., Tensor]) -> Callable[..., Any]:
    """Register the mean and its transpose: each is the other's derivative."""

    def save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.arguments = inputs[1:]
        ctx.size = inputs[0].shape[-len(inputs[1]) :]
        ctx.format = _format(inputs[0], len(ctx.size))

    def transposed(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        grad = grad.contiguous(memory_format=ctx.format)
        channels_last = ctx.format != torch.contiguous_format
        return spread(grad, ctx.size, channels_last, *ctx.arguments), *_no_more(ctx)

    def save_arguments(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.arguments = inputs[1:]

    def direct(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return means(grad, *ctx.arguments[2:]), *_no_more(ctx)

    spread = register_op(
        f"_{name}_backward", fake=_like_size, setup_context=save_arguments, backward=direct, linear=True
    )
    means = register_op(name, fake=fake, setup_context=save, backward=transposed, linear=True)
    return means


_maximum("max_pool", _window_fake)
_maximum("adaptive_max_pool", _empty)
_mean("avg_pool", _mean_fake)
_mean("adaptive_avg_pool", _empty)


def _unpool_fake(input: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    return _empty(input, size)


def _scatter_fake(grad: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    return _empty(indices, size, grad.dtype)


def _gather_fake(src: Tensor, indices: Tensor, spatial_dims: int) -> Tensor:
    return _empty(indices, indices.shape[-spatial_dims:], src.dtype)


def _save_places(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.arguments = inputs[1:]
    ctx.size = inputs[0].shape


def _gather(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    grad = grad.contiguous(memory_format=_format(indices, len(ctx.arguments[1])))
    return _pool_gather(grad, indices, len(ctx.arguments[1])), *_no_more(ctx)


def _scatter(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    grad = grad.contiguous(memory_format=_format(indices, ctx.arguments[1]))
    return _pool_scatter(grad, indices, ctx.size[-ctx.arguments[1] :]), *_no_more(ctx)


register_op("max_unpool", fake=_unpool_fake, images=(0, 1), setup_context=_save_places, backward=_gather, linear=True)
for _out in ("max_pool_out", "adaptive_max_pool_out", "avg_pool_out", "adaptive_avg_pool_out"):
    register_op(_out, fake=lambda *_: None)
_pool_scatter = register_op(
    "_pool_scatter", fake=_scatter_fake, images=(0, 1), setup_context=_save_places, backward=_gather, linear=True
)
_pool_gather = register_op(
    "_pool_gather", fake=_gather_fake, images=(0, 1), setup_context=_save_places, backward=_scatter, linear=True
)


def _public(op: Callable[..., Any], images: int) -> Callable[..., Any]:
    """Return an op as users call it: a single image is a batch of one, which has a layout to keep."""

    def call(*arguments: Any) -> Any:
        tensors, rest = arguments[:images], arguments[images:]
        if tensors[0].ndim == len(rest[0]) + 2:
            return op(*arguments)
        result = op(*map(as_batch, tensors), *rest)
        return tuple(r.squeeze(0) for r in result) if isinstance(result, tuple) else result.squeeze(0)

    return call


for _name in ("max_pool", "adaptive_max_pool"):
    TENSOR_OPS |= {name: _public(TENSOR_OPS[name], 1) for name in (_name, f"{_name}_with_indices")}
TENSOR_OPS |= {name: _public(TENSOR_OPS[name], 1) for name in ("avg_pool", "adaptive_avg_pool")}
TENSOR_OPS["max_unpool"] = _public(TENSOR_OPS["max_unpool"], 2)
