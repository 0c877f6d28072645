"""Maxima of windows, and their way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._arguments import Size, per_axis, same_shape
from fastcnn._dispatch import Array, dtype_name, native
from fastcnn.ops.pooling._windows import adaptive_sizes, check_dimensions, strides_of, unpooled_sizes

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def max_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """Take the maximum of each window along a line: `max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
        tensor([[3., 5.]])
    """
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
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
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """Take the maximum of each window of a volume: `max_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.max_pool3d(torch.arange(8).reshape(1, 2, 2, 2), 2)
        tensor([[[[7]]]])
    """
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool1d(input: Array, output_size: Size, return_indices: bool = False) -> Array | tuple[Array, Array]:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[3., 3.]])
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Array | tuple[Array, Array]:
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
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Array | tuple[Array, Array]:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_max_pool3d(torch.arange(8).reshape(1, 2, 2, 2), 1)
        tensor([[[[7]]]])
    """
    return _adaptive_max(3, input, output_size, return_indices)


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put maxima back where `max_pool1d` found them: `max_unpool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> values, indices = F.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2, return_indices=True)
        >>> F.max_unpool1d(values, indices, 2)
        tensor([[0., 3., 0., 5.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
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
        The values among zeros, of the input's dtype and layout.

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
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
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


def _max(
    dims: int, input: Array, kernel: Size, stride: Size | None, padding: Size, dilation: Size, ceil: bool, both: bool
) -> Array | tuple[Array, Array]:
    op = f"max_pool{dims}d"
    check_dimensions(op, input, dims)
    kernel_size = per_axis(kernel, dims, op, "kernel_size", as_torch=True)
    found: Array | tuple[Array, Array] = native(
        "max_pool_with_indices" if both else "max_pool",
        input,
        kernel_size,
        strides_of(stride, kernel_size, op),
        per_axis(padding, dims, op, "padding", as_torch=True),
        per_axis(dilation, dims, op, "dilation", as_torch=True),
        ceil,
    )
    return found


def _adaptive_max(dims: int, input: Array, output_size: Any, both: bool) -> Array | tuple[Array, Array]:
    op = f"adaptive_max_pool{dims}d"
    check_dimensions(op, input, dims)
    name = "adaptive_max_pool_with_indices" if both else "adaptive_max_pool"
    found: Array | tuple[Array, Array] = native(name, input, adaptive_sizes(output_size, input.shape[-dims:], op))
    return found


def _unpool(
    dims: int, input: Array, indices: Array, kernel: Size, stride: Size | None, padding: Size, output_size: Any
) -> Array:
    op = f"max_unpool{dims}d"
    check_dimensions(op, input, dims)
    if dtype_name(indices) != "int64":
        raise TypeError(f"{op}: expected indices of dtype int64, got {dtype_name(indices)}")
    same_shape(op, "indices", indices, input)
    kernel_size = per_axis(kernel, dims, op, "kernel_size", as_torch=True)
    stride_ = strides_of(stride, kernel_size, op)
    padding_ = per_axis(padding, dims, op, "padding", as_torch=True)
    size = unpooled_sizes(op, input.shape[-dims:], kernel_size, stride_, padding_, output_size)
    result: Array = native("max_unpool", input, indices, size)
    return result
