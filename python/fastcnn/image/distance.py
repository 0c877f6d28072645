"""Distance transforms on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _arguments, _core


@overload
def distance_transform_edt(
    mask: ArrayLike,
    sampling: float | Sequence[float] | None = ...,
    return_indices: Literal[False] = ...,
    squared: bool = ...,
    spatial_dims: int = ...,
) -> NDArray[Any]: ...
@overload
def distance_transform_edt(
    mask: ArrayLike,
    sampling: float | Sequence[float] | None,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
@overload
def distance_transform_edt(
    mask: ArrayLike,
    sampling: float | Sequence[float] | None = ...,
    *,
    return_indices: Literal[True],
    squared: bool = ...,
    spatial_dims: int = ...,
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
def distance_transform_edt(
    mask: ArrayLike,
    sampling: float | Sequence[float] | None = None,
    return_indices: bool = False,
    squared: bool = False,
    spatial_dims: int = 2,
) -> Any:
    """Compute the exact Euclidean distance of every non-zero pixel to the nearest zero.

    As `scipy.ndimage.distance_transform_edt`, for a batch; an image without a zero is +inf throughout. See
    `fastcnn.ops.distance_transform_edt`.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``, of any dtype; NaN is non-zero.
        sampling: the extent of a pixel along each spatial axis; one number for all; default 1.
        return_indices: also return the coordinates of the nearest zero; of equally near ones, of the first in C order
            (least z, then y, then x); -1 where there is none.
        squared: return squared distances as int32. Takes no sampling.
        spatial_dims: 2 or 3.

    Returns:
        float32 of the mask's shape (int32 if ``squared``); with ``return_indices`` also int64
        (..., spatial_dims, [D,] H, W) in the order ([z,] y, x).

    Raises:
        ArgumentError: for sampling that is not positive, ``squared`` with sampling, or squares beyond int32.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.distance_transform_edt(np.array([[0, 1, 1], [1, 1, 1]]), squared=True)
        array([[0, 1, 4],
               [1, 2, 5]], dtype=int32)
    """
    op = "distance_transform_edt"
    spacing = None if sampling is None else _arguments.numbers(sampling, spatial_dims, op, "sampling")
    kernel = _core.distance_transform_edt_indices if return_indices else _core.distance_transform_edt
    return kernel(np.asarray(mask), spacing, squared, spatial_dims)
