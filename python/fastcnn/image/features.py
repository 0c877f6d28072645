"""Features of images on NumPy arrays; `fastcnn.ops.features` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core, _features


def hog(
    image: ArrayLike,
    orientations: int = 9,
    pixels_per_cell: Sequence[int] = (8, 8),
    cells_per_block: Sequence[int] = (2, 2),
    block_norm: str = "L2-Hys",
    variant: str = "skimage",
    visualize: bool = False,
    transform_sqrt: bool = False,
    feature_vector: bool = False,
    channel_axis: int | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """Describe an image by histograms of oriented gradients. See `fastcnn.ops.hog`.

    Args:
        image: (..., H, W), any dtype; with ``channel_axis`` that axis holds channels.
        orientations: bins of 180 degrees.
        pixels_per_cell: rows and columns.
        cells_per_block: rows and columns.
        block_norm: "L1", "L1-sqrt", "L2" or "L2-Hys".
        variant: "skimage" or "dalal".
        visualize: also return a picture of the cells' histograms.
        transform_sqrt: take the image's square root first.
        feature_vector: one vector for an image.

    Returns:
        (..., block rows, block columns, rows in a block, columns in it, orientations), or (..., N); with `visualize`
        also the picture, (..., H, W).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.hog(np.tile(np.arange(16.0), (16, 1)), orientations=4)[0, 0, 0, 0].round(4)
        array([0.5, 0. , 0. , 0. ])
    """
    array = np.asarray(image)
    prepared, sizes, norm = _features.prepare(
        array, orientations, pixels_per_cell, cells_per_block, block_norm, variant, channel_axis
    )
    features, cells = _core.hog(prepared, orientations, sizes, norm, transform_sqrt, variant == "dalal", visualize)
    if feature_vector:
        features = features.reshape(*features.shape[:-5], -1)
    if not visualize:
        return features
    picture = np.zeros((*prepared.shape[:-3], *prepared.shape[-2:]), cells.dtype)
    _features.draw(picture, cells, sizes[:2])
    return features, picture
