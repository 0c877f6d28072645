"""Local extrema and peaks on NumPy arrays; `fastcnn.ops.peaks` says more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core


def _optional(labels: ArrayLike | None) -> NDArray[Any] | None:
    return None if labels is None else np.asarray(labels)


def local_maxima(image: ArrayLike, connectivity: int | None = None, spatial_dims: int = 2) -> NDArray[np.bool_]:
    """Find the local maxima: connected pixels of one value whose neighbours are all lower.

    As `skimage.morphology.local_maxima`, for a batch. See `fastcnn.ops.local_maxima`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN counts as lower than everything.
        connectivity: 1 to `spatial_dims`, or 4, 8; 6, 18, 26. None: all neighbours.
        spatial_dims: 2 or 3.

    Returns:
        bool, of the image's shape.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.local_maxima(np.array([[1, 1, 0, 2], [1, 1, 0, 0]])).astype(int)
        array([[1, 1, 0, 1],
               [1, 1, 0, 0]])
    """
    rank = spatial_dims if connectivity is None else connectivity
    return _core.local_maxima(np.asarray(image), rank, spatial_dims)


def local_minima(image: ArrayLike, connectivity: int | None = None, spatial_dims: int = 2) -> NDArray[np.bool_]:
    """Find the local minima: connected pixels of one value whose neighbours are all higher.

    As `skimage.morphology.local_minima`, for a batch. See `fastcnn.ops.local_minima`.

    Args:
        image: as `local_maxima`; NaN counts as higher than everything.
        connectivity: as `local_maxima`.
        spatial_dims: 2 or 3.

    Returns:
        bool, of the image's shape.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.local_minima(np.array([[1, 1, 0, 2], [1, 1, 0, 0]])).astype(int)
        array([[0, 0, 1, 0],
               [0, 0, 1, 1]])
    """
    rank = spatial_dims if connectivity is None else connectivity
    return _core.local_minima(np.asarray(image), rank, spatial_dims)


def peak_local_max(
    image: ArrayLike,
    min_distance: int = 1,
    threshold_abs: float | None = None,
    labels: ArrayLike | None = None,
    spatial_dims: int = 2,
) -> NDArray[np.int64]:
    """Find peaks: pixels that are highest within `min_distance` along every axis, and that far from one another.

    As `skimage.feature.peak_local_max` with ``exclude_border=False``, for a batch; the peaks of all labels are ordered
    together. See `fastcnn.ops.peak_local_max`.

    Args:
        image: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype.
        min_distance: at least 1, in pixels (Chebyshev).
        threshold_abs: peaks are above this; None: above the least value of their image.
        labels: integers of the image's shape: each label above 0 is searched by itself, the rest not at all.
        spatial_dims: 2 or 3.

    Returns:
        int64 (N, image.ndim): rows (batch..., [z,] y, x), image by image by falling value, then by index.

    Raises:
        ArgumentError: too few dimensions, `min_distance` below 1, or labels of another shape.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.peak_local_max(np.array([[0, 3, 0, 0, 5], [0, 0, 0, 0, 0]]))
        array([[0, 4],
               [0, 1]])
    """
    return _core.peak_local_max(np.asarray(image), min_distance, threshold_abs, _optional(labels), spatial_dims)


def peak_local_max_padded(
    image: ArrayLike,
    max_peaks: int,
    min_distance: int = 1,
    threshold_abs: float | None = None,
    labels: ArrayLike | None = None,
    spatial_dims: int = 2,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find peaks as `peak_local_max` does, in a fixed shape. See `fastcnn.ops.peak_local_max_padded`.

    Args:
        image: as `peak_local_max`.
        max_peaks: rows per image; the highest peaks are kept.
        min_distance: as `peak_local_max`.
        threshold_abs: as `peak_local_max`.
        labels: as `peak_local_max`.
        spatial_dims: 2 or 3.

    Returns:
        Coordinates, int64 (..., max_peaks, spatial_dims), -1 behind the last peak; and counts, int64 (...).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.peak_local_max_padded(np.array([[0, 3, 0, 0, 5], [0, 0, 0, 0, 0]]), max_peaks=3)[0]
        array([[ 0,  4],
               [ 0,  1],
               [-1, -1]])
    """
    return _core.peak_local_max_padded(
        np.asarray(image), max_peaks, min_distance, threshold_abs, _optional(labels), spatial_dims
    )
