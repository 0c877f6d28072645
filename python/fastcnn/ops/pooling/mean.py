"""Means of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._arguments import Size, integer, per_axis
from fastcnn._dispatch import Array, native
from fastcnn.ops.pooling._windows import adaptive_sizes, check_dimensions, strides_of

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
]


def avg_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window along a line: `avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
        tensor([[2.0000, 3.5000]])
    """
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
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
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window of a volume: `avg_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[3.5000]]]])
    """
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool1d(input: Array, output_size: Size) -> Array:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[2.0000, 2.5000]])
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Array, output_size: int | Sequence[int | None] | None) -> Array:
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
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Array, output_size: int | Sequence[int | None] | None) -> Array:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for (N, C, D, H, W) or (C, D, H, W).

    channels_last_3d stays that, where torch returns a contiguous tensor.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[3.5000]]]])
    """
    return _adaptive_avg(3, input, output_size)


def _avg(
    dims: int,
    input: Array,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    op = f"avg_pool{dims}d"
    check_dimensions(op, input, dims)
    kernel_size = per_axis(kernel, dims, op, "kernel_size", as_torch=True)
    if divisor_override is not None:
        divisor_override = integer(divisor_override, op, "divisor_override")
    result: Array = native(
        "avg_pool",
        input,
        kernel_size,
        strides_of(stride, kernel_size, op),
        per_axis(padding, dims, op, "padding", as_torch=True),
        ceil_mode,
        count_include_pad,
        divisor_override,
    )
    return result


def _adaptive_avg(dims: int, input: Array, output_size: Any) -> Array:
    op = f"adaptive_avg_pool{dims}d"
    check_dimensions(op, input, dims)
    result: Array = native("adaptive_avg_pool", input, adaptive_sizes(output_size, input.shape[-dims:], op))
    return result
