"""Local extrema and peaks: fake kernels and derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _mask(image: Tensor, connectivity: int, spatial_dims: int) -> Tensor:
    return image.new_empty(image.shape, dtype=torch.bool)


def _rows(
    image: Tensor, min_distance: int, threshold_abs: float | None, labels: Tensor | None, spatial_dims: int
) -> Tensor:
    return image.new_empty((torch.library.get_ctx().new_dynamic_size(), image.ndim), dtype=torch.int64)


def _padded(
    image: Tensor,
    max_peaks: int,
    min_distance: int,
    threshold_abs: float | None,
    labels: Tensor | None,
    spatial_dims: int,
) -> tuple[Tensor, Tensor]:
    batch = image.shape[: image.ndim - spatial_dims]
    return (
        image.new_empty((*batch, max_peaks, spatial_dims), dtype=torch.int64),
        image.new_empty(batch, dtype=torch.int64),
    )


register_op("local_maxima", fake=_mask)
register_op("local_minima", fake=_mask)
register_op("peak_local_max", fake=_rows, images=(0, 3))
register_op("peak_local_max_padded", fake=_padded, images=(0, 4))
