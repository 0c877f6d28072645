"""Convolutions of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _convolution as _c
from fastcnn import _core
from fastcnn._convolution import Size


def _convolve(
    dims: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
    output_padding: Size | None = None,
) -> NDArray[Any]:
    transposed = output_padding is not None
    op = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    image, filters = np.asarray(input), np.asarray(weight)
    kernel = _c.kernel_size(op, filters, dims)
    geometry = _c.geometry(op, kernel, stride, padding, dilation, named=not transposed)
    batched = _c.batched(op, image, dims)
    if not batched:
        image = image[None]
    offsets, count = None if bias is None else np.asarray(bias), _c.group_count(groups, op)
    if output_padding is None:
        result = _core.convolution(image, filters, offsets, *geometry, count)
    else:
        size = _c.transposed_output_size(op, image.shape[2:], kernel, geometry, output_padding)
        result = _core.convolution_transpose(image, filters, offsets, size, *geometry, count)
    return result if batched else result[0]


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> NDArray[Any]:
    """Convolve signals of shape (N, C, L) or (C, L) with filters (K, C / groups, k); otherwise as `conv2d`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]]))
        array([[1., 2., 4.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> NDArray[Any]:
    """Convolve images with filters (a cross-correlation, as in networks). See `fastcnn.ops.conv2d`.

    Args:
        input: (N, C, H, W) or (C, H, W): float16, float32 or float64. Any strides: an image (N, H, W, C) is passed as
            ``np.moveaxis(image, -1, 1)``, which costs no copy and is the fastest layout.
        weight: (K, C / groups, kernel_h, kernel_w), of the input's dtype.
        bias: (K), or None.
        stride: step of the filters, at least 1; one number or (h, w), as the next two.
        padding: zeros around the image, "same" (the result has the input's size; only with stride 1) or "valid" (none).
        dilation: distance between the filter's taps.
        groups: splits channels and filters into so many convolutions beside each other; K = C = groups is depthwise.

    Returns:
        A contiguous array (N, K, H', W') of the input's dtype with
        H' = (H + 2 padding - dilation (kernel_h - 1) - 1) // stride + 1.

    Raises:
        ArgumentError: where sizes do not fit each other, groups divide neither channels nor filters, or the result
            would be empty though the input is not; the text names the argument.
        TypeError: for arrays of different dtypes, or of a dtype that is not floating.

    Algorithms, accuracy, complexity, determinism, scratch memory and references are those of `fastcnn.ops.conv2d`;
    `fastcnn.set_conv_algorithm` chooses for both.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)
        array([[[4., 6., 4.],
                [6., 9., 6.],
                [4., 6., 4.]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> NDArray[Any]:
    """Convolve volumes of shape (N, C, D, H, W) or (C, D, H, W); otherwise as `conv2d`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv3d(np.ones((1, 3, 3, 3)), np.ones((2, 1, 3, 3, 3))).ravel()
        array([27., 27.])
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> NDArray[Any]:
    """Convolve signals of shape (N, C, L) or (C, L) with the transpose of `conv1d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv_transpose1d(np.array([[1.0, 2.0]]), np.ones((1, 1, 2)), stride=2)
        array([[1., 1., 2., 2.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups, output_padding)


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> NDArray[Any]:
    """Convolve with the transpose (the input's gradient) of `conv2d`. See `fastcnn.ops.conv_transpose2d`.

    Args:
        input: (N, C, H, W) or (C, H, W), as for `conv2d`.
        weight: (C, K / groups, kernel_h, kernel_w).
        bias: (K), or None.
        stride: distance of the input's pixels in the result.
        padding: what is cut off around the result.
        output_padding: what is added at its end, below stride or dilation: a stride leaves the size open.
        groups: as for `conv2d`.
        dilation: distance between the filter's taps.

    Returns:
        A contiguous array (N, K, H', W') with
        H' = (H - 1) stride - 2 padding + dilation (kernel_h - 1) + output_padding + 1.

    Raises:
        ArgumentError: where sizes do not fit each other or the result would be empty.
        TypeError: for arrays of different dtypes, or of a dtype that is not floating.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv_transpose2d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2, 2)), stride=2)
        array([[[1., 1., 2., 2.],
                [1., 1., 2., 2.]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups, output_padding)


def conv_transpose3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> NDArray[Any]:
    """Convolve volumes with the transpose of `conv3d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.conv_transpose3d(np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1, 3))).shape
        (1, 1, 1, 3)
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups, output_padding)
