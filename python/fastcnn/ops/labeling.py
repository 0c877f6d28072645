"""Connected components and region tables."""

from __future__ import annotations

import math
import sys
from typing import Any, Generic, Literal, NamedTuple, overload

import numpy as np

from fastcnn._dispatch import Array, is_tensor, native
from fastcnn._errors import ArgumentError

__all__ = ["clear_border", "label", "region_table", "relabel_sequential"]


class Relabeling(NamedTuple, Generic[Array]):
    """The result of `relabel_sequential`."""

    labels: Array
    """The new labels: of the shape and dtype of the old ones."""
    inverse_map: Array
    """(..., N + 1): the old label of each new one; 0 for 0 and behind the image's last label."""
    count: Array  # type: ignore[assignment]  # hides tuple.count
    """int32, of the batch's shape: how many labels each image has."""


class RegionTable(NamedTuple, Generic[Array]):
    """One row per label, after the batch's dimensions. Rows without a label are zero throughout."""

    label: Array
    """int64 (..., N): the labels, rising; 0 in rows without one."""
    count: Array  # type: ignore[assignment]  # hides tuple.count
    """int32, of the batch's shape: the rows in use; with `max_labels` the largest label, which may be above N."""
    area: Array
    """int64 (..., N): pixels."""
    bbox: Array
    """float32 (..., N, 4): (x1, y1, x2, y2), half-open; (..., N, 6) as (x1, y1, z1, x2, y2, z2) in 3-D."""
    centroid: Array
    """float32 (..., N, 2): (y, x) in pixels, as in scikit-image; (..., N, 3) as (z, y, x) in 3-D."""
    intensity_mean: Array | None
    """(..., N), of the intensity's dtype where that is a float, else float32; None without intensity."""
    intensity_min: Array | None
    """(..., N), of the intensity's dtype; None without intensity."""
    intensity_max: Array | None
    """(..., N), of the intensity's dtype; None without intensity."""


@overload
def label(
    mask: Array, connectivity: int | None = ..., return_num: Literal[False] = ..., spatial_dims: int = ...
) -> Array: ...


@overload
def label(
    mask: Array, connectivity: int | None, return_num: Literal[True], spatial_dims: int = ...
) -> tuple[Array, Array]: ...


@overload
def label(
    mask: Array, connectivity: int | None = ..., *, return_num: Literal[True], spatial_dims: int = ...
) -> tuple[Array, Array]: ...


def label(
    mask: Array, connectivity: int | None = None, return_num: bool = False, spatial_dims: int = 2
) -> Array | tuple[Array, Array]:
    """Number the connected components of each image's non-zero pixels.

    Components are numbered from 1 in raster order of their first pixel, image by image: the numbering of
    `scipy.ndimage.label`. Unlike `skimage.measure.label`, touching pixels of different non-zero values are connected.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. Zero (and -0.0) is background, all else
            is object, NaN too.
        connectivity: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number of neighbours: 4
            or 8; 6, 18 or 26. None: all (8 or 26).
        return_num: also return the number of components of each image.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        Labels, int32, of the mask's shape, 0 in the background; with `return_num` also the counts, int32, of the
        batch's shape (0-dimensional for one image).

    Raises:
        ArgumentError: too few dimensions, an unknown connectivity, or 2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels. 2.3 bytes of scratch per pixel (8 and 26 neighbours) or 4.3 (4, 6 and 18); more in images
        narrower than 64 pixels, up to 24.

    Gradient: none; the result is an integer. Deterministic: the result does not depend on threads or instruction set.

    Reference:
        He, Chao, Suzuki, "A run-based two-scan labeling algorithm", 2008, on bit masks; for 8 and 26 neighbours over
        pairs of rows, after Grana, Borghesani, Cucchiara, "Optimized block-based connected components labeling with
        decision trees", 2010.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
        >>> F.label(mask)
        array([[1, 0, 0, 2],
               [0, 1, 0, 2],
               [0, 0, 0, 0],
               [3, 3, 0, 0]], dtype=int32)
        >>> F.label(mask, connectivity=1, return_num=True)[1]
        array(4, dtype=int32)
    """
    rank = spatial_dims if connectivity is None else connectivity
    labels, counts = native("label", mask, rank, spatial_dims)
    return (labels, counts) if return_num else labels


def relabel_sequential(labels: Array, max_labels: int | None = None, spatial_dims: int = 2) -> Relabeling[Array]:
    """Renumber each image's labels to 1, 2, …, in the order of their values; 0 stays 0.

    `skimage.segmentation.relabel_sequential` per image. Its forward map is
    ``torch.searchsorted(inverse_map[: count + 1], old)``; its inverse map is `inverse_map`, padded to one length so
    that batches and graphs can take it.

    Args:
        labels: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; bool or integer, not negative.
        max_labels: N, the rows of the map without that of 0. None takes the largest count in the batch, which reads the
            data: give it in graphs (torch.compile, torch.export). Labels above it are renumbered too, but are missing
            from the map.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        `Relabeling`: the new labels, the map from new to old ones, the counts.

    Raises:
        TypeError: labels are not integers.
        ArgumentError: a negative label, or too few dimensions.

    Complexity:
        Linear in the pixels where no label is above twice their number, else O(n log n). 8 bytes of scratch per
        pixel.

    Gradient: none; the result is an integer. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.relabel_sequential(np.array([[7, 7, 0], [0, 3, 99]]))
        Relabeling(labels=array([[2, 2, 0],
               [0, 1, 3]]), inverse_map=array([ 0,  3,  7, 99]), count=array(3, dtype=int32))
    """
    if max_labels is not None:
        return Relabeling(*native("relabel_sequential", labels, max_labels, spatial_dims))
    rows = min(_largest(labels, "relabel_sequential"), math.prod(labels.shape[-spatial_dims:]))
    new, inverse, count = native("relabel_sequential", labels, rows, spatial_dims)
    used = inverse[..., : (int(count.max()) if 0 not in count.shape else 0) + 1]
    return Relabeling(new, used.clone() if is_tensor(used) else used.copy(), count)


def clear_border(labels: Array, spatial_dims: int = 2) -> Array:
    """Remove the objects that touch each image's border.

    An object is a set of pixels of one non-zero value that are connected (by 8 or 26 neighbours), as in
    `skimage.segmentation.clear_border`: if a label has two parts, only the part at the border is removed.

    Args:
        labels: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; bool or integer.
        spatial_dims: 2 or 3; all dimensions before those are batch. In 3-D the first and last slice are border.

    Returns:
        A copy of the labels, 0 where objects were removed; labels are not renumbered.

    Raises:
        TypeError: labels are neither bool nor integers.
        ArgumentError: too few dimensions, or 2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels. 16 bytes of scratch per pixel; 2.3 for bool.

    Gradient: none; the result is an integer. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.clear_border(np.array([[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0], [3, 0, 0, 0]]))
        array([[0, 0, 0, 0],
               [0, 0, 2, 0],
               [0, 0, 2, 0],
               [0, 0, 0, 0]])
    """
    result: Array = native("clear_border", labels, spatial_dims)
    return result


def region_table(
    labels: Array, intensity: Array | None = None, max_labels: int | None = None, spatial_dims: int = 2
) -> RegionTable[Array]:
    """Measure every label of each image in one pass: `skimage.measure.regionprops` as tensors.

    Args:
        labels: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; bool or integer. 0 and below is background.
        intensity: an image of the labels' shape, any dtype, or None.
        max_labels: None: a row for each label present, however large (N is the maximum count in the batch);
            this reads the data. A number N fixes the shape, as graphs need it (torch.compile, torch.export): row n - 1
            is then label n, zero if that is absent, and memory grows with N. Labels above it are omitted, but
            `count` reflects them; `relabel_sequential` makes sparse labels small.
        spatial_dims: 2 or 3; all dimensions before those are batch. One image without batch gives (N, …) columns and a
            0-dimensional count.

    Returns:
        `RegionTable`; see its attributes for the columns. Boxes follow fastcnn's and torchvision's order
        (x1, y1, x2, y2), not scikit-image's. NaN in a label's intensities makes its mean, minimum and maximum NaN.

    Raises:
        TypeError: labels are neither bool nor integers.
        ArgumentError: shapes that differ, `max_labels` below 0 or above 2^31 - 2, a uint64 label above 2^63 - 1, or
            2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels: one pass, and one more per (pixels / 13) labels. 8 bytes of scratch per pixel. Labels that
        are not 1, 2, ... without a gap are renumbered first, as `relabel_sequential` does.

    Gradient:
        With respect to `intensity`, twice differentiable. That of the mean is shared equally by the label's pixels;
        those of minimum and maximum go to the first such pixel in raster order. Boxes and centroids have none.

    Deterministic: integers are summed exactly; floats in double precision in an order that depends on the image's size
    and N alone.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> labels = np.array([[0, 1, 1], [2, 1, 1]])
        >>> table = F.region_table(labels, np.array([[9.0, 1.0, 2.0], [5.0, 3.0, 4.0]]))
        >>> table.label
        array([1, 2])
        >>> table.area
        array([4, 1])
        >>> table.bbox
        array([[1., 0., 3., 2.],
               [0., 1., 1., 2.]], dtype=float32)
        >>> table.centroid
        array([[0.5, 1.5],
               [1. , 0. ]], dtype=float32)
        >>> table.intensity_mean
        array([2.5, 5. ])
    """
    if max_labels is not None:
        return _measure(labels, intensity, max_labels, spatial_dims)
    largest = _largest(labels, "region_table")
    if largest <= math.prod(labels.shape[-spatial_dims:]):
        table = _measure(labels, intensity, largest, spatial_dims)
        if bool(((table.area > 0).sum(-1) == table.count).all()):
            return table
    if largest >= 1 << 63:
        raise ArgumentError(
            "region_table: expected labels of at most 2^63 - 1; relabel_sequential makes them 1, 2, ..."
        )
    ranks, values, count = relabel_sequential(_not_negative(labels), spatial_dims=spatial_dims)
    table = _measure(ranks, intensity, values.shape[-1] - 1, spatial_dims)
    return table._replace(label=_int64(values[..., 1:]), count=count)


def _measure(labels: Array, intensity: Array | None, rows: int, spatial_dims: int) -> RegionTable[Array]:
    """Measure labels 1 to `rows`, including absent ones."""
    count, area, bbox, centroid, mean, minimum, greatest, _, _ = native(
        "region_table", labels, intensity, rows, spatial_dims
    )
    if is_tensor(area):
        label = sys.modules["torch"].arange(1, rows + 1, device=area.device).where(area > 0, 0)
    else:
        label = np.where(area > 0, np.arange(1, rows + 1, dtype=np.int64), 0)
    if intensity is None:
        return RegionTable(label, count, area, bbox, centroid, None, None, None)
    return RegionTable(label, count, area, bbox, centroid, mean, minimum, greatest)


def _largest(labels: Any, op: str) -> int:
    """Return the largest label, or 0 for no labels and for other dtypes, which the op refuses."""
    if 0 in labels.shape:
        return 0
    if not is_tensor(labels):
        return max(0, int(labels.max())) if labels.dtype.kind in "biu" else 0
    torch = sys.modules["torch"]
    if labels.is_floating_point() or labels.is_complex() or labels.layout != torch.strided:
        return 0
    if labels.is_meta:
        raise ArgumentError(f"{op}: expected max_labels, as a meta tensor has no labels to count")
    if labels.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch has no maximum for these dtypes
        labels = labels.to(torch.int64)
        if int(labels.min()) < 0:  # uint64
            return int(torch.iinfo(torch.uint64).max)
    return max(0, int(labels.max()))


def _not_negative(labels: Any) -> Any:
    if not is_tensor(labels):
        return np.maximum(labels, 0)
    return labels.clamp(min=0) if labels.dtype.is_signed else labels


def _int64(values: Any) -> Any:
    return values.long() if is_tensor(values) else values.astype(np.int64)
