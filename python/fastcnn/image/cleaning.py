"""Removal of small objects and of holes on NumPy arrays; `fastcnn.ops.cleaning` says more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core


def fill_holes(mask: ArrayLike, spatial_dims: int = 2) -> NDArray[np.bool_]:
    """Fill the holes of each image's objects. See `fastcnn.ops.fill_holes`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.fill_holes(np.array([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]])).astype(int)
        array([[0, 1, 1, 1],
               [0, 1, 1, 1],
               [0, 1, 1, 1]])
    """
    return _core.fill_holes(np.asarray(mask), spatial_dims)


def remove_small_objects(
    mask: ArrayLike, min_size: int, connectivity: int | None = None, spatial_dims: int = 2
) -> NDArray[Any]:
    """Remove the objects of `min_size` pixels or fewer. See `fastcnn.ops.remove_small_objects`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.remove_small_objects(np.array([[1, 1, 0, 0], [1, 0, 0, 1]], bool), 1).astype(int)
        array([[1, 1, 0, 0],
               [1, 0, 0, 0]])
    """
    return _core.remove_small_objects(
        np.asarray(mask), min_size, 1 if connectivity is None else connectivity, spatial_dims
    )


def remove_small_holes(
    mask: ArrayLike, max_size: int, connectivity: int | None = None, spatial_dims: int = 2
) -> NDArray[np.bool_]:
    """Fill the connected sets of `max_size` zero pixels or fewer. See `fastcnn.ops.remove_small_holes`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.remove_small_holes(np.array([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]]), 1).astype(int)
        array([[1, 1, 1, 1],
               [1, 1, 1, 0],
               [1, 1, 0, 0]])
    """
    return _core.remove_small_holes(
        np.asarray(mask), max_size, 1 if connectivity is None else connectivity, spatial_dims
    )
