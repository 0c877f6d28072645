"""Thresholds: one per image, or one per pixel."""

from __future__ import annotations

from fastcnn._arguments import channelwise, moved
from fastcnn._dispatch import Array, native

__all__ = ["binarize_local", "threshold_local", "threshold_otsu"]


def threshold_otsu(image: Array, nbins: int = 256, *, spatial_dims: int = 2, channel_axis: int | None = None) -> Array:
    """Find the threshold of each image that best separates its values into two classes.

    The value of `skimage.filters.threshold_otsu`, for a batch: pixels above it are the upper class.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``: any dtype but bool.
        nbins: bins between the minimum and the maximum of a float image; integers have one bin per value. Where
            the range holds too few floats for that many, it is halved until it does (scikit-image raises).
        spatial_dims: 2 or 3.
        channel_axis: axis of the channels, if not before the spatial axes; the result has it first.

    Returns:
        Thresholds of the leading dimensions (0-d for one image), of the image's dtype. A constant image has its
        value; a float image with NaN or infinities has NaN; an empty one NaN, or 0 for integers.

    Raises:
        ArgumentError: for nbins outside 2..2**20.
        TypeError: for another dtype.

    Complexity: O(pixels + bins). Scratch: a table of counts per thread; at most 24 bytes per pixel for integers that
    spread wide, which are sorted where there are more values than pixels. float16 and bfloat16 are counted as float32.
    Gradient: none; the result is piecewise constant. Deterministic, equal on every ISA and for any number of threads.

    Reference: N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9, 1979.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.threshold_otsu(np.array([[1, 2, 2], [9, 8, 9]], np.uint8))
        array(2, dtype=uint8)
    """
    if channel_axis is not None:
        image = moved(image, channel_axis, 0)
    result: Array = native("threshold_otsu", image, nbins, spatial_dims)
    return result


@channelwise
def threshold_local(
    image: Array,
    block_size: int = 35,
    method: str = "gaussian",
    offset: float = 0.0,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Compute a threshold for every pixel: the weighted mean of the block around it, minus an offset.

    As `skimage.filters.threshold_local`, for a batch; the border is reflected (edge pixel repeated).

    Args:
        image: (..., H, W): uint8, uint16, int16, int32, float16, bfloat16, float32 or float64.
        block_size: side of the block; odd, 1 to 32767.
        method: "gaussian", of sigma = (block_size - 1) / 6 and cut at 4 sigma (beyond the block), or "mean".
        offset: value subtracted from the mean.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The thresholds: float32; float64 for int32 and float64 images, whose values float32 cannot represent. Means of
        integers are exact sums, divided once.

    Raises:
        ArgumentError: for another block_size or method, or an offset that is not finite.
        TypeError: for another dtype.

    Complexity: mean O(pixels), nearly independent of the block; Gaussian O(pixels * block_size). Scratch: rows per
    thread; at most 4 bytes per pixel for means of floats (8 for float64; up to 16 where the block exceeds the image).
    Gradient: with respect to image, the same filter (it is symmetric). Deterministic for any number of threads; equal
    on every ISA for means of integers, else to rounding.

    Reference: for float means, M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and
    octagonal kernels", Pattern Recognition Letters 13, 1992, with sums in place of maxima: nothing is subtracted, so
    that nothing cancels.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.threshold_local(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8), 3, "mean", offset=0.5)
        array([[0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5]], dtype=float32)
    """
    result: Array = native("threshold_local", image, block_size, method, float(offset))
    return result


@channelwise
def binarize_local(
    image: Array,
    block_size: int = 35,
    method: str = "gaussian",
    offset: float = 0.0,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Mark the pixels above their local threshold.

    Bit for bit ``image > threshold_local(image, block_size, method, offset)``, without storing the thresholds.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32, float16, bfloat16, float32 or float64.
        block_size: side of the block; odd, 1 to 32767.
        method: "gaussian" or "mean"; see `threshold_local`.
        offset: value subtracted from the mean. Negative values are stricter.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        bool, of the image's shape. NaN, or a block with one, gives False.

    Raises:
        ArgumentError: for another block_size or method, or an offset that is not finite.
        TypeError: for another dtype.

    Complexity and scratch: `threshold_local`'s.
    Gradient: none; the result is bool. Deterministic for any number of threads; equal on every ISA for means of
    integers.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.binarize_local(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8), 3, "mean")
        array([[False, False, False],
               [False,  True, False],
               [False, False, False]])
    """
    result: Array = native("binarize_local", image, block_size, method, float(offset))
    return result
