"""Distance transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

from fastcnn._arguments import numbers
from fastcnn._dispatch import Array, native

__all__ = ["distance_transform_edt"]


@overload
def distance_transform_edt(
    mask: Array,
    sampling: float | Sequence[float] | None = ...,
    return_indices: Literal[False] = ...,
    squared: bool = ...,
    spatial_dims: int = ...,
) -> Array: ...


@overload
def distance_transform_edt(
    mask: Array,
    sampling: float | Sequence[float] | None,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[Array, Array]: ...


@overload
def distance_transform_edt(
    mask: Array,
    sampling: float | Sequence[float] | None = ...,
    *,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[Array, Array]: ...


def distance_transform_edt(
    mask: Array,
    sampling: float | Sequence[float] | None = None,
    return_indices: bool = False,
    squared: bool = False,
    spatial_dims: int = 2,
) -> Array | tuple[Array, Array]:
    """Compute the exact Euclidean distance of every non-zero pixel to the nearest zero.

    As `scipy.ndimage.distance_transform_edt`, for a batch. Distances come from exact integer squares and are rounded
    once; an image without a zero is +inf throughout.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``, of any dtype; NaN is non-zero.
        sampling: the extent of a pixel along each spatial axis, in the unit of the result; one number
            for all; default 1. Arithmetic is then in float64.
        return_indices: also return the coordinates of the nearest zero; among equally near ones, the first in C order
            (smallest z, then y, then x; with sampling, any of those that are equal within float64's rounding). -1 where
            there is none.
        squared: return squared distances as int32. Takes no sampling.
        spatial_dims: 2 or 3.

    Returns:
        Distances, float32 of the mask's shape; with ``return_indices`` also int64 (..., spatial_dims, [D,] H, W) in the
        order ([z,] y, x).

    Raises:
        ArgumentError: for another ``spatial_dims``, sampling that is not positive or outside [1e-100, 1e100],
            ``squared`` with sampling, or a squared distance that does not fit int32 (an image without a zero among
            them).

    Complexity: O(pixels * log(size of an axis)) at worst, in practice about O(pixels) for any distances. Scratch:
    a few bytes per pixel, less for large images; no more than 24 where an axis is very short.
    Gradient: none; the result is piecewise constant in the mask. Deterministic, equal on every ISA and for any number
    of threads.

    Reference:
        A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance transforms in linear time",
        2000.
        A. Aggarwal, M. Klawe, S. Moran, P. Shor, R. Wilber, "Geometric applications of a matrix-searching algorithm",
        1987.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.distance_transform_edt(np.array([[0, 1, 1], [1, 1, 1]]), squared=True)
        array([[0, 1, 4],
               [1, 2, 5]], dtype=int32)
    """
    op = "distance_transform_edt"
    spacing = None if sampling is None else numbers(sampling, spatial_dims, op, "sampling")
    if return_indices:
        distance, indices = native(f"{op}_indices", mask, spacing, squared, spatial_dims)
        return distance, indices
    result: Array = native(op, mask, spacing, squared, spatial_dims)
    return result
