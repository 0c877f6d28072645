"""Features of images. Wrapper, docstring, fake kernel and autograd together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcnn import _features
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


_hog = register_op("hog", fake=_histograms)


def hog(
    image: Tensor,
    orientations: int = 9,
    pixels_per_cell: Sequence[int] = (8, 8),
    cells_per_block: Sequence[int] = (2, 2),
    block_norm: str = "L2-Hys",
    variant: str = "skimage",
    visualize: bool = False,
    transform_sqrt: bool = False,
    feature_vector: bool = False,
    channel_axis: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Describe an image by histograms of oriented gradients.

    Args:
        image: (..., H, W), any dtype; with ``channel_axis`` that axis holds channels, of which at each pixel the one
            with the steepest gradient counts.
        orientations: bins of 180 degrees.
        pixels_per_cell: rows and columns; what is left of the image at the end does not count.
        cells_per_block: rows and columns; blocks lie a cell apart.
        block_norm: "L1", "L1-sqrt", "L2" or "L2-Hys", L2 cut off at 0.2 and again.
        variant: "skimage": a pixel votes for its cell and its orientation, as in `skimage.feature.hog`; "dalal": for
            the four nearest cells of a block and the two nearest orientations, under a Gaussian over the block, and
            blocks of little contrast are damped, as in the paper and in OpenCV's HOGDescriptor. Its arithmetic is
            float32: a gradient steeper than 1e19 is infinite.
        visualize: also return a picture of the cells' histograms, a line for each orientation.
        transform_sqrt: take the image's square root first (HOGDescriptor does).
        feature_vector: one vector for an image.

    Returns:
        (..., block rows, block columns, rows in a block, columns in it, orientations), or (..., N); float64 for a
        float64 image, else float32. With `visualize` also the picture, (..., H, W).

    Raises:
        ArgumentError: an image smaller than a block, or arguments out of range.

    Complexity: linear in the pixels. Scratch: the cells, in double; "dalal" 24 bytes a pixel. Gradient: none.
    Deterministic: does not depend on threads or instruction set.

    Reference:
        N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", 2005.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> ramp = torch.arange(16.0).expand(16, 16)
        >>> F.hog(ramp, orientations=4).shape
        torch.Size([1, 1, 2, 2, 4])
        >>> F.hog(ramp, orientations=4)[0, 0, 0, 0]
        tensor([0.5000, 0.0000, 0.0000, 0.0000])
    """
    prepared, sizes, norm = _features.prepare(
        image, orientations, pixels_per_cell, cells_per_block, block_norm, variant, channel_axis
    )
    features, cells = _hog(prepared, orientations, sizes, norm, transform_sqrt, variant == "dalal", visualize)
    if feature_vector:
        features = features.flatten(-5)
    if not visualize:
        result: Tensor = features
        return result
    picture = cells.new_zeros((*prepared.shape[:-3], *prepared.shape[-2:]))
    _features.draw(picture, cells, sizes[:2])
    return features, picture
