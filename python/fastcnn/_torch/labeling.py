"""Connected components and region tables: fake kernels and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_named_tuple_for_export, register_op
from fastcnn.ops.labeling import RegionTable


def _per_image(images: Tensor, spatial_dims: int, *tail: Any) -> list[Any]:
    return [*images.shape[: images.dim() - spatial_dims], *tail]


def _label_fake(mask: Tensor, connectivity: int, spatial_dims: int) -> tuple[Tensor, Tensor]:
    return (
        mask.new_empty(mask.shape, dtype=torch.int32),
        mask.new_empty(_per_image(mask, spatial_dims), dtype=torch.int32),
    )


register_op("label", fake=_label_fake)


def _relabel_fake(labels: Tensor, max_labels: int, spatial_dims: int) -> tuple[Tensor, Tensor, Tensor]:
    return (
        labels.new_empty(labels.shape),
        labels.new_empty(_per_image(labels, spatial_dims, max_labels + 1)),
        labels.new_empty(_per_image(labels, spatial_dims), dtype=torch.int32),
    )


register_op("relabel_sequential", fake=_relabel_fake)


def _clear_border_fake(labels: Tensor, spatial_dims: int) -> Tensor:
    return labels.new_empty(labels.shape)


register_op("clear_border", fake=_clear_border_fake)

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
    _, _, _, _, mean, minimum, maximum, _, _ = grads
    grad = _region_table_backward(labels, area, argmin, argmax, mean, minimum, maximum, ctx.spatial_dims)
    return None, grad, None, None


def _moved(image: Tensor, labels: Tensor, area: Tensor, argmin: Tensor, argmax: Tensor, dims: int) -> list[Tensor]:
    """Return mean, minimum and maximum of an image at the pixels that determined them in the first: a linear map."""
    mean = _region_table(labels, image, area.shape[-1], dims)[4]
    pixels = torch.nn.functional.pad(image.flatten(-dims), (1, 0))  # index -1, an absent label, reads 0
    return [mean, pixels.gather(-1, argmin + 1), pixels.gather(-1, argmax + 1)]


def _region_table_forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    labels, intensity, maximum, dims = args
    _, area, _, _, _, _, _, argmin, argmax = _region_table(labels, intensity, maximum, dims)
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
    """The gradient is linear in that of the table: its adjoint takes the table's mean and reads the extreme pixels."""
    labels, area, argmin, argmax = ctx.saved_tensors
    return None, None, None, None, *_moved(grad, labels, area, argmin, argmax, ctx.spatial_dims), None


_region_table_backward = register_op(
    "_region_table_backward",
    fake=_region_table_backward_fake,
    images=range(7),
    setup_context=_backward_setup,
    backward=_backward_vjp,
)
