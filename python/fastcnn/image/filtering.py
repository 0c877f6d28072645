"""Linear filters on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _arguments, _core


@_arguments.channelwise
def gaussian_blur(
    image: ArrayLike,
    sigma: float | Sequence[float],
    truncate: float = 4.0,
    border: str = "reflect",
    *,
    spatial_dims: int | None = None,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Blur each image with a Gaussian, as `scipy.ndimage.gaussian_filter`. See `fastcnn.ops.gaussian_blur`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``: uint8, uint16, int16, int32, float16, float32 or
            float64.
        sigma: standard deviation in pixels, for all spatial axes,
            or one per axis ([z,] y, x). 0 leaves an axis as it is.
        truncate: where the taps end, in standard deviations.
        border: "reflect", "mirror", "replicate" or "constant" (zero).
        spatial_dims: 2 or 3; by default as many as sigma has numbers, 2 for one.
        channel_axis: where colour stands, if not before the spatial axes.

    Returns:
        An array of the image's shape and dtype; integers are rounded to nearest, ties to even.

    Raises:
        ArgumentError: for sigma or truncate out of range, or another border.
        TypeError: for another dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.gaussian_blur(np.array([[0, 0, 0], [0, 100, 0], [0, 0, 0]], np.uint8), 0.5)
        array([[ 1,  8,  1],
               [ 8, 62,  8],
               [ 1,  8,  1]], dtype=uint8)
    """
    if spatial_dims is None:
        spatial_dims = len(sigma) if isinstance(sigma, Sequence) else 2
    sigmas = _arguments.numbers(sigma, spatial_dims, "gaussian_blur", "sigma")
    return _core.gaussian_blur(np.asarray(image), sigmas, float(truncate), border)
