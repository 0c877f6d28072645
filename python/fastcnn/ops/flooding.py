"""The watershed."""

from __future__ import annotations

from fastcnn._arguments import same_shape
from fastcnn._dispatch import Array, native
from fastcnn.ops.labeling import label
from fastcnn.ops.peaks import local_minima

__all__ = ["watershed"]


def watershed(
    image: Array,
    markers: Array | None = None,
    connectivity: int = 1,
    mask: Array | None = None,
    compactness: float = 0.0,
    watershed_line: bool = False,
    spatial_dims: int = 2,
) -> Array:
    """Flood each image from its markers; basins meet on the ridges.

    The flood of `skimage.segmentation.watershed`, with ties decided by position instead of by the age of a queue entry,
    so that the result depends on neither threads nor devices. Let level(p) be the minimum over all paths from a marker
    to p of their highest value, and generation(p) the number of steps since that level was reached. Each pixel takes
    the label of its neighbour that is the minimum by (level, generation, raster index).

    Args:
        image: the relief, (..., H, W), or (..., D, H, W) with ``spatial_dims=3``; any dtype. NaN floods last, above
            +inf; -0.0 equals +0.0.
        markers: integers of the image's shape, 0 where there is none; any other value is a label, negative ones too.
            Markers outside the mask are dropped. None: the image's local minima, labelled.
        connectivity: how many coordinates of neighbours may differ, 1 to `spatial_dims`, or the number of neighbours: 4
            or 8; 6, 18 or 26.
        mask: of the image's shape, any dtype; where it is zero nothing is flooded.
        compactness: above 0, scikit-image's compact watershed: sequential, in the order of its queue (CPU only).
        watershed_line: leave a line of zeros between labels. If two neighbours have different labels, the greater by
            (level, generation, raster index) becomes 0; if it is a marker, the other one does. Two adjacent markers
            are both kept. All pixels are flooded first, so that lines do not stop the flood. scikit-image draws them
            during the flood: there a line stops it, can be thicker than a pixel, and in places lets labels touch.
        spatial_dims: 2 or 3; all dimensions before those are batch.

    Returns:
        Labels of the markers' dtype (int32 without markers) and the image's shape; 0 where nothing was reached.

    Raises:
        ArgumentError: markers or mask of another shape, an unknown connectivity, a negative compactness, lines with
            compactness, or 2^32 - 1 pixels or more in an image.
        TypeError: markers that are not integers.

    Complexity: O(pixels) per visit of a tile, 1.5 to 4 visits on images; O(pixels log pixels) with compactness.
    Scratch: at most 24 bytes per pixel.
    Gradient: none; the result is labels. Deterministic: the result depends on neither threads nor instruction set.

    Reference:
        L. Vincent, P. Soille, "Watersheds in digital spaces: an efficient algorithm based on immersion simulations",
        1991; P. Neubert, P. Protzel, "Compact watershed and preemptive SLIC", 2014.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> relief = np.array([[0, 1, 2, 9, 2, 1, 0]])
        >>> F.watershed(relief, np.array([[1, 0, 0, 0, 0, 0, 2]]))
        array([[1, 1, 1, 1, 2, 2, 2]])
        >>> F.watershed(relief)
        array([[1, 1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    if markers is None:
        minima = local_minima(image, connectivity, spatial_dims)
        if mask is not None:
            same_shape("watershed", "mask", mask, image)
            minima = minima & (mask != 0)
        markers = label(minima, connectivity, spatial_dims=spatial_dims)
    result: Array = native(
        "watershed", image, markers, mask, connectivity, float(compactness), watershed_line, spatial_dims
    )
    return result
