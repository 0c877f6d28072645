"""Pooling of NumPy arrays (N, C, H, W) or (C, H, W); the lines and volumes likewise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core, _pooling

Size = int | Sequence[int]
Array = NDArray[Any]


def _max(
    rank: int,
    input: ArrayLike,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil: bool,
    both: bool,
) -> Any:
    op, array = f"max_pool{rank}d", np.asarray(input)
    _pooling.check_dimensions(op, "input", array.shape, rank)
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    return (_core.max_pool_with_indices if both else _core.max_pool)(
        array,
        kernel_size,
        _pooling.strides(stride, kernel_size, op),
        _pooling.sizes(padding, rank, op, "padding"),
        _pooling.sizes(dilation, rank, op, "dilation"),
        ceil,
    )


def _avg(
    rank: int,
    input: ArrayLike,
    kernel: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    op, array = f"avg_pool{rank}d", np.asarray(input)
    _pooling.check_dimensions(op, "input", array.shape, rank)
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    if divisor_override is not None:
        divisor_override = _pooling.size(divisor_override, op, "divisor_override")
    return _core.avg_pool(
        array,
        kernel_size,
        _pooling.strides(stride, kernel_size, op),
        _pooling.sizes(padding, rank, op, "padding"),
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def _adaptive_max(rank: int, input: ArrayLike, output_size: Any, both: bool) -> Any:
    op, array = f"adaptive_max_pool{rank}d", np.asarray(input)
    _pooling.check_dimensions(op, "input", array.shape, rank)
    size = _pooling.adaptive_sizes(output_size, array.shape[-rank:], op)
    return (_core.adaptive_max_pool_with_indices if both else _core.adaptive_max_pool)(array, size)


def _adaptive_avg(rank: int, input: ArrayLike, output_size: Any) -> Array:
    op, array = f"adaptive_avg_pool{rank}d", np.asarray(input)
    _pooling.check_dimensions(op, "input", array.shape, rank)
    size = _pooling.adaptive_sizes(output_size, array.shape[-rank:], op)
    return _core.adaptive_avg_pool(array, size)


def _unpool(
    rank: int, input: ArrayLike, indices: ArrayLike, kernel: Size, stride: Size | None, padding: Size, output_size: Any
) -> Array:
    op, array = f"max_unpool{rank}d", np.asarray(input)
    _pooling.check_dimensions(op, "input", array.shape, rank)
    kernel_size = _pooling.sizes(kernel, rank, op, "kernel_size")
    strides = _pooling.strides(stride, kernel_size, op)
    paddings = _pooling.sizes(padding, rank, op, "padding")
    size = _pooling.unpooled_sizes(op, array.shape[-rank:], kernel_size, strides, paddings, output_size)
    return _core.max_unpool(array, np.asarray(indices), size)


def max_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take the maximum of each window along a line: `max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.max_pool1d(np.array([[1, 3, 2, 5]], np.uint8), 2)
        array([[3, 5]], dtype=uint8)
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _max(
        1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return pooled


def max_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take the maximum of each window. See `fastcnn.ops.max_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): bool, uint8, uint16, int16, int32, int64, float16, float32 or float64.
        kernel_size: the window; an int, or one per spatial axis.
        stride: between windows; kernel_size where it is None.
        padding: on both sides, with the least value; at most half of the window's reach.
        dilation: between the elements of a window.
        ceil_mode: round the output's size up, as long as the last window starts inside the image or its left padding.
        return_indices: return too where the maxima are.

    Returns:
        The maxima; with `return_indices` also int64 indices, flat within each plane.

    Raises:
        ArgumentError: other dimensions, or sizes out of range.
        TypeError: another dtype, or sizes that are not integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.max_pool2d(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), 2)
        array([[[ 5,  7],
                [13, 15]]], dtype=uint8)
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _max(
        2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return pooled


def max_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take the maximum of each window of a volume: `max_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.max_pool3d(np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2), 2)
        array([[[[7]]]], dtype=uint8)
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _max(
        3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return pooled


def avg_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window along a line: `avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.avg_pool1d(np.array([[1.0, 3.0, 2.0, 5.0]]), 2)
        array([[2. , 3.5]])
    """
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window. See `fastcnn.ops.avg_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): float16, float32 or float64.
        kernel_size: the window; an int, or one per spatial axis.
        stride: between windows; kernel_size where it is None.
        padding: on both sides, with zeros; at most half of kernel_size.
        ceil_mode: round the output's size up, as long as the last window starts inside the image or its left padding.
        count_include_pad: count padding in the mean; what ceil_mode adds never counts.
        divisor_override: what to divide every sum by, instead of the number of elements.

    Returns:
        The means, in the input's dtype.

    Raises:
        ArgumentError: other dimensions, or sizes out of range.
        TypeError: another dtype, or sizes that are not integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
        array([[[ 2.5,  4.5],
                [10.5, 12.5]]])
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window of a volume: `avg_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
        array([[[[3.5]]]])
    """
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool1d(input: ArrayLike, output_size: int | Sequence[int | None] | None) -> Array:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_avg_pool1d(np.array([[1.0, 3.0, 2.0]]), 2)
        array([[2. , 2.5]])
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: ArrayLike, output_size: int | Sequence[int | None] | None) -> Array:
    """Take means so that the output has a given size. See `fastcnn.ops.adaptive_avg_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): float16, float32 or float64.
        output_size: an int, or one per spatial axis; None keeps an axis's size.

    Returns:
        The means, in the input's dtype.

    Raises:
        ArgumentError: other dimensions, or a negative output_size.
        TypeError: another dtype, or sizes that are not integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_avg_pool2d(np.arange(9.0).reshape(1, 3, 3), 2)
        array([[[2., 3.],
                [5., 6.]]])
    """
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: ArrayLike, output_size: int | Sequence[int | None] | None) -> Array:
    """Take means so that the output has a given size: `adaptive_avg_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1)
        array([[[[3.5]]]])
    """
    return _adaptive_avg(3, input, output_size)


def adaptive_max_pool1d(
    input: ArrayLike, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_max_pool1d(np.array([[1.0, 3.0, 2.0]]), 2)
        array([[3., 3.]])
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _adaptive_max(1, input, output_size, return_indices)
    return pooled


def adaptive_max_pool2d(
    input: ArrayLike, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take maxima so that the output has a given size. See `fastcnn.ops.adaptive_max_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): bool, uint8, uint16, int16, int32, int64, float16, float32 or float64.
        output_size: an int, or one per spatial axis; None keeps an axis's size.
        return_indices: return too where the maxima are.

    Returns:
        The maxima, in the input's dtype; with `return_indices` also int64 indices, flat within each plane.

    Raises:
        ArgumentError: other dimensions, or a negative output_size.
        TypeError: another dtype, or sizes that are not integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_max_pool2d(np.arange(9.0).reshape(1, 3, 3), 2)
        array([[[4., 5.],
                [7., 8.]]])
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _adaptive_max(2, input, output_size, return_indices)
    return pooled


def adaptive_max_pool3d(
    input: ArrayLike, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Array | tuple[Array, NDArray[np.int64]]:
    """Take maxima so that the output has a given size: `adaptive_max_pool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1)
        array([[[[7.]]]])
    """
    pooled: Array | tuple[Array, NDArray[np.int64]] = _adaptive_max(3, input, output_size, return_indices)
    return pooled


def max_unpool1d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put maxima back where `max_pool1d` found them: `max_unpool2d` for input (N, C, L) or (C, L).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> values, indices = I.max_pool1d(np.array([[1, 3, 2, 5]], np.uint8), 2, return_indices=True)
        >>> I.max_unpool1d(values, indices, 2)
        array([[0, 3, 0, 5]], dtype=uint8)
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put maxima back where `max_pool2d` found them. See `fastcnn.ops.max_unpool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): bool, uint8, uint16, int16, int32, int64, float16, float32 or float64.
        indices: of the input's shape, int64, flat within each plane of the output.
        kernel_size: the window; an int, or one per spatial axis.
        stride: between windows; kernel_size where it is None.
        padding: the pooling's.
        output_size: the output's spatial sizes, or its whole shape, where stride leaves several open.

    Returns:
        An array of the input's dtype: the values among zeros; the last in raster order where indices meet.

    Raises:
        ArgumentError: other dimensions or shapes, an output_size that no pooling can have had, or an index outside.
        TypeError: another dtype, or sizes that are not integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> values, indices = I.max_pool2d(np.arange(4.0).reshape(1, 2, 2), 2, return_indices=True)
        >>> I.max_unpool2d(values, indices, 2)
        array([[[0., 0.],
                [0., 3.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put maxima back where `max_pool3d` found them: `max_unpool2d` for input (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> values, indices = I.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2, return_indices=True)
        >>> I.max_unpool3d(values, indices, 2)[0, 1]
        array([[0., 0.],
               [0., 7.]])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def spatial_pyramid_pool(input: ArrayLike, levels: Sequence[int] = (1, 2, 4), mode: str = "max") -> Array:
    """Describe an image of any size by as many numbers. See `fastcnn.ops.spatial_pyramid_pool`.

    Args:
        input: (N, C, H, W) or (C, H, W); every dtype of `max_pool2d`, or of `avg_pool2d` with ``mode="avg"``.
        levels: the sides of the grids.
        mode: "max" or "avg".

    Returns:
        (N, C Σ level²) or (C Σ level²,): level by level, each flattened as (C, level, level).

    Raises:
        ArgumentError: other dimensions, no level or one below 1, or another mode.
        TypeError: a dtype that the mode does not take.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.spatial_pyramid_pool(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), levels=(1, 2))
        array([15,  5,  7, 13, 15], dtype=uint8)
    """
    array = np.asarray(input)
    _pooling.check_dimensions("spatial_pyramid_pool", "input", array.shape, 2)
    grids = _pooling.check_levels(levels, mode)
    pool = (lambda s: _adaptive_max(2, array, s, False)) if mode == "max" else (lambda s: _adaptive_avg(2, array, s))
    size = array.shape[-3]
    return np.concatenate([pool(g).reshape(*array.shape[:-3], size * g * g) for g in grids], -1)
