"""Removal of small objects and of holes. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _mask_fake(mask: Tensor, *_: object) -> Tensor:
    return mask.new_empty(mask.shape, dtype=torch.bool)


_fill_holes = register_op("fill_holes", fake=_mask_fake)


def fill_holes(mask: Tensor, spatial_dims: int = 2) -> Tensor:
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
        >>> import torch, fastcnn.ops as F
        >>> F.fill_holes(torch.tensor([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]])).int()
        tensor([[0, 1, 1, 1],
                [0, 1, 1, 1],
                [0, 1, 1, 1]], dtype=torch.int32)
    """
    result: Tensor = _fill_holes(mask, spatial_dims)
    return result


def _objects_fake(mask: Tensor, *_: object) -> Tensor:
    return mask.new_empty(mask.shape)


_remove_small_objects = register_op("remove_small_objects", fake=_objects_fake)


def remove_small_objects(mask: Tensor, min_size: int, connectivity: int | None = None, spatial_dims: int = 2) -> Tensor:
    """Remove the objects of `min_size` pixels or fewer: `skimage.morphology.remove_small_objects`.

    The bound is inclusive, as `max_size` is in scikit-image 0.26.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``. In a bool image objects are the connected
            components; in an integer one the labels, wherever their pixels lie (so a 0-and-1 integer image has one
            object, as in scikit-image).
        min_size: in pixels; objects of this size go too. 0 removes nothing.
        connectivity: of bool images: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number
            of neighbours: 4 or 8; 6, 18 or 26. None: 1.
        spatial_dims: 2 or 3; all dimensions before those are batch.

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
        >>> import torch, fastcnn.ops as F
        >>> mask = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=torch.bool)
        >>> F.remove_small_objects(mask, 1).int()
        tensor([[1, 1, 0, 0],
                [1, 0, 0, 0]], dtype=torch.int32)
        >>> F.remove_small_objects(torch.tensor([[5, 5, 0, 2], [0, 0, 5, 2]]), 2)
        tensor([[5, 5, 0, 0],
                [0, 0, 5, 0]])
    """
    result: Tensor = _remove_small_objects(mask, min_size, 1 if connectivity is None else connectivity, spatial_dims)
    return result


_remove_small_holes = register_op("remove_small_holes", fake=_mask_fake)


def remove_small_holes(mask: Tensor, max_size: int, connectivity: int | None = None, spatial_dims: int = 2) -> Tensor:
    """Fill the connected sets of `max_size` zero pixels or fewer: `skimage.morphology.remove_small_holes`.

    Sets that touch the image's border count as holes too, as in scikit-image. The bound is inclusive, as in
    scikit-image 0.26.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype, non-zero (NaN too) is object.
        max_size: in pixels; holes of this size are filled too. 0 fills nothing.
        connectivity: of the zero pixels: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the
            number of neighbours: 4 or 8; 6, 18 or 26. None: 1.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        bool, of the mask's shape.

    Raises:
        ArgumentError: a negative size, an unknown connectivity, too few dimensions, or 2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels. 4.3 bytes of scratch per pixel (2.3 with full connectivity), more in images narrower than
        64 pixels (up to 24).

    Gradient: none; the result is bool. Deterministic.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.remove_small_holes(torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]]), 1).int()
        tensor([[1, 1, 1, 1],
                [1, 1, 1, 0],
                [1, 1, 0, 0]], dtype=torch.int32)
    """
    result: Tensor = _remove_small_holes(mask, max_size, 1 if connectivity is None else connectivity, spatial_dims)
    return result
