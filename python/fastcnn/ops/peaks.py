"""Local extrema and peaks."""

from __future__ import annotations

from fastcnn._arguments import channelwise
from fastcnn._dispatch import Array, native

__all__ = ["local_maxima", "local_minima", "peak_local_max", "peak_local_max_padded"]


@channelwise
def local_maxima(
    image: Array, connectivity: int | None = None, spatial_dims: int = 2, *, channel_axis: int | None = None
) -> Array:
    """Find the local maxima: connected pixels of equal value whose neighbours are all lower.

    As `skimage.morphology.local_maxima` with ``allow_borders=True``, for a batch: a maximum may touch the border and
    may be a plateau; a constant image has none.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is no maximum and counts as lower
            than everything.
        connectivity: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number of neighbours: 4
            or 8; 6, 18 or 26. None: all.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        bool, of the image's shape.

    Raises:
        ArgumentError: too few dimensions, or an unknown connectivity.

    Complexity: linear in the pixels. Scratch: up to 9 bytes per pixel, if all is plateaus; 4 more for half floats.
    Gradient: none; the result is a mask. Deterministic: the result does not depend on threads or instruction set.

    Reference:
        P. Soille, "Morphological Image Analysis", 2003, 6.3 (regional maxima).

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.local_maxima(np.array([[1, 1, 0, 2], [1, 1, 0, 0]])).astype(int)
        array([[1, 1, 0, 1],
               [1, 1, 0, 0]])
    """
    result: Array = native("local_maxima", image, spatial_dims if connectivity is None else connectivity, spatial_dims)
    return result


@channelwise
def local_minima(
    image: Array, connectivity: int | None = None, spatial_dims: int = 2, *, channel_axis: int | None = None
) -> Array:
    """Find the local minima: connected pixels of equal value whose neighbours are all higher.

    As `skimage.morphology.local_minima`; see `local_maxima`, the mirror image of this op. NaN counts as higher
    than everything.

    Args:
        image: as `local_maxima`.
        connectivity: as `local_maxima`.
        spatial_dims: 2 or 3.
        channel_axis: as `local_maxima`.

    Returns:
        bool, of the image's shape.

    Raises:
        ArgumentError: too few dimensions, or an unknown connectivity.

    Complexity, gradient and determinism: those of `local_maxima`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.local_minima(np.array([[1, 1, 0, 2], [1, 1, 0, 0]])).astype(int)
        array([[0, 0, 1, 0],
               [0, 0, 1, 1]])
    """
    result: Array = native("local_minima", image, spatial_dims if connectivity is None else connectivity, spatial_dims)
    return result


def peak_local_max(
    image: Array,
    min_distance: int = 1,
    threshold_abs: float | None = None,
    labels: Array | None = None,
    spatial_dims: int = 2,
) -> Array:
    """Find peaks: pixels that are highest within `min_distance` along every axis, and that far from one another.

    As `skimage.feature.peak_local_max` with ``exclude_border=False``, for a batch: pixels equal to the maximum of the
    window of 2 min_distance + 1 around them and above the threshold; of equal ones nearer than `min_distance` the first
    is kept. A constant image has none. Unlike there, the peaks of all labels are ordered together.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN is not a peak, and hides pixels
            within `min_distance`.
        min_distance: at least 1, in pixels (Chebyshev).
        threshold_abs: peaks are above this; None: above the minimum of their image.
        labels: integers of the image's shape: each label above 0 is searched separately, other pixels not at all. If a
            label has a constant value, only its pixels thinner than a cross of 3 are peaks.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        int64 (N, image.ndim): rows (batch..., [z,] y, x), image by image by descending value, then by index.

    Raises:
        ArgumentError: too few dimensions, `min_distance` below 1, or labels of another shape.

    Complexity: linear in the pixels, n log n in the candidates. Scratch: one item per pixel, and 8 bytes per candidate.
    Gradient: none; the result is integers. Deterministic: the result does not depend on threads or instruction set. The
    shape depends on the data; `peak_local_max_padded` has a fixed one for graphs.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.peak_local_max(np.array([[0, 3, 0, 0, 5], [0, 0, 0, 0, 0]]))
        array([[0, 4],
               [0, 1]])
    """
    result: Array = native("peak_local_max", image, min_distance, threshold_abs, labels, spatial_dims)
    return result


def peak_local_max_padded(
    image: Array,
    max_peaks: int,
    min_distance: int = 1,
    threshold_abs: float | None = None,
    labels: Array | None = None,
    spatial_dims: int = 2,
) -> tuple[Array, Array]:
    """Find peaks as `peak_local_max` does, in a fixed shape that graphs can hold.

    Args:
        image: as `peak_local_max`.
        max_peaks: rows per image; the highest peaks are kept.
        min_distance: as `peak_local_max`.
        threshold_abs: as `peak_local_max`.
        labels: as `peak_local_max`.
        spatial_dims: 2 or 3.

    Returns:
        Coordinates, int64 (..., max_peaks, spatial_dims), rows ([z,] y, x), -1 after the last peak; and counts, int64
        (...), the number of peaks.

    Raises:
        ArgumentError: as `peak_local_max`, and for a negative `max_peaks`.

    Complexity, gradient and determinism: those of `peak_local_max`.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.peak_local_max_padded(np.array([[0, 3, 0, 0, 5], [0, 0, 0, 0, 0]]), max_peaks=3)
        (array([[ 0,  4],
               [ 0,  1],
               [-1, -1]]), array(2))
    """
    coordinates, counts = native(
        "peak_local_max_padded", image, max_peaks, min_distance, threshold_abs, labels, spatial_dims
    )
    return coordinates, counts
