"""Proposals of segments and boxes: fake kernels and derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _labels(image: Tensor, scale: float, sigma: float, min_size: int) -> Tensor:
    return image.new_empty((*image.shape[:-3], *image.shape[-2:]), dtype=torch.int32)


def _found(
    image: Tensor, quality: bool, scales: list[float], sigma: float, min_size: int, max_boxes: int, seed: int
) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    return image.new_empty((count, 4), dtype=torch.float32), image.new_empty((count,), dtype=torch.float32)


def _padded(
    image: Tensor, quality: bool, scales: list[float], sigma: float, min_size: int, max_boxes: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    batch = image.shape[:-3]
    return (
        image.new_empty((*batch, max_boxes, 4), dtype=torch.float32),
        image.new_empty((*batch, max_boxes), dtype=torch.float32),
        image.new_empty(batch, dtype=torch.int64),
    )


def _no_batch(info: object, in_dims: object, *args: object) -> tuple[object, object]:
    raise NotImplementedError(
        "selective_search: each image has its own number of boxes; selective_search_padded batches"
    )


register_op("felzenszwalb", fake=_labels)
register_op("selective_search", fake=_found, batch=_no_batch)
register_op("selective_search_padded", fake=_padded)
