"""Connected components and region tables on NumPy arrays; `fastcnn.ops.labeling` says more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core
from fastcnn._errors import ArgumentError


def label(
    mask: ArrayLike, connectivity: int | None = None, return_num: bool = False, spatial_dims: int = 2
) -> NDArray[np.int32] | tuple[NDArray[np.int32], int | NDArray[np.int32]]:
    """Number the connected components of each image's non-zero pixels. See `fastcnn.ops.label`.

    The count that `return_num` adds is an int for one image, an array for a batch.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.label(np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]]))
        array([[1, 0, 0, 2],
               [0, 1, 0, 2],
               [0, 0, 0, 0],
               [3, 3, 0, 0]], dtype=int32)
        >>> I.label(np.eye(3), connectivity=1, return_num=True)[1]
        3
    """
    rank = spatial_dims if connectivity is None else connectivity
    labels, counts = _core.label(np.asarray(mask), rank, spatial_dims)
    if not return_num:
        return labels
    return labels, counts if counts.ndim else int(counts)


class Relabeling(NamedTuple):
    """What `relabel_sequential` returns; see `fastcnn.ops.labeling.Relabeling`."""

    labels: NDArray[Any]
    inverse_map: NDArray[Any]
    count: NDArray[np.int32]  # type: ignore[assignment]  # hides tuple.count


def _largest(labels: NDArray[Any]) -> int:
    return max(0, int(labels.max())) if labels.size and labels.dtype.kind in "biu" else 0


def relabel_sequential(labels: ArrayLike, max_labels: int | None = None, spatial_dims: int = 2) -> Relabeling:
    """Renumber each image's labels to 1, 2, …, in the order of their values. See `fastcnn.ops.relabel_sequential`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> new, inverse_map, count = I.relabel_sequential(np.array([[7, 7, 0], [0, 3, 99]]))
        >>> new
        array([[2, 2, 0],
               [0, 1, 3]])
        >>> inverse_map
        array([ 0,  3,  7, 99])
    """
    old = np.asarray(labels)
    if max_labels is not None:
        return Relabeling(*_core.relabel_sequential(old, max_labels, spatial_dims))
    rows = min(_largest(old), int(np.prod(old.shape[-spatial_dims:])))
    new, inverse, count = _core.relabel_sequential(old, rows, spatial_dims)
    return Relabeling(new, inverse[..., : int(count.max(initial=0)) + 1].copy(), count)


def clear_border(labels: ArrayLike, spatial_dims: int = 2) -> NDArray[Any]:
    """Remove the objects that touch each image's border. See `fastcnn.ops.clear_border`.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.clear_border(np.array([[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0], [3, 0, 0, 0]]))
        array([[0, 0, 0, 0],
               [0, 0, 2, 0],
               [0, 0, 2, 0],
               [0, 0, 0, 0]])
    """
    return _core.clear_border(np.asarray(labels), spatial_dims)


class RegionTable(NamedTuple):
    """One row per label, after the batch's dimensions; see `fastcnn.ops.labeling.RegionTable`."""

    label: NDArray[np.int64]
    count: NDArray[np.int32]  # type: ignore[assignment]  # hides tuple.count
    area: NDArray[np.int64]
    bbox: NDArray[np.float32]
    centroid: NDArray[np.float32]
    intensity_mean: NDArray[Any] | None
    intensity_min: NDArray[Any] | None
    intensity_max: NDArray[Any] | None


def region_table(
    labels: ArrayLike, intensity: ArrayLike | None = None, max_labels: int | None = None, spatial_dims: int = 2
) -> RegionTable:
    """Measure every label of each image in one pass. See `fastcnn.ops.region_table`.

    Without `max_labels` there is a row for each label that is there; with it, row n - 1 is label n.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> table = I.region_table(np.array([[0, 5, 5], [9, 5, 5]]))
        >>> table.label
        array([5, 9])
        >>> table.area
        array([4, 1])
        >>> table.bbox
        array([[1., 0., 3., 2.],
               [0., 1., 1., 2.]], dtype=float32)
    """
    image = np.asarray(labels)
    values = None if intensity is None else np.asarray(intensity)
    if max_labels is not None:
        return _measure(image, values, max_labels, spatial_dims)
    largest = _largest(image)
    if largest <= int(np.prod(image.shape[-spatial_dims:])):
        table = _measure(image, values, largest, spatial_dims)
        if ((table.area > 0).sum(-1) == table.count).all():
            return table
    if largest >= 1 << 63:
        raise ArgumentError(
            "region_table: expected labels of at most 2^63 - 1; relabel_sequential makes them 1, 2, ..."
        )
    ranks, found, count = relabel_sequential(np.maximum(image, 0), spatial_dims=spatial_dims)
    table = _measure(ranks, values, found.shape[-1] - 1, spatial_dims)
    return table._replace(label=found[..., 1:].astype(np.int64), count=count)


def _measure(labels: NDArray[Any], values: NDArray[Any] | None, rows: int, spatial_dims: int) -> RegionTable:
    """Labels 1 to `rows`, whether they are there or not."""
    count, area, bbox, centroid, mean, least, most, *_ = _core.region_table(labels, values, rows, spatial_dims)
    label = np.where(area > 0, np.arange(1, rows + 1, dtype=np.int64), 0)
    if values is None:
        return RegionTable(label, count, area, bbox, centroid, None, None, None)
    return RegionTable(label, count, area, bbox, centroid, mean, least, most)
