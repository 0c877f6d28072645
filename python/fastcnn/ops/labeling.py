"""Connected components and region tables. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastcnn._errors import ArgumentError
from fastcnn._torch.register import register_named_tuple_for_export, register_op


def _per_image(images: Tensor, spatial_dims: int, *tail: Any) -> list[Any]:
    return [*images.shape[: images.dim() - spatial_dims], *tail]


def _label_fake(mask: Tensor, connectivity: int, spatial_dims: int) -> tuple[Tensor, Tensor]:
    return (
        mask.new_empty(mask.shape, dtype=torch.int32),
        mask.new_empty(_per_image(mask, spatial_dims), dtype=torch.int32),
    )


_label = register_op("label", fake=_label_fake)


def label(
    mask: Tensor, connectivity: int | None = None, return_num: bool = False, spatial_dims: int = 2
) -> Tensor | tuple[Tensor, Tensor]:
    """Number the connected components of each image's non-zero pixels.

    Components are numbered from 1 in raster order of their first pixel, image by image: the numbering of
    `scipy.ndimage.label`. Unlike `skimage.measure.label`, touching pixels of different non-zero values belong together.

    Args:
        mask: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. Zero (and -0.0) is background, all else
            is object, NaN too.
        connectivity: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number of neighbours: 4
            or 8; 6, 18 or 26. None: all (8 or 26).
        return_num: also return how many components each image has.
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
        >>> import torch, fastcnn.ops as F
        >>> mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
        >>> F.label(mask)
        tensor([[1, 0, 0, 2],
                [0, 1, 0, 2],
                [0, 0, 0, 0],
                [3, 3, 0, 0]], dtype=torch.int32)
        >>> F.label(mask, connectivity=1, return_num=True)[1]
        tensor(4, dtype=torch.int32)
    """
    labels, counts = _label(mask, spatial_dims if connectivity is None else connectivity, spatial_dims)
    return (labels, counts) if return_num else labels


class Relabeling(NamedTuple):
    """What `relabel_sequential` returns."""

    labels: Tensor
    """The new labels: of the shape and dtype of the old ones."""
    inverse_map: Tensor
    """(..., N + 1): the old label of each new one; 0 for 0 and behind the image's last label."""
    count: Tensor  # type: ignore[assignment]  # hides tuple.count
    """int32, of the batch's shape: how many labels each image has."""


def _relabel_fake(labels: Tensor, max_labels: int, spatial_dims: int) -> tuple[Tensor, Tensor, Tensor]:
    return (
        labels.new_empty(labels.shape),
        labels.new_empty(_per_image(labels, spatial_dims, max_labels + 1)),
        labels.new_empty(_per_image(labels, spatial_dims), dtype=torch.int32),
    )


_relabel_sequential = register_op("relabel_sequential", fake=_relabel_fake)


def _largest(labels: Tensor, op: str) -> int:
    no_labels = labels.is_floating_point() or labels.is_complex() or labels.layout != torch.strided
    if labels.numel() == 0 or no_labels:
        return 0  # nothing to see, or the op's own error
    if labels.is_meta:
        raise ArgumentError(f"{op}: expected max_labels, as a meta tensor has no labels to count")
    if labels.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch has no maximum of these
        labels = labels.to(torch.int64)
        if int(labels.min()) < 0:  # uint64
            return int(torch.iinfo(torch.uint64).max)
    return max(0, int(labels.max()))


def relabel_sequential(labels: Tensor, max_labels: int | None = None, spatial_dims: int = 2) -> Relabeling:
    """Renumber each image's labels to 1, 2, …, in the order of their values; 0 stays 0.

    `skimage.segmentation.relabel_sequential` per image. Its forward map, an object there, is
    ``torch.searchsorted(inverse_map[: count + 1], old)``; its inverse map is `inverse_map`, padded to one length so
    that batches and graphs can take it.

    Args:
        labels: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; bool or integer, not negative.
        max_labels: N, the rows of the map without that of 0. None takes the largest count in the batch, which reads the
            data: give it in graphs (torch.compile, torch.export). Labels above it are renumbered all the same, only the
            map lacks them.
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
        >>> import torch, fastcnn.ops as F
        >>> F.relabel_sequential(torch.tensor([[7, 7, 0], [0, 3, 99]]))
        Relabeling(labels=tensor([[2, 2, 0],
                [0, 1, 3]]), inverse_map=tensor([ 0,  3,  7, 99]), count=tensor(3, dtype=torch.int32))
    """
    if max_labels is not None:
        return Relabeling(*_relabel_sequential(labels, max_labels, spatial_dims))
    rows = min(_largest(labels, "relabel_sequential"), labels.shape[-spatial_dims:].numel())
    new, inverse, count = _relabel_sequential(labels, rows, spatial_dims)
    used = int(count.max()) if count.numel() else 0
    return Relabeling(new, inverse[..., : used + 1].clone(), count)


def _clear_border_fake(labels: Tensor, spatial_dims: int) -> Tensor:
    return labels.new_empty(labels.shape)


_clear_border = register_op("clear_border", fake=_clear_border_fake)


def clear_border(labels: Tensor, spatial_dims: int = 2) -> Tensor:
    """Remove the objects that touch each image's border.

    An object is a set of pixels of one non-zero value that are connected (by 8 or 26 neighbours), as in
    `skimage.segmentation.clear_border`: of a label in two parts only the part at the border goes.

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
        >>> import torch, fastcnn.ops as F
        >>> F.clear_border(torch.tensor([[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0], [3, 0, 0, 0]]))
        tensor([[0, 0, 0, 0],
                [0, 0, 2, 0],
                [0, 0, 2, 0],
                [0, 0, 0, 0]])
    """
    result: Tensor = _clear_border(labels, spatial_dims)
    return result


class RegionTable(NamedTuple):
    """One row per label, after the batch's dimensions. Rows without a label are zero throughout."""

    label: Tensor
    """int64 (..., N): the labels, rising; 0 in rows without one."""
    count: Tensor  # type: ignore[assignment]  # hides tuple.count
    """int32, of the batch's shape: the rows in use; with `max_labels` the largest label, which may be above N."""
    area: Tensor
    """int64 (..., N): pixels."""
    bbox: Tensor
    """float32 (..., N, 4): (x1, y1, x2, y2), half-open; (..., N, 6) as (x1, y1, z1, x2, y2, z2) in 3-D."""
    centroid: Tensor
    """float32 (..., N, 2): (y, x) in pixels, as in scikit-image; (..., N, 3) as (z, y, x) in 3-D."""
    intensity_mean: Tensor | None
    """(..., N), of the intensity's dtype where that is a float, else float32; None without intensity."""
    intensity_min: Tensor | None
    """(..., N), of the intensity's dtype; None without intensity."""
    intensity_max: Tensor | None
    """(..., N), of the intensity's dtype; None without intensity."""


register_named_tuple_for_export(RegionTable, "fastcnn.ops.RegionTable")


def _region_table_fake(
    labels: Tensor, intensity: Tensor | None, max_labels: int, spatial_dims: int
) -> tuple[Tensor, ...]:
    dtype = torch.float32 if intensity is None else intensity.dtype
    mean = dtype if dtype.is_floating_point else torch.float32
    rows = _per_image(labels, spatial_dims, max_labels)
    values = _per_image(labels, spatial_dims, 0) if intensity is None else rows
    return (
        labels.new_empty(rows[:-1], dtype=torch.int32),
        labels.new_empty(rows, dtype=torch.int64),
        labels.new_empty([*rows, 2 * spatial_dims], dtype=torch.float32),
        labels.new_empty([*rows, spatial_dims], dtype=torch.float32),
        labels.new_empty(values, dtype=mean),
        labels.new_empty(values, dtype=dtype),
        labels.new_empty(values, dtype=dtype),
        labels.new_empty(values, dtype=torch.int64),
        labels.new_empty(values, dtype=torch.int64),
    )


def _region_table_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    labels, _, _, ctx.spatial_dims = inputs
    count, area, bbox, centroid, _, _, _, argmin, argmax = output
    ctx.mark_non_differentiable(count, area, bbox, centroid, argmin, argmax)
    ctx.save_for_backward(labels, area, argmin, argmax)


def _region_table_vjp(ctx: Any, *grads: Any) -> tuple[Any, ...]:
    labels, area, argmin, argmax = ctx.saved_tensors
    if not ctx.needs_input_grad[1]:
        return None, None, None, None
    _, _, _, _, mean, least, most, _, _ = grads
    grad = _region_table_backward(labels, area, argmin, argmax, mean, least, most, ctx.spatial_dims)
    return None, grad, None, None


def _moved(image: Tensor, labels: Tensor, area: Tensor, argmin: Tensor, argmax: Tensor, dims: int) -> list[Tensor]:
    """Mean, minimum and maximum of another image at the pixels that made them in the first: linear in it."""
    mean = _region_table(labels, image, area.shape[-1], dims)[4]
    pixels = torch.nn.functional.pad(image.flatten(-dims), (1, 0))  # -1, an absent label, sees 0
    return [mean, pixels.gather(-1, argmin + 1), pixels.gather(-1, argmax + 1)]


def _region_table_forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    labels, intensity, most, dims = args
    _, area, _, _, _, _, _, argmin, argmax = _region_table(labels, intensity, most, dims)
    assert tangents[1] is not None
    return None, None, None, None, *_moved(tangents[1], labels, area, argmin, argmax, dims), None, None


_region_table: Callable[..., Any] = register_op(
    "region_table",
    fake=_region_table_fake,
    images=(0, 1),
    setup_context=_region_table_setup,
    backward=_region_table_vjp,
    forward=_region_table_forward,
)


def _region_table_backward_fake(
    labels: Tensor,
    area: Tensor,
    argmin: Tensor,
    argmax: Tensor,
    grad_mean: Tensor,
    grad_min: Tensor,
    grad_max: Tensor,
    spatial_dims: int,
) -> Tensor:
    return labels.new_empty(labels.shape, dtype=grad_mean.dtype)


def _backward_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    labels, area, argmin, argmax, _, _, _, ctx.spatial_dims = inputs
    ctx.save_for_backward(labels, area, argmin, argmax)


def _backward_vjp(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    """The gradient is linear in the table's: its adjoint is the table's own mean, and a look at the extreme pixels."""
    labels, area, argmin, argmax = ctx.saved_tensors
    return None, None, None, None, *_moved(grad, labels, area, argmin, argmax, ctx.spatial_dims), None


_region_table_backward = register_op(
    "_region_table_backward",
    fake=_region_table_backward_fake,
    images=range(7),
    setup_context=_backward_setup,
    backward=_backward_vjp,
)


def region_table(
    labels: Tensor, intensity: Tensor | None = None, max_labels: int | None = None, spatial_dims: int = 2
) -> RegionTable:
    """Measure every label of each image in one pass: `skimage.measure.regionprops` as tensors.

    Args:
        labels: (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; bool or integer. 0 and below is background.
        intensity: an image of the labels' shape, any dtype, or None.
        max_labels: None: a row for each label that is there, however large (N is the greatest number in the batch);
            that reads the data. A number N fixes the shape, as graphs need it (torch.compile, torch.export): row n - 1
            is label n then, zero where that is absent, and memory grows with N. Labels above it are left out, and
            `count` tells of them; `relabel_sequential` brings sparse labels below it.
        spatial_dims: 2 or 3; all dimensions before those are batch. One image without batch gives (N, …) columns and a
            0-dimensional count.

    Returns:
        `RegionTable`, whose attributes say what stands in the columns. Boxes follow fastcnn's and torchvision's order
        (x1, y1, x2, y2), not scikit-image's. NaN in a label's intensities makes its mean, minimum and maximum NaN.

    Raises:
        TypeError: labels are neither bool nor integers.
        ArgumentError: shapes that differ, `max_labels` below 0 or above 2^31 - 2, a uint64 label above 2^63 - 1, or
            2^31 pixels or more in an image.

    Complexity:
        Linear in the pixels: one pass, and one more per (pixels / 13) labels. 8 bytes of scratch per pixel. Labels that
        are not 1, 2, ... without a gap are renumbered first, as `relabel_sequential` does.

    Gradient:
        With respect to `intensity`, twice differentiable. The mean's goes to the label's pixels in equal shares, the
        minimum's and maximum's to the first such pixel in raster order. Boxes and centroids have none.

    Deterministic: integers are summed exactly; floats in double precision in an order that depends on the image's size
    and N alone.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> labels = torch.tensor([[0, 1, 1], [2, 1, 1]])
        >>> table = F.region_table(labels, torch.tensor([[9.0, 1.0, 2.0], [5.0, 3.0, 4.0]]))
        >>> table.label
        tensor([1, 2])
        >>> table.area
        tensor([4, 1])
        >>> table.bbox
        tensor([[1., 0., 3., 2.],
                [0., 1., 1., 2.]])
        >>> table.centroid
        tensor([[0.5000, 1.5000],
                [1.0000, 0.0000]])
        >>> table.intensity_mean
        tensor([2.5000, 5.0000])
    """
    if max_labels is not None:
        return _measure(labels, intensity, max_labels, spatial_dims)
    largest = _largest(labels, "region_table")
    if largest <= labels.shape[-spatial_dims:].numel():
        table = _measure(labels, intensity, largest, spatial_dims)
        if bool(((table.area > 0).sum(-1) == table.count).all()):
            return table
    if largest >= 1 << 63:
        raise ArgumentError(
            "region_table: expected labels of at most 2^63 - 1; relabel_sequential makes them 1, 2, ..."
        )
    positive = labels.clamp(min=0) if labels.dtype.is_signed else labels
    ranks, values, count = relabel_sequential(positive, spatial_dims=spatial_dims)
    table = _measure(ranks, intensity, values.shape[-1] - 1, spatial_dims)
    return table._replace(label=values[..., 1:].to(torch.int64), count=count)


def _measure(labels: Tensor, intensity: Tensor | None, rows: int, spatial_dims: int) -> RegionTable:
    """Labels 1 to `rows`, whether they are there or not."""
    count, area, bbox, centroid, mean, least, most, _, _ = _region_table(labels, intensity, rows, spatial_dims)
    label = torch.arange(1, rows + 1, device=area.device).where(area > 0, 0)
    if intensity is None:
        return RegionTable(label, count, area, bbox, centroid, None, None, None)
    return RegionTable(label, count, area, bbox, centroid, mean, least, most)
