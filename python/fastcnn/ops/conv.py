"""Convolutions."""

from __future__ import annotations

from typing import Any

from fastcnn._arguments import Size
from fastcnn._dispatch import Array, as_batch, native, zeros_like
from fastcnn.ops import _conv_arithmetic as _c

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Convolve signals of shape (N, C, L) or (C, L) with filters (K, C / groups, k); otherwise as `conv2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv1d(torch.tensor([[1.0, 2.0, 4.0, 8.0]]), torch.tensor([[[-1.0, 1.0]]]))
        tensor([[1., 2., 4.]])
    """
    result: Array = _convolve(1, input, weight, bias, stride, padding, dilation, groups)
    return result


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Convolve images with filters, as `torch.nn.functional.conv2d` (which is a cross-correlation).

    Args:
        input: (N, C, H, W) or (C, H, W): float16, bfloat16, float32 or float64, with any strides. channels_last is
            fastest (an array (N, H, W, C) as ``np.moveaxis(image, -1, 1)``); other layouts are converted in bands.
        weight: (K, C / groups, kernel_h, kernel_w), of the input's dtype and device.
        bias: (K), or None.
        stride: step of the filters, at least 1; one number or (h, w), as the next two.
        padding: zeros around the image, "same" (the result has the input's size; only with stride 1) or "valid" (none).
        dilation: distance between the filter's taps.
        groups: splits channels and filters into so many convolutions beside each other; K = C = groups is depthwise.

    Returns:
        (N, K, H', W') with H' = (H + 2 padding - dilation (kernel_h - 1) - 1) // stride + 1, in the input's dtype.
        An array is in C order, a tensor channels_last where input or weight is, (K, H', W') too. An input without
        channels gives a result without channels, as torch.

    Raises:
        ArgumentError: where sizes do not fit each other, groups divide neither channels nor filters, or the result
            would be empty though the input is not; the text names the argument.
        TypeError: for different dtypes or devices, or for a dtype that is not floating.

    Algorithms: depthwise, grouped, few channels, Winograd F(4x4, 3x3), F(2x2, 3x3) and F(3x3, 2x2), and implicit GEMM,
    chosen by shape; `fastcnn.set_conv_algorithm` and FASTCNN_CONV_ALGORITHM override the choice. Arithmetic is in
    float32 (float64 for float64); results are within 3e-5 of the output's root mean square of the exact ones, or twice
    the error of torch.

    NaN and infinities: direct algorithms spread the input's as torch does, to the pixels whose window holds them;
    Winograd spreads them to the whole tile of 4 x 4 results (2 x 2, 3 x 3), and to the tiles that overlap the pixel.
    A weight's reach the results that sum it and no other, in every layout and with every algorithm. The padding is
    zeros, so that an infinite weight over it gives NaN; a transposed convolution has no such zeros. Weights that are
    not finite take the time of a direct algorithm or more; the transposed ones' is the slow reference.

    Complexity: O(N K H' W' C / groups * kernel) multiply-adds; Winograd does one for every
    4 (2.25) of them. Scratch: at most 4 MiB a thread, beside the packed weight; the gradient of a 3x3 weight by
    Winograd takes four times its own size as well.
    Gradient: of input, weight and bias, on native kernels; differentiable any number of times, in reverse and forward
    mode. Deterministic for any number of threads; ISAs agree to rounding.

    References: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; E. Georganas et al.,
    "Anatomy of high-performance deep learning convolutions on SIMD architectures", SC 2018.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv2d(torch.ones(1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)
        tensor([[[4., 6., 4.],
                 [6., 9., 6.],
                 [4., 6., 4.]]])
    """
    result: Array = _convolve(2, input, weight, bias, stride, padding, dilation, groups)
    return result


def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Convolve volumes of shape (N, C, D, H, W) or (C, D, H, W); otherwise as `conv2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv3d(torch.ones(1, 3, 3, 3), torch.ones(2, 1, 3, 3, 3)).flatten()
        tensor([27., 27.])
    """
    result: Array = _convolve(3, input, weight, bias, stride, padding, dilation, groups)
    return result


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Convolve signals of shape (N, C, L) or (C, L) with the transpose of `conv1d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.ones(1, 1, 2), stride=2)
        tensor([[1., 1., 2., 2.]])
    """
    result: Array = _convolve(1, input, weight, bias, stride, padding, dilation, groups, output_padding)
    return result


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Convolve with the transpose (the input's gradient) of `conv2d`, as `torch.nn.functional.conv_transpose2d`.

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
        (N, K, H', W') with H' = (H - 1) stride - 2 padding + dilation (kernel_h - 1) + output_padding + 1.

    Raises:
        ArgumentError: where sizes do not fit each other or the result would be empty.
        TypeError: for different dtypes or devices, or for a dtype that is not floating.

    Complexity: as the convolution of which it is the transpose: one of stride 1 for each phase of the stride. Gradient,
    determinism and scratch as `conv2d`.

    Reference: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose2d(torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1, 2, 2), stride=2)
        tensor([[[1., 1., 2., 2.],
                 [1., 1., 2., 2.]]])
    """
    result: Array = _convolve(2, input, weight, bias, stride, padding, dilation, groups, output_padding)
    return result


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Convolve volumes with the transpose of `conv3d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1, 3)).shape
        torch.Size([1, 1, 1, 3])
    """
    result: Array = _convolve(3, input, weight, bias, stride, padding, dilation, groups, output_padding)
    return result


def _convolve(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
    output_padding: Size | None = None,
) -> Any:
    transposed = output_padding is not None
    op = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    kernel = _c.kernel_size(op, weight, dims)
    geometry = _c.geometry(op, kernel, stride, padding, dilation, named=not transposed)
    groups = _c.group_count(groups, op)
    batched = _c.batched(op, input, dims)
    images = input if batched else as_batch(input)
    if output_padding is not None:
        size = _c.transposed_output_size(op, images.shape[2:], kernel, geometry, output_padding)
        result = native("convolution_transpose", images, weight, bias, size, *geometry, groups)
    elif weight.shape[1] == 0 and images.shape[1] == 0 and weight.shape[0] > 0:
        # As torch: no channels come out, whatever weight and bias say. The sum keeps the gradient, which is zero.
        size = _c.output_size(images.shape[2:], kernel, geometry)
        result = zeros_like(images, [images.shape[0], 0, *size]) + images.sum()
    else:
        result = native("convolution", images, weight, bias, *geometry, groups)
    return result if batched else result.squeeze(0)
