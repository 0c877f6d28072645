"""The watershed: fake kernels and derivatives."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fastcnn._torch.register import register_op


def _labels(image: Tensor, markers: Tensor, *_: Any) -> Tensor:
    return image.new_empty(image.shape, dtype=markers.dtype)


register_op("watershed", fake=_labels, images=(0, 1, 2))
