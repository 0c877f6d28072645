"""Segments and boxes where objects may be, on NumPy arrays; `fastcnn.ops.proposals` says more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _core, _proposals
from fastcnn._arguments import planar


def felzenszwalb(
    image: ArrayLike, scale: float = 1.0, sigma: float = 0.8, min_size: int = 20, channel_axis: int | None = None
) -> NDArray[np.int32]:
    """Cut an image into segments without strong borders within. See `fastcnn.ops.felzenszwalb`.

    Args:
        image: (..., H, W), any dtype; with ``channel_axis`` that axis holds channels. Floats are expected from 0 to 1.
        scale: the larger, the larger the segments.
        sigma: of the Gaussian that smooths the image first.
        min_size: smaller segments join a neighbour. In pixels.
        channel_axis: where the channels are; None: there are none.

    Returns:
        int32 (..., H, W): segments 0 to N - 1, in raster order of their first pixels.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.felzenszwalb(np.array([[0.0, 0.0, 0.9], [0.0, 0.1, 0.9]]), scale=90, sigma=0, min_size=1)
        array([[0, 0, 1],
               [0, 0, 1]], dtype=int32)
    """
    return _core.felzenszwalb(planar(np.asarray(image), channel_axis, "felzenszwalb"), scale, sigma, min_size)


def selective_search(
    image: ArrayLike,
    mode: str = "fast",
    max_boxes: int = 2000,
    scales: Sequence[float] | None = None,
    sigma: float = 0.8,
    min_size: int | None = None,
    seed: int = 0,
    channel_axis: int = -3,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Propose boxes that may hold an object of any kind. See `fastcnn.ops.selective_search`.

    Args:
        image: (3, H, W), or grey: (1, H, W) or (H, W).
        mode: "fast" or "quality".
        max_boxes: the best of them.
        scales: of `felzenszwalb`; None: the paper's.
        sigma: likewise.
        min_size: likewise; None: as large as the scale.
        seed: of the random numbers in the scores.
        channel_axis: where the channels of an image with three dimensions are.

    Returns:
        boxes (N, 4) and scores (N,), float32, by falling score.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> image = np.zeros((40, 60, 3), np.uint8)
        >>> image[10:25, 20:45, 0] = 255
        >>> boxes, scores = I.selective_search(image, channel_axis=-1)
        >>> [20, 10, 45, 25] in boxes.tolist()
        True
    """
    array = np.asarray(image)
    return _core.selective_search(
        *_proposals.prepare(array, mode, max_boxes, scales, sigma, min_size, seed, channel_axis, "selective_search")
    )


def selective_search_padded(
    image: ArrayLike,
    mode: str = "fast",
    max_boxes: int = 2000,
    scales: Sequence[float] | None = None,
    sigma: float = 0.8,
    min_size: int | None = None,
    seed: int = 0,
    channel_axis: int = -3,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Propose boxes for a batch of images, in results of fixed shape. See `fastcnn.ops.selective_search_padded`.

    Args:
        image: (..., C, H, W) of one or three channels.
        mode: "fast" or "quality".
        max_boxes: rows of the result for each image.
        scales: of `felzenszwalb`; None: the paper's.
        sigma: likewise.
        min_size: likewise; None: as large as the scale.
        seed: of the random numbers in the scores.
        channel_axis: where the channels are.

    Returns:
        boxes (..., max_boxes, 4), scores (..., max_boxes) and count (...), int64.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.selective_search_padded(np.zeros((2, 3, 40, 60)), max_boxes=10)[2]
        array([1, 1])
    """
    op = "selective_search_padded"
    array = np.asarray(image)
    arguments: Any = _proposals.prepare(array, mode, max_boxes, scales, sigma, min_size, seed, channel_axis, op)
    return _core.selective_search_padded(*arguments)


def sliding_windows(
    image: ArrayLike, size: int | Sequence[int], stride: int | Sequence[int]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Cut an image into windows of one size. See `fastcnn.ops.sliding_windows`.

    Args:
        image: (..., H, W), any dtype.
        size: (height, width) of a window in pixels, or one number for both.
        stride: from a window to the next, (down, right) or one number.

    Returns:
        windows (..., rows, columns, height, width), a view that cannot be written to, and their boxes (rows, columns,
        4), float32.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> windows, boxes = I.sliding_windows(np.arange(12).reshape(3, 4), 2, (1, 2))
        >>> windows.shape, boxes[1, 1]
        ((2, 2, 2, 2), array([2., 1., 4., 3.], dtype=float32))
    """
    array = np.asarray(image)
    (height, width), (down, right) = _proposals.window_grid(array, size, stride)
    windows = np.lib.stride_tricks.sliding_window_view(array, (height, width), axis=(-2, -1))[
        ..., ::down, ::right, :, :
    ]
    top, left = np.meshgrid(
        np.arange(windows.shape[-4], dtype=np.float32) * np.float32(down),
        np.arange(windows.shape[-3], dtype=np.float32) * np.float32(right),
        indexing="ij",
    )
    return windows, np.stack([left, top, left + np.float32(width), top + np.float32(height)], -1)
