"""Removal of small objects and of holes."""

from __future__ import annotations

from fastcnn._arguments import channelwise
from fastcnn._dispatch import Array, native

__all__ = ["fill_holes", "remove_small_holes", "remove_small_objects"]


@channelwise
def fill_holes(mask: Array, spatial_dims: int = 2, *, channel_axis: int | None = None) -> Array:
    """Fill the holes of each image's objects: `scipy.ndimage.binary_fill_holes`.

    A hole is a set of zero pixels from which no path of edge-adjacent zeros (4 neighbours, 6 in 3-D) leads to the
    image's border.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype, non-zero (NaN too) is object.
        spatial_dims: 2 or 3; all dimensions before those are batch. In 3-D the first and last slice are border.

    Returns:
        bool, of the mask's shape.

    Raises:
        ArgumentError: too few dimensions, or 2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels; 4.3 bytes of scratch per pixel, more in images narrower than 64 pixels (up to 24).

    Gradient: none; the result is bool. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.fill_holes(np.array([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]])).astype(int)
        array([[0, 1, 1, 1],
               [0, 1, 1, 1],
               [0, 1, 1, 1]])
    """
    result: Array = native("fill_holes", mask, spatial_dims)
    return result


@channelwise
def remove_small_objects(
    mask: Array,
    min_size: int,
    connectivity: int | None = None,
    spatial_dims: int = 2,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Remove the objects of `min_size` pixels or fewer: `skimage.morphology.remove_small_objects`.

    The bound is inclusive, as `max_size` is in scikit-image 0.26.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``. In a bool image objects are the connected
            components; in an integer one the labels, wherever their pixels lie (so a 0-and-1 integer image has one
            object, as in scikit-image).
        min_size: in pixels; objects of this size are removed too. 0 removes nothing.
        connectivity: of bool images: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number
            of neighbours: 4 or 8; 6, 18 or 26. None: 1.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        A copy of the mask, of its dtype, 0 where objects were removed; labels are not renumbered.

    Raises:
        TypeError: the mask is neither bool nor integer.
        ArgumentError: a negative size or label, an unknown connectivity, too few dimensions, or 2^31 pixels or more in
            an image.

    Complexity:
        Linear in the pixels (O(n log n) with labels above twice their number). Scratch per pixel: 4.3 bytes for bool
        (2.3 with full connectivity; more in images narrower than 64 pixels, up to 24), 12 for labels.

    Gradient: none; the result is an integer. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> mask = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], np.bool_)
        >>> F.remove_small_objects(mask, 1).astype(int)
        array([[1, 1, 0, 0],
               [1, 0, 0, 0]])
        >>> F.remove_small_objects(np.array([[5, 5, 0, 2], [0, 0, 5, 2]]), 2)
        array([[5, 5, 0, 0],
               [0, 0, 5, 0]])
    """
    result: Array = native(
        "remove_small_objects", mask, min_size, 1 if connectivity is None else connectivity, spatial_dims
    )
    return result


@channelwise
def remove_small_holes(
    mask: Array,
    max_size: int,
    connectivity: int | None = None,
    spatial_dims: int = 2,
    *,
    channel_axis: int | None = None,
) -> Array:
    """Fill the connected sets of `max_size` zero pixels or fewer: `skimage.morphology.remove_small_holes`.

    Sets that touch the image's border count as holes too, as in scikit-image. The bound is inclusive, as in
    scikit-image 0.26.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype, non-zero (NaN too) is object.
        max_size: in pixels; holes of this size are filled too. 0 fills nothing.
        connectivity: of the zero pixels: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the
            number of neighbours: 4 or 8; 6, 18 or 26. None: 1.
        spatial_dims: 2 or 3; all dimensions before those are batch.
        channel_axis: axis of the channels, if not before the spatial dimensions.

    Returns:
        bool, of the mask's shape.

    Raises:
        ArgumentError: a negative size, an unknown connectivity, too few dimensions, or 2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels. 4.3 bytes of scratch per pixel (2.3 with full connectivity), more in images narrower than
        64 pixels (up to 24).

    Gradient: none; the result is bool. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.remove_small_holes(np.array([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]]), 1).astype(int)
        array([[1, 1, 1, 1],
               [1, 1, 1, 0],
               [1, 1, 0, 0]])
    """
    result: Array = native(
        "remove_small_holes", mask, max_size, 1 if connectivity is None else connectivity, spatial_dims
    )
    return result
