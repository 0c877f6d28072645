"""Linear filters."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn._arguments import channelwise, numbers
from fastcnn._dispatch import Array, native

__all__ = ["gaussian_blur"]


@channelwise
def gaussian_blur(
    image: Array,
    sigma: float | Sequence[float],
    truncate: float = 4.0,
    border: str = "reflect",
    *,
    spatial_dims: int | None = None,
    channel_axis: int | None = None,
) -> Array:
    """Blur each image with a Gaussian.

    As `scipy.ndimage.gaussian_filter`, for a batch: along every axis the taps exp(-x² / 2 sigma²) for
    abs(x) <= int(truncate * sigma + 0.5), scaled to the sum 1.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``: uint8, uint16, int16, int32, float16, bfloat16,
            float32 or float64.
        sigma: standard deviation in pixels; one number for all spatial axes, or one per axis in the order ([z,] y, x).
            0 leaves an axis as it is.
        truncate: where the taps end, in standard deviations.
        border: what lies outside: "reflect" (edge pixel repeated), "mirror" (not repeated), "replicate" or "constant"
            (zero). A kernel longer than the image meets it repeatedly.
        spatial_dims: 2 or 3; by default as many as sigma has numbers, 2 for one.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        The blurred images, dense, in the image's shape and dtype. Arithmetic is in float32 (float64 for float64);
        integers are rounded to nearest, ties to even, and stay within their range. int32 is exact to 24 bits.

    Raises:
        ArgumentError: for sigma or truncate that is negative, not finite or with a product above 2**20, and for
            another border.
        TypeError: for another dtype, bool among them.

    Complexity: O(pixels * taps) multiply-adds per axis, two passes over cached strips of rows. A kernel longer than an
    axis costs no more than one twice as long as that axis. Scratch: a few rows per thread; at most 8 bytes per pixel
    for narrow or half-precision images, 4 (8 for float64) per axis-0 pass of volumes.
    Gradient: the transposed filter, border included; differentiable any number of times. Deterministic for any number
    of threads; ISAs agree to rounding.

    Reference: P. Getreuer, "A survey of Gaussian convolution algorithms", Image Processing On Line 3, 2013 (the direct
    method, which is exact).

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.gaussian_blur(np.array([[0, 0, 0], [0, 100, 0], [0, 0, 0]], np.uint8), 0.5)
        array([[ 1,  8,  1],
               [ 8, 62,  8],
               [ 1,  8,  1]], dtype=uint8)
    """
    if spatial_dims is None:
        spatial_dims = len(sigma) if isinstance(sigma, Sequence) else 2
    sigmas = numbers(sigma, spatial_dims, "gaussian_blur", "sigma")
    result: Array = native("gaussian_blur", image, sigmas, float(truncate), border)
    return result
