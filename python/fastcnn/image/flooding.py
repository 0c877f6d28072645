"""The watershed on NumPy arrays; `fastcnn.ops.flooding` says more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core
from fastcnn._arguments import same_shape
from fastcnn.image.labeling import label
from fastcnn.image.peaks import local_minima


def watershed(
    image: ArrayLike,
    markers: ArrayLike | None = None,
    connectivity: int = 1,
    mask: ArrayLike | None = None,
    compactness: float = 0.0,
    watershed_line: bool = False,
    spatial_dims: int = 2,
) -> NDArray[Any]:
    """Flood each image from its markers; basins meet on the ridges.

    As `skimage.segmentation.watershed`, for a batch, with ties decided by position. See `fastcnn.ops.watershed`.

    Args:
        image: the relief, (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN floods last.
        markers: integers of the image's shape, 0 where there is none. None: the image's local minima, labelled.
        connectivity: 1 to `spatial_dims`, or the number of neighbours: 4 or 8; 6, 18 or 26.
        mask: of the image's shape, any dtype; where it is zero nothing is flooded.
        compactness: above 0, scikit-image's compact watershed.
        watershed_line: leave a line of zeros between labels; markers stay.
        spatial_dims: 2 or 3.

    Returns:
        Labels of the markers' dtype (int32 without markers) and the image's shape; 0 where nothing was reached.

    Raises:
        ArgumentError: markers or mask of another shape, an unknown connectivity, a negative compactness, or lines with
            compactness.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.watershed(np.array([[0, 1, 2, 9, 2, 1, 0]]))
        array([[1, 1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    image = np.asarray(image)
    inside = None if mask is None else np.asarray(mask)
    if markers is None:
        minima = local_minima(image, connectivity, spatial_dims)
        if inside is not None:
            same_shape("watershed", "mask", inside, image)
            minima &= inside != 0
        found = label(minima, connectivity, spatial_dims=spatial_dims)
        markers = np.asarray(found)
    seeds = np.asarray(markers)
    return _core.watershed(image, seeds, inside, connectivity, float(compactness), watershed_line, spatial_dims)
