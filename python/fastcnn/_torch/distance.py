"""Distance transforms: fake kernels and derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _distances(mask: Tensor, sampling: object, squared: bool, spatial_dims: int) -> Tensor:
    return mask.new_empty(mask.shape, dtype=torch.int32 if squared else torch.float32)


def _with_indices(mask: Tensor, sampling: object, squared: bool, spatial_dims: int) -> tuple[Tensor, Tensor]:
    split = mask.ndim - spatial_dims
    shape = (*mask.shape[:split], spatial_dims, *mask.shape[split:])
    return _distances(mask, sampling, squared, spatial_dims), mask.new_empty(shape, dtype=torch.int64)


register_op("distance_transform_edt", fake=_distances)
register_op("distance_transform_edt_indices", fake=_with_indices)
