"""Removal of small objects and of holes: fake kernels and derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _mask_fake(mask: Tensor, *_: object) -> Tensor:
    return mask.new_empty(mask.shape, dtype=torch.bool)


register_op("fill_holes", fake=_mask_fake)


def _objects_fake(mask: Tensor, *_: object) -> Tensor:
    return mask.new_empty(mask.shape)


register_op("remove_small_objects", fake=_objects_fake)
register_op("remove_small_holes", fake=_mask_fake)
