"""Features of images: fake kernels and derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _histograms(
    image: Tensor,
    orientations: int,
    sizes: list[int],
    norm: int,
    square_root: bool,
    interpolated: bool,
    with_cells: bool,
) -> tuple[Tensor, Tensor]:
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    cells = [image.shape[-2] // sizes[0], image.shape[-1] // sizes[1]]
    blocks = [n - b + 1 for n, b in zip(cells, sizes[2:], strict=True)]  # hog() refuses smaller images
    lead = image.shape[:-3]
    return (
        image.new_empty((*lead, *blocks, *sizes[2:], orientations), dtype=dtype),
        image.new_empty((*lead, *(cells if with_cells else [0, 0]), orientations), dtype=dtype),
    )


register_op("hog", fake=_histograms)
