"""Deformable convolution."""

from __future__ import annotations

from typing import Any

from fastcnn._arguments import Size, moved, per_axis
from fastcnn._dispatch import Array, cast_to, dtype_name, is_tensor, native
from fastcnn._errors import ArgumentError
from fastcnn.ops.conv import conv2d

__all__ = ["deform_conv2d"]


def deform_conv2d(
    input: Array,
    offset: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    mask: Array | None = None,
) -> Array:
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
    op: str = "deform_conv2d"
    if input.ndim != 4 or weight.ndim != 4:
        raise ArgumentError(
            f"{op}: expected input and weight of 4 dimensions, got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    numbers = [*weight.shape[2:], *per_axis(stride, 2, op, "stride"), *per_axis(padding, 2, op, "padding")]
    numbers += per_axis(dilation, 2, op, "dilation")
    groups, taps = input.shape[1] // max(weight.shape[1], 1), weight.shape[2] * weight.shape[3]
    if groups * weight.shape[1] != input.shape[1] or weight.shape[0] % max(groups, 1) != 0:
        raise ArgumentError(
            f"{op}: expected weight for {input.shape[1]} channels in equal groups, got {tuple(weight.shape)}"
        )
    offset_groups = offset.shape[1] // (2 * taps) if offset.ndim == 4 else 0
    if offset_groups == 0:
        raise ArgumentError(f"{op}: expected offset of a multiple of {2 * taps} channels, got {tuple(offset.shape)}")
    half = dtype_name(input) in ("float16", "bfloat16")
    arrays: list[Any] = [input, offset, mask, weight, bias]
    if half:
        arrays = [array if array is None else cast_to(array, "float32") for array in arrays]
    columns = native("deform_columns", *arrays[:3], numbers, groups, offset_groups)
    kernel = moved(arrays[3], 1, -1).reshape(weight.shape[0], -1, 1, 1)  # tap by tap, as the columns
    convolved: Any = conv2d(columns, kernel, arrays[4], groups=groups)
    convolved = cast_to(convolved, input.dtype) if half else convolved
    result: Array = convolved.contiguous() if is_tensor(convolved) else convolved
    return result
