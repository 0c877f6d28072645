"""Pooling. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn import _pooling
from fastcnn._errors import ArgumentError
from fastcnn._torch.register import expect_tensors, register_op
from fastcnn.ops._single import as_batch

Size = int | Sequence[int]
Pooled = Tensor | tuple[Tensor, Tensor]


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


_max_pool, _max_pool_with_indices = _maximum("max_pool", _window_fake)
_adaptive_max_pool, _adaptive_max_pool_with_indices = _maximum("adaptive_max_pool", _empty)
_avg_pool = _mean("avg_pool", _mean_fake)
_adaptive_avg_pool = _mean("adaptive_avg_pool", _empty)


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


_max_unpool = register_op(
    "max_unpool", fake=_unpool_fake, images=(0, 1), setup_context=_save_places, backward=_gather, linear=True
)
for _out in ("max_pool_out", "adaptive_max_pool_out", "avg_pool_out", "adaptive_avg_pool_out"):
    register_op(_out, fake=lambda *_: None)
_pool_scatter = register_op(
    "_pool_scatter", fake=_scatter_fake, images=(0, 1), setup_context=_save_places, backward=_gather, linear=True
)
_pool_gather = register_op(
    "_pool_gather", fake=_gather_fake, images=(0, 1), setup_context=_save_places, backward=_scatter, linear=True
)


# --- the functions ----------------------------------------------------------------------------------------------------


def _check(op: str, rank: int, **tensors: Any) -> None:
    expect_tensors(op, **tensors)
    _pooling.check_dimensions(op, "input", tensors["input"].shape, rank)


def _run(kernel: Callable[..., Any], rank: int, tensors: Sequence[Tensor], *arguments: Any) -> Any:
    """Run an op; a single image is a batch of one, which has a layout to keep."""
    if tensors[0].ndim == rank + 2:
        return kernel(*tensors, *arguments)
    result = kernel(*map(as_batch, tensors), *arguments)
    return tuple(r.squeeze(0) for r in result) if isinstance(result, tuple) else result.squeeze(0)


def _max(
    rank: int, input: Tensor, kernel: Size, stride: Size | None, padding: Size, dilation: Size, ceil: bool, both: bool
) -> Any:
    op = f"max_pool{rank}d"
    _check(op, rank, input=input)
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    return _run(
        _max_pool_with_indices if both else _max_pool,
        rank,
        [input],
        kernel_size,
        _pooling.strides(stride, kernel_size, op),
        _pooling.sizes(padding, rank, op, "padding"),
        _pooling.sizes(dilation, rank, op, "dilation"),
        ceil,
    )


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Take the maximum of each window along a line: `max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
        tensor([[3., 5.]])
    """
    pooled: Pooled = _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return pooled


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Take the maximum of each window.

    As `torch.nn.functional.max_pool2d`, and for more dtypes.

    Args:
        input: (N, C, H, W) or (C, H, W), contiguous or channels_last (other strides are copied): bool, uint8, uint16,
            int16, int32, int64, float16, bfloat16, float32 or float64. Only the batch may be empty.
        kernel_size: the window; an int, or one per spatial axis.
        stride: between windows; kernel_size where it is None.
        padding: on both sides, with the least value; at most half of kernel_size.
        dilation: between the elements of a window.
        ceil_mode: round the output's size up, as long as the last window starts inside the image or its left padding.
        return_indices: return too where the maxima are.

    Returns:
        The maxima, in the input's dtype and layout, of size floor((n + 2 padding - dilation (kernel_size - 1) - 1) /
        stride) + 1 along each axis. NaN is the greatest value. With `return_indices`, also int64 indices, flat within
        each plane: of the first maximum in raster order, or the last NaN; -1, and the dtype's least value, where
        dilation takes a window wholly into the padding.

    Raises:
        ArgumentError: an input of other dimensions, or with an empty one that is not the batch; kernel_size, stride or
            dilation below 1; padding that is negative or too large; windows that do not fit.
        TypeError: another dtype, or sizes that are not integers.

    Complexity: O(kernel height + kernel width) per element read, whole vectors of columns (contiguous) or channels
    (channels_last); with indices O(kernel area). Scratch: 64 KiB per thread, or 16 pixels' channels;
    an input that is neither contiguous nor channels_last is packed, a plane (channels_last: an image) per thread.
    Gradient: to the element that `return_indices` names, none for -1; differentiable any number of times, in reverse
    and forward mode. It is found anew in the backward pass, so that training keeps the input and no indices; float16
    and bfloat16 gradients are summed in float32. Deterministic: the result depends on neither threads nor instruction
    set.

    Reference: Y.-L. Boureau, J. Ponce, Y. LeCun, "A theoretical analysis of feature pooling in visual recognition",
    ICML 2010.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.max_pool2d(torch.arange(16).reshape(1, 4, 4), 2)
        tensor([[[ 5,  7],
                 [13, 15]]])
    """
    pooled: Pooled = _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return pooled


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Take the maximum of each window of a volume: `max_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.max_pool3d(torch.arange(8).reshape(1, 2, 2, 2), 2)
        tensor([[[[7]]]])
    """
    pooled: Pooled = _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return pooled


def _avg(
    rank: int,
    input: Tensor,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    op = f"avg_pool{rank}d"
    _check(op, rank, input=input)
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    if divisor_override is not None:
        divisor_override = _pooling.size(divisor_override, op, "divisor_override")
    result: Tensor = _run(
        _avg_pool,
        rank,
        [input],
        kernel_size,
        _pooling.strides(stride, kernel_size, op),
        _pooling.sizes(padding, rank, op, "padding"),
        ceil_mode,
        count_include_pad,
        divisor_override,
    )
    return result


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean of each window along a line: `avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
        tensor([[2.0000, 3.5000]])
    """
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean of each window.

    As `torch.nn.functional.avg_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W), contiguous or channels_last (other strides are copied): float16, bfloat16,
            float32 or float64. Only the batch may be empty.
        kernel_size: the window; an int, or one per spatial axis.
        stride: between windows; kernel_size where it is None.
        padding: on both sides, with zeros; at most half of kernel_size.
        ceil_mode: round the output's size up, as long as the last window starts inside the image or its left padding.
        count_include_pad: count padding in the mean; what ceil_mode adds never counts.
        divisor_override: what to divide every sum by, instead of the number of elements.

    Returns:
        The means, in the input's dtype and layout, summed in float32 (float64 for float64).

    Raises:
        ArgumentError: an input of other dimensions, or with an empty one that is not the batch; kernel_size or stride
            below 1; padding that is negative or too large; windows that do not fit; divisor_override 0.
        TypeError: another dtype, or sizes that are not integers.

    Complexity: O(kernel height + kernel width) per element read. Scratch: 64 KiB per thread, or 16 pixels' channels;
    an input that is neither contiguous nor channels_last is packed, a plane (channels_last: an image) per thread.
    Gradient: the transpose, of the same cost; differentiable any number of times. Deterministic for any number of
    threads; instruction sets agree to rounding.

    Reference: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (11), 1998.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.avg_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
        tensor([[[ 2.5000,  4.5000],
                 [10.5000, 12.5000]]])
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean of each window of a volume: `avg_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[3.5000]]]])
    """
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _adaptive(op: str, kernel: Callable[..., Any], rank: int, input: Tensor, output_size: Any) -> Any:
    op = f"{op}{rank}d"
    _check(op, rank, input=input)
    return _run(kernel, rank, [input], _pooling.adaptive_sizes(output_size, input.shape[-rank:], op))


def _adaptive_max(rank: int, input: Tensor, output_size: Any, both: bool) -> Any:
    kernel = _adaptive_max_pool_with_indices if both else _adaptive_max_pool
    return _adaptive("adaptive_max_pool", kernel, rank, input, output_size)


def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[2.0000, 2.5000]])
    """
    result: Tensor = _adaptive("adaptive_avg_pool", _adaptive_avg_pool, 1, input, output_size)
    return result


def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """Take means so that the output has a given size.

    As `torch.nn.functional.adaptive_avg_pool2d`: output o of m is the mean of [floor(o n / m), ceil((o + 1) n / m)).

    Args:
        input: (N, C, H, W) or (C, H, W), contiguous or channels_last (other strides are copied): float16, bfloat16,
            float32 or float64. Only the batch may be empty.
        output_size: an int, or one per spatial axis; None keeps an axis's size.

    Returns:
        The means, in the input's dtype and layout, summed in float32 (float64 for float64).

    Raises:
        ArgumentError: an input of other dimensions, or with an empty one that is not the batch; a negative output_size.
        TypeError: another dtype, or sizes that are not integers.

    Complexity: O(1) per element and window that holds it. Scratch: a row per thread.
    Gradient: the transpose; differentiable any number of times. Deterministic for any number of threads; instruction
    sets agree to rounding.

    Reference: M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014 (global means); K. He et al., "Spatial pyramid
    pooling in deep convolutional networks for visual recognition", ECCV 2014 (the windows).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_avg_pool2d(torch.arange(9.0).reshape(1, 3, 3), 2)
        tensor([[[2., 3.],
                 [5., 6.]]])
    """
    result: Tensor = _adaptive("adaptive_avg_pool", _adaptive_avg_pool, 2, input, output_size)
    return result


def adaptive_avg_pool3d(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[3.5000]]]])
    """
    result: Tensor = _adaptive("adaptive_avg_pool", _adaptive_avg_pool, 3, input, output_size)
    return result


def adaptive_max_pool1d(input: Tensor, output_size: Size, return_indices: bool = False) -> Pooled:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[3., 3.]])
    """
    pooled: Pooled = _adaptive_max(1, input, output_size, return_indices)
    return pooled


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Pooled:
    """Take maxima so that the output has a given size.

    As `torch.nn.functional.adaptive_max_pool2d`, for every dtype of `max_pool2d`: output o of m is the maximum of
    [floor(o n / m), ceil((o + 1) n / m)).

    Args:
        input: see `max_pool2d`.
        output_size: an int, or one per spatial axis; None keeps an axis's size.
        return_indices: return too where the maxima are.

    Returns:
        The maxima, in the input's dtype and layout; with `return_indices` also int64 indices, as `max_pool2d`'s.

    Raises:
        ArgumentError: an input of other dimensions, or with an empty one that is not the batch; a negative output_size.
        TypeError: another dtype, or sizes that are not integers.

    Complexity: O(1) per element and window that holds it. Scratch: a row per thread.
    Gradient: that of `max_pool2d`. Deterministic: the result depends on neither threads nor instruction set.

    Reference: K. He et al., "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_max_pool2d(torch.arange(9).reshape(1, 3, 3), 2)
        tensor([[[4, 5],
                 [7, 8]]])
    """
    pooled: Pooled = _adaptive_max(2, input, output_size, return_indices)
    return pooled


def adaptive_max_pool3d(
    input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Pooled:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_max_pool3d(torch.arange(8).reshape(1, 2, 2, 2), 1)
        tensor([[[[7]]]])
    """
    pooled: Pooled = _adaptive_max(3, input, output_size, return_indices)
    return pooled


def _unpool(
    rank: int, input: Tensor, indices: Tensor, kernel: Size, stride: Size | None, padding: Size, output_size: Any
) -> Tensor:
    op = f"max_unpool{rank}d"
    _check(op, rank, input=input, indices=indices)
    if indices.dtype != torch.int64:
        raise TypeError(f"{op}: expected indices of dtype int64, got {str(indices.dtype).removeprefix('torch.')}")
    if indices.shape != input.shape:
        raise ArgumentError(f"{op}: expected indices of shape {tuple(input.shape)}, got {tuple(indices.shape)}")
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    strides = _pooling.strides(stride, kernel_size, op)
    paddings = _pooling.sizes(padding, rank, op, "padding")
    size = _pooling.unpooled_sizes(op, input.shape[-rank:], kernel_size, strides, paddings, output_size)
    result: Tensor = _run(_max_unpool, rank, [input, indices], size)
    return result


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima back where `max_pool1d` found them: `max_unpool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> values, indices = F.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2, return_indices=True)
        >>> F.max_unpool1d(values, indices, 2)
        tensor([[0., 3., 0., 5.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima back where `max_pool2d` found them, among zeros.

    As `torch.nn.functional.max_unpool2d`. Where indices meet, the last in raster order stands; -1 is nowhere.

    Args:
        input: (N, C, H, W) or (C, H, W); every dtype of `max_pool2d`.
        indices: of the input's shape, int64, flat within each plane of the output.
        kernel_size: the pooling's window; an int, or one per spatial axis.
        stride: the pooling's; kernel_size where it is None.
        padding: the pooling's.
        output_size: the output's spatial sizes, or its whole shape, where stride leaves several open.

    Returns:
        A tensor of the input's dtype and layout.

    Raises:
        ArgumentError: other dimensions or shapes, an output_size that no pooling can have had, or an index outside.
        TypeError: another dtype, or sizes that are not integers.

    Complexity: O(input + output). Scratch: none.
    Gradient: with respect to input, read where indices point; differentiable any number of times. Deterministic.

    Reference: M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> values, indices = F.max_pool2d(torch.arange(4.0).reshape(1, 2, 2), 2, return_indices=True)
        >>> F.max_unpool2d(values, indices, 2)
        tensor([[[0., 0.],
                 [0., 3.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima back where `max_pool3d` found them: `max_unpool2d` for input (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> values, indices = F.max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2, return_indices=True)
        >>> F.max_unpool3d(values, indices, 2)[0, 1]
        tensor([[0., 0.],
                [0., 7.]])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def spatial_pyramid_pool(input: Tensor, levels: Sequence[int] = (1, 2, 4), mode: str = "max") -> Tensor:
    """Describe an image of any size by as many numbers: its adaptive poolings on grids of several sizes, side by side.

    Args:
        input: (N, C, H, W) or (C, H, W); see `adaptive_max_pool2d` and `adaptive_avg_pool2d`.
        levels: the sides of the grids.
        mode: "max" or "avg".

    Returns:
        (N, C Σ level²) or (C Σ level²,): level by level, each flattened as (C, level, level).

    Raises:
        ArgumentError: an input of other dimensions, no level or one below 1, or another mode.
        TypeError: a dtype that the mode does not take.

    Complexity: one adaptive pooling per level. Scratch: a row per thread.
    Gradient: that of the adaptive poolings. Deterministic.

    Reference: K. He, X. Zhang, S. Ren, J. Sun, "Spatial pyramid pooling in deep convolutional networks for visual
    recognition", ECCV 2014.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.spatial_pyramid_pool(torch.arange(16).reshape(1, 4, 4), levels=(1, 2))
        tensor([15,  5,  7, 13, 15])
    """
    _check("spatial_pyramid_pool", 2, input=input)
    grids = _pooling.check_levels(levels, mode)
    pool = _adaptive_max_pool if mode == "max" else _adaptive_avg_pool
    return torch.cat([pool(input, [level, level]).flatten(-3) for level in grids], -1)
