"""Proposals: segments and boxes that may contain objects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn._arguments import channels_third_last, check_choice, per_axis
from fastcnn._dispatch import Array, is_tensor, native, stack_last
from fastcnn._errors import ArgumentError

__all__ = ["felzenszwalb", "selective_search", "selective_search_padded", "sliding_windows"]

_MODES = ("fast", "quality")
# Uijlings et al., 2013, table 6.
_SCALES = {"fast": (50.0, 100.0), "quality": (50.0, 100.0, 150.0, 300.0)}


def felzenszwalb(
    image: Array, scale: float = 1.0, sigma: float = 0.8, min_size: int = 20, channel_axis: int | None = None
) -> Array:
    """Split an image into segments without strong inner borders, by a graph of its pixels.

    As `skimage.segmentation.felzenszwalb`, for a batch. Two segments are merged unless the cheapest edge between them
    costs more than the most expensive edge within one of them plus scale / size.

    Args:
        image: (..., H, W), any dtype, of at most 2^30 pixels; with ``channel_axis`` that axis holds channels, and an
            edge costs the distance of its two pixels' colours. Integers count as fractions of their dtype's range;
            floats are expected from 0 to 1.
        scale: the larger, the larger the segments. As in the paper for values up to 255.
        sigma: sigma of the Gaussian that smooths the image first; 0 for none.
        min_size: in pixels; smaller segments are merged with the neighbour across their cheapest edge.
        channel_axis: axis of the channels; None: there are none.

    Returns:
        int32 (..., H, W): segments 0 to N - 1, in raster order of their first pixels.

    Raises:
        ArgumentError: too few dimensions, or a negative number.

    Edges of equal cost are taken by direction (right, down, down right, up right) and raster order; in scikit-image
    their order depends on an unstable sort. An edge to a NaN never joins segments, except small ones.

    Complexity: linear in the pixels. Scratch: 112 bytes per pixel, and 16 per value. Gradient: none; the result is
    labels. Deterministic: the result does not depend on threads.

    Reference:
        P. Felzenszwalb, D. Huttenlocher, "Efficient graph-based image segmentation", 2004.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> image = np.array([[0.0, 0.0, 0.9], [0.0, 0.1, 0.9]])
        >>> F.felzenszwalb(image, scale=90, sigma=0, min_size=1)
        array([[0, 0, 1],
               [0, 0, 1]], dtype=int32)
    """
    result: Array = native(
        "felzenszwalb", channels_third_last(image, channel_axis, "felzenszwalb"), float(scale), float(sigma), min_size
    )
    return result


def selective_search(
    image: Array,
    mode: str = "fast",
    max_boxes: int = 2000,
    scales: Sequence[float] | None = None,
    sigma: float = 0.8,
    min_size: int | None = None,
    seed: int = 0,
    channel_axis: int = -3,
) -> tuple[Array, Array]:
    """Propose boxes that may contain an object of any kind, as used by R-CNN.

    Segments (`felzenszwalb`) are merged, the two most similar neighbours first, until one is left; the box of each
    intermediate region is a proposal. This uses several colour spaces, from segments of several scales, by several
    measures: similarity of colours, similarity of textures (Gaussian derivatives in eight directions), small size, and
    how well both fill their common box.

    Args:
        image: (3, H, W), red, green and blue, or grey: (1, H, W) or (H, W). Integers count as fractions of their
            dtype's range; floats are clipped to 0..1, and NaN is 0.
        mode: "fast": HSV and L*a*b*, all four measures, and all but colour. "quality": also normalised rg with
            intensity, hue, and intensity; also by filling alone, and by size alone. Five to ten times as many boxes.
        max_boxes: the number of best boxes to return.
        scales: of `felzenszwalb`. None: (50, 100), "quality": (50, 100, 150, 300), as in the paper.
        sigma: likewise.
        min_size: likewise; None: as large as the scale.
        seed: for the random numbers in the scores.
        channel_axis: where the channels of an image with three dimensions are.

    Returns:
        boxes: (N, 4) float32, (x1, y1, x2, y2) including the last row and column (x2 is the last column + 1),
            without duplicates, by descending score.
        scores: (N,) float32, in (0, 1): 1 / (1 + r), where r is the region's place in its hierarchy from the top, times
            a random number, so that boxes of all sizes come first.

    Raises:
        ArgumentError: another number of channels or dimensions, an unknown mode, or a negative number.

    Complexity: linear in the pixels; joining takes O(regions) similarities where regions have few neighbours, and at
    worst O(regions^2). Scratch: about 200 bytes per pixel and thread, and 2 kB a region. Gradient: none.
    Deterministic: given the seed; does not depend on threads.

    Reference:
        J. Uijlings, K. van de Sande, T. Gevers, A. Smeulders, "Selective search for object recognition", 2013.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> image = torch.zeros(3, 40, 60)
        >>> image[0, 10:25, 20:45] = 1
        >>> boxes, scores = F.selective_search(image)
        >>> [20, 10, 45, 25] in boxes.tolist()
        True
    """
    arguments = _prepare(image, mode, max_boxes, scales, sigma, min_size, seed, channel_axis, "selective_search")
    boxes, scores = native("selective_search", *arguments)
    return boxes, scores


def selective_search_padded(
    image: Array,
    mode: str = "fast",
    max_boxes: int = 2000,
    scales: Sequence[float] | None = None,
    sigma: float = 0.8,
    min_size: int | None = None,
    seed: int = 0,
    channel_axis: int = -3,
) -> tuple[Array, Array, Array]:
    """Propose boxes for a batch of images, in results of fixed shape. See `selective_search`.

    Args:
        image: (..., C, H, W) of one or three channels.
        mode: "fast" or "quality".
        max_boxes: rows of the result for each image.
        scales: of `felzenszwalb`.
        sigma: likewise.
        min_size: likewise.
        seed: for the random numbers in the scores, the same for every image.
        channel_axis: axis of the channels.

    Returns:
        boxes: (..., max_boxes, 4) float32; zeros after the last.
        scores: (..., max_boxes) float32; zeros after the last.
        count: (...) int64, the number of boxes.

    Raises:
        ArgumentError: as `selective_search`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> boxes, scores, count = F.selective_search_padded(torch.zeros(2, 3, 40, 60), max_boxes=10)
        >>> boxes.shape, count
        (torch.Size([2, 10, 4]), tensor([1, 1]))
    """
    arguments = _prepare(image, mode, max_boxes, scales, sigma, min_size, seed, channel_axis, "selective_search_padded")
    boxes, scores, count = native("selective_search_padded", *arguments)
    return boxes, scores, count


def sliding_windows(image: Array, size: int | Sequence[int], stride: int | Sequence[int]) -> tuple[Array, Array]:
    """Split an image into windows of one size, for example for a classifier.

    Args:
        image: (..., H, W), any dtype.
        size: (height, width) of a window in pixels, or one number for both.
        stride: from a window to the next, (down, right) or one number. A remainder at the end has no window.

    Returns:
        windows: (..., rows, columns, height, width), a view of the image.
        boxes: (rows, columns, 4) float32, (x1, y1, x2, y2), including the last row and column.

    Raises:
        ArgumentError: an image smaller than a window, or a number below 1.

    Complexity: O(windows). Gradient: of a view. Deterministic.

    Reference:
        H. Rowley, S. Baluja, T. Kanade, "Neural network-based face detection", 1998.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> windows, boxes = F.sliding_windows(np.arange(12).reshape(3, 4), 2, (1, 2))
        >>> windows.shape
        (2, 2, 2, 2)
        >>> windows[1, 1], boxes[1, 1]
        (array([[ 6,  7],
               [10, 11]]), array([2., 1., 4., 3.], dtype=float32))
    """
    (height, width), (down, right) = _window_grid(image, size, stride)
    windows = _windows(image, height, width, down, right)
    tensor = is_tensor(image)
    torch: Any = sys.modules["torch"] if tensor else np
    place = {"device": windows.device} if tensor else {}
    rows = torch.arange(windows.shape[-4], dtype=torch.float32, **place) * down
    columns = torch.arange(windows.shape[-3], dtype=torch.float32, **place) * right
    top, left = torch.meshgrid(rows, columns, indexing="ij")
    return windows, stack_last([left, top, left + width, top + height])


def _windows(image: Any, height: int, width: int, down: int, right: int) -> Any:
    if is_tensor(image):
        return image.unfold(-2, height, down).unfold(-2, width, right)
    view = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(-2, -1))
    return view[..., ::down, ::right, :, :]


def _prepare(
    image: Any,
    mode: str,
    max_boxes: int,
    scales: Sequence[float] | None,
    sigma: float,
    min_size: int | None,
    seed: int,
    channel_axis: int,
    op: str,
) -> tuple[Any, bool, list[float], float, int, int, int]:
    """Return the core's arguments, the image as (..., C, H, W); errors name the argument."""
    check_choice(mode, _MODES, op, "mode")
    image = channels_third_last(image, None if image.ndim == 2 else channel_axis, op)
    if min_size is not None and min_size < 1:
        raise ArgumentError(f"{op}: expected min_size of at least 1, got {min_size}")
    return (
        image,
        mode == "quality",
        [float(s) for s in (_SCALES[mode] if scales is None else scales)],
        float(sigma),
        0 if min_size is None else min_size,
        max_boxes,
        seed,
    )


def _window_grid(image: Any, size: int | Sequence[int], stride: int | Sequence[int]) -> tuple[list[int], list[int]]:
    """Check the arguments of `sliding_windows`; return sizes and strides."""
    op = "sliding_windows"
    window, steps = per_axis(size, 2, op, "size"), per_axis(stride, 2, op, "stride")
    if image.ndim < 2:
        raise ArgumentError(f"{op}: expected image of shape (..., H, W), got {tuple(image.shape)}")
    for name, values in (("size", window), ("stride", steps)):
        if min(values) < 1:
            raise ArgumentError(f"{op}: expected {name} of at least 1, got {tuple(values)}")
    if image.shape[-2] < window[0] or image.shape[-1] < window[1]:
        raise ArgumentError(
            f"{op}: expected image of at least {window[0]} x {window[1]} pixels, got {tuple(image.shape)}"
        )
    return window, steps
