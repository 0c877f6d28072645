"""Distance transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor

from fastcnn import _arguments
from fastcnn._torch.register import register_op

_NAME = "distance_transform_edt"


def _distances(mask: Tensor, sampling: object, squared: bool, spatial_dims: int) -> Tensor:
    return mask.new_empty(mask.shape, dtype=torch.int32 if squared else torch.float32)


def _with_indices(mask: Tensor, sampling: object, squared: bool, spatial_dims: int) -> tuple[Tensor, Tensor]:
    split = mask.ndim - spatial_dims
    shape = (*mask.shape[:split], spatial_dims, *mask.shape[split:])
    return _distances(mask, sampling, squared, spatial_dims), mask.new_empty(shape, dtype=torch.int64)


_edt = register_op("distance_transform_edt", fake=_distances)
_edt_indices = register_op("distance_transform_edt_indices", fake=_with_indices)


@overload
def distance_transform_edt(
    mask: Tensor,
    sampling: float | Sequence[float] | None = ...,
    return_indices: Literal[False] = ...,
    squared: bool = ...,
    spatial_dims: int = ...,
) -> Tensor: ...
@overload
def distance_transform_edt(
    mask: Tensor,
    sampling: float | Sequence[float] | None,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[Tensor, Tensor]: ...
@overload
def distance_transform_edt(
    mask: Tensor,
    sampling: float | Sequence[float] | None = ...,
    *,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[Tensor, Tensor]: ...
def distance_transform_edt(
    mask: Tensor,
    sampling: float | Sequence[float] | None = None,
    return_indices: bool = False,
    squared: bool = False,
    spatial_dims: int = 2,
) -> Tensor | tuple[Tensor, Tensor]:
    """Compute the exact Euclidean distance of every non-zero pixel to the nearest zero.

    As `scipy.ndimage.distance_transform_edt`, for a batch. Distances come from exact integer squares and are rounded
    once; an image without a zero is +inf throughout.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``, of any dtype; NaN is non-zero.
        sampling: the extent of a pixel along each spatial axis, in the unit that the result shall have; one number
            for all; default 1. Arithmetic is then in float64.
        return_indices: also return the coordinates of the nearest zero; of equally near ones, of the first in C order
            (least z, then y, then x; with sampling, of those that float64's rounding cannot tell apart, any). -1 where
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

    Complexity: O(pixels * log(size of an axis)) at worst, in practice about O(pixels) whatever the distances. Scratch:
    a few bytes per pixel, less for large images; no more than 24 where an axis is very short.
    Gradient: none; the result is piecewise constant in the mask. Deterministic, equal on every ISA and for any number
    of threads.

    Reference:
        A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance transforms in linear time",
        2000.
        A. Aggarwal, M. Klawe, S. Moran, P. Shor, R. Wilber, "Geometric applications of a matrix-searching algorithm",
        1987.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.distance_transform_edt(torch.tensor([[0, 1, 1], [1, 1, 1]]), squared=True)
        tensor([[0, 1, 4],
                [1, 2, 5]], dtype=torch.int32)
    """
    spacing = None if sampling is None else _arguments.numbers(sampling, spatial_dims, _NAME, "sampling")
    if return_indices:
        distance, indices = _edt_indices(mask, spacing, squared, spatial_dims)
        return distance, indices
    result: Tensor = _edt(mask, spacing, squared, spatial_dims)
    return result
