"""Thresholds on NumPy arrays: one per image, or one per pixel."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _arguments, _core


def threshold_otsu(
    image: ArrayLike, nbins: int = 256, *, spatial_dims: int = 2, channel_axis: int | None = None
) -> NDArray[Any]:
    """Find the threshold of each image that best separates its values into two classes.

    The value of `skimage.filters.threshold_otsu`, for a batch. See `fastcnn.ops.threshold_otsu`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``: any dtype but bool.
        nbins: bins between the least and the greatest value of a float image; integers have one bin per value.
        spatial_dims: 2 or 3.
        channel_axis: where colour stands, if not before the spatial axes; the result has it first.

    Returns:
        An array of the leading dimensions (0-d for one image), of the image's dtype; NaN for float images with NaN or
        infinities.

    Raises:
        ArgumentError: for nbins outside 2..2**20.
        TypeError: for another dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.threshold_otsu(np.array([[1, 2, 2], [9, 8, 9]], np.uint8))
        array(2, dtype=uint8)
    """
    pixels = np.asarray(image)
    if channel_axis is not None:
        pixels = np.moveaxis(pixels, channel_axis, 0)
    return _core.threshold_otsu(pixels, operator.index(nbins), spatial_dims)


@_arguments.channelwise
def threshold_local(
    image: ArrayLike,
    block_size: int = 35,
    method: str = "gaussian",
    offset: float = 0.0,
    *,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Compute a threshold for every pixel: the weighted mean of the block around it, less an offset.

    As `skimage.filters.threshold_local`, for a batch. See `fastcnn.ops.threshold_local`.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32, float16, float32 or float64.
        block_size: side of the block; odd, 1 to 32767.
        method: "gaussian", of sigma = (block_size - 1) / 6, or "mean".
        offset: what is subtracted from the mean.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        The thresholds: float32, or float64 for int32 and float64 images.

    Raises:
        ArgumentError: for another block_size or method, or an offset that is not finite.
        TypeError: for another dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.threshold_local(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8), 3, "mean", offset=0.5)
        array([[0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5]], dtype=float32)
    """
    return _core.threshold_local(np.asarray(image), operator.index(block_size), method, float(offset))


@_arguments.channelwise
def binarize_local(
    image: ArrayLike,
    block_size: int = 35,
    method: str = "gaussian",
    offset: float = 0.0,
    *,
    channel_axis: int | None = None,
) -> NDArray[np.bool_]:
    """Mark the pixels above their local threshold.

    Bit for bit ``image > threshold_local(image, block_size, method, offset)``, without storing the thresholds. See
    `fastcnn.ops.binarize_local`.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32, float16, float32 or float64.
        block_size: side of the block; odd, 1 to 32767.
        method: "gaussian" or "mean"; see `threshold_local`.
        offset: what is subtracted from the mean.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        bool, of the image's shape.

    Raises:
        ArgumentError: for another block_size or method, or an offset that is not finite.
        TypeError: for another dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.binarize_local(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8), 3, "mean")
        array([[False, False, False],
               [False,  True, False],
               [False, False, False]])
    """
    return _core.binarize_local(np.asarray(image), operator.index(block_size), method, float(offset))
