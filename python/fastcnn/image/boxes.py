"""Boxes on NumPy arrays: suppression, overlaps, formats; `fastcnn.ops.boxes` says more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn import _boxes, _core
from fastcnn._arguments import check_choice

Indices = NDArray[np.int64]


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> Indices:
    """Suppress boxes that overlap a better one. See `fastcnn.ops.nms`.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float; NaN comes first, equal scores are taken by index.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
        >>> I.nms(boxes, np.array([0.6, 0.9, 0.5]), 0.5)
        array([1, 2])
    """
    return _core.nms(np.asarray(boxes), np.asarray(scores), iou_threshold)


def batched_nms(boxes: ArrayLike, scores: ArrayLike, idxs: ArrayLike, iou_threshold: float) -> Indices:
    """Suppress boxes that overlap a better one of the same class. See `fastcnn.ops.batched_nms`.

    Args:
        boxes: as `nms`.
        scores: as `nms`.
        idxs: (N), integer: the class of each box.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[0.0, 0, 10, 10], [1, 1, 10, 10], [0, 0, 10, 10]])
        >>> I.batched_nms(boxes, np.array([0.6, 0.9, 0.5]), np.array([0, 0, 1]), 0.5)
        array([1, 2])
    """
    return _core.batched_nms(np.asarray(boxes), np.asarray(scores), np.asarray(idxs), iou_threshold)


def nms_padded(
    boxes: ArrayLike,
    scores: ArrayLike,
    iou_threshold: float,
    max_output: int,
    score_threshold: float | None = None,
    classes: ArrayLike | None = None,
) -> tuple[Indices, Indices]:
    """Suppress boxes in every image of a batch, in a fixed shape. See `fastcnn.ops.nms_padded`.

    Args:
        boxes: (B, N, 4), float.
        scores: (B, N), float.
        iou_threshold: from 0 to 1.
        max_output: K, how many boxes to return for an image.
        score_threshold: only scores above it take part. None: all.
        classes: (B, N), integer. None: all of one class.

    Returns:
        Indices, int64 (B, K), -1 behind the last; and counts, int64 (B).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]]])
        >>> I.nms_padded(boxes, np.array([[0.6, 0.9, 0.5]]), 0.5, max_output=3)
        (array([[ 1,  2, -1]]), array([2]))
    """
    keys = None if classes is None else np.asarray(classes)
    return _core.nms_padded(np.asarray(boxes), np.asarray(scores), iou_threshold, max_output, score_threshold, keys)


def _scored(found: tuple[Indices, NDArray[np.float64]], scores: NDArray[Any]) -> tuple[Indices, NDArray[Any]]:
    return found[0], found[1].astype(scores.dtype)


def soft_nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    iou_threshold: float = 0.5,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Indices, NDArray[Any]]:
    """Lower the scores of boxes that overlap better ones. See `fastcnn.ops.soft_nms`.

    Args:
        boxes: (N, 4), float.
        scores: (N), float.
        iou_threshold: from 0 to 1, for "linear".
        sigma: above 0, for "gaussian".
        method: "gaussian" or "linear".
        min_score: what falls below it is dropped.

    Returns:
        Indices, int64 (M), in the order they were taken, and their lowered scores (M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> I.soft_nms(boxes, np.array([0.9, 0.8, 0.5]), method="linear", iou_threshold=0.3)
        (array([0, 2, 1]), array([0.9, 0.5, 0.4]))
    """
    check_choice(method, ("gaussian", "linear"), "soft_nms", "method")
    values = np.asarray(scores)
    found = _core.soft_nms(np.asarray(boxes), values, iou_threshold, sigma, method == "gaussian", min_score)
    return _scored(found, values)


def matrix_nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Indices, NDArray[Any]]:
    """Lower all scores at once by their overlaps with better boxes. See `fastcnn.ops.matrix_nms`.

    Args:
        boxes: (N, 4), float.
        scores: (N), float.
        sigma: above 0, for "gaussian".
        method: "gaussian" or "linear".
        min_score: what is or falls below it is dropped.

    Returns:
        Indices, int64 (M), by falling lowered score, and these scores (M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> I.matrix_nms(boxes, np.array([0.9, 0.8, 0.5]), method="linear")
        (array([0, 2, 1]), array([0.9, 0.5, 0.4]))
    """
    check_choice(method, ("gaussian", "linear"), "matrix_nms", "method")
    values = np.asarray(scores)
    return _scored(_core.matrix_nms(np.asarray(boxes), values, sigma, method == "gaussian", min_score), values)


def nms_rotated(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> Indices:
    """Suppress rotated boxes that overlap a better one. See `fastcnn.ops.nms_rotated`.

    Args:
        boxes: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen.
        scores: (N), float.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by falling score.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> boxes = np.array([[0.0, 0, 10, 4, 0], [0, 0, 10, 4, 10], [0, 0, 10, 4, 90]])
        >>> I.nms_rotated(boxes, np.array([0.9, 0.8, 0.7]), 0.5)
        array([0, 2])
    """
    return _core.nms_rotated(np.asarray(boxes), np.asarray(scores), iou_threshold)


def _pairs(boxes1: ArrayLike, boxes2: ArrayLike, kind: str, eps: float, op: str) -> NDArray[Any]:
    a, b = np.asarray(boxes1), np.asarray(boxes2)
    _boxes.check_boxes(a, op, "boxes1")
    _boxes.check_boxes(b, op, "boxes2")
    number = _boxes.OVERLAPS.index(kind)
    if not (a.dtype.kind == b.dtype.kind == "f"):
        # Whole numbers, and products of two, are exact.
        wide = np.float64 in (a.dtype, b.dtype)
        exact = _core.box_overlaps(a.astype(np.float64), b.astype(np.float64), number, eps)
        return exact if wide else exact.astype(np.float32)
    return _core.box_overlaps(a, b, number, eps)


def box_iou(boxes1: ArrayLike, boxes2: ArrayLike) -> NDArray[Any]:
    """Return the intersection over the union of all pairs of boxes. See `fastcnn.ops.box_iou`.

    Args:
        boxes1: (N, 4) or (B, N, 4), ``x1, y1, x2, y2``; integers are computed in float64, where they are exact.
        boxes2: (M, 4) or (B, M, 4), of the same dtype.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype, float32 for integers.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(4)
        array([[0.3333, 0.    ]])
    """
    return _pairs(boxes1, boxes2, "iou", 0.0, "box_iou")


def generalized_box_iou(boxes1: ArrayLike, boxes2: ArrayLike) -> NDArray[Any]:
    """Return the generalised IoU of all pairs. See `fastcnn.ops.generalized_box_iou`.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.

    Returns:
        (N, M) or (B, N, M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.generalized_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[4.0, 0, 6, 2]])).round(4)
        array([[-0.3333]])
    """
    return _pairs(boxes1, boxes2, "generalized", 0.0, "generalized_box_iou")


def distance_box_iou(boxes1: ArrayLike, boxes2: ArrayLike, eps: float = 1e-7) -> NDArray[Any]:
    """Return the distance IoU of all pairs. See `fastcnn.ops.distance_box_iou`.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: is added to the squared diagonal.

    Returns:
        (N, M) or (B, N, M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.distance_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[2.0, 0, 4, 2]])).round(4)
        array([[-0.2]])
    """
    return _pairs(boxes1, boxes2, "distance", eps, "distance_box_iou")


def complete_box_iou(boxes1: ArrayLike, boxes2: ArrayLike, eps: float = 1e-7) -> NDArray[Any]:
    """Return the complete IoU of all pairs. See `fastcnn.ops.complete_box_iou`.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: keeps quotients finite.

    Returns:
        (N, M) or (B, N, M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.complete_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 1]])).round(4)
        array([[0.4655]])
    """
    return _pairs(boxes1, boxes2, "complete", eps, "complete_box_iou")


def box_iou_rotated(boxes1: ArrayLike, boxes2: ArrayLike) -> NDArray[Any]:
    """Return the intersection over the union of all pairs of rotated boxes. See `fastcnn.ops.box_iou_rotated`.

    Args:
        boxes1: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen.
        boxes2: (M, 5).

    Returns:
        (N, M).

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.box_iou_rotated(np.array([[0.0, 0, 2, 2, 0]]), np.array([[0.0, 0, 2, 2, 45]])).round(4)
        array([[0.7071]])
    """
    return _core.box_iou_rotated(np.asarray(boxes1), np.asarray(boxes2))


def _stack(values: list[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(values, -1)


def _wide(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return boxes whose sums, differences and products fit: float32 for half precision, int64 for integers."""
    if boxes.dtype.kind == "f":
        return boxes.astype(np.promote_types(boxes.dtype, np.float32), copy=False)
    return boxes.astype(np.int64, copy=False)


def box_convert(boxes: ArrayLike, in_fmt: str, out_fmt: str) -> NDArray[Any]:
    """Change the format of boxes (..., 4). See `fastcnn.ops.box_convert`.

    Args:
        boxes: (..., 4).
        in_fmt: "xyxy", "xywh" or "cxcywh".
        out_fmt: likewise.

    Returns:
        (..., 4), a copy: floats of the same dtype; of integers int64, or float64 where a centre is taken or given.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.box_convert(np.array([[1.0, 2, 4, 8]]), "xyxy", "cxcywh")
        array([[2.5, 5. , 3. , 6. ]])
    """
    given = np.asarray(boxes)
    found = _boxes.convert(given, in_fmt, out_fmt, _stack, _wide)
    return found.astype(given.dtype, copy=False) if given.dtype.kind == "f" else found


def box_area(boxes: ArrayLike) -> NDArray[Any]:
    """Return the areas of boxes (..., 4).

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.

    Returns:
        (...): int64 for integers, float64 for float64, float32 otherwise.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.box_area(np.array([[1.0, 2, 4, 8]]))
        array([18.])
    """
    width, height = _boxes.sides(_wide(np.asarray(boxes)), "box_area")
    area: NDArray[Any] = width * height
    return area


def clip_boxes_to_image(boxes: ArrayLike, size: tuple[int, int]) -> NDArray[Any]:
    """Move what lies outside an image onto its border.

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.
        size: the image's height and width.

    Returns:
        (..., 4), a copy of the same dtype.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.clip_boxes_to_image(np.array([[-3.0, 2, 40, 8]]), (30, 20))
        array([[ 0.,  2., 20.,  8.]])
    """
    given = np.asarray(boxes)
    return _boxes.clip(_wide(given), size, _stack).astype(given.dtype, copy=False)


def remove_small_boxes(boxes: ArrayLike, min_size: float) -> Indices:
    """Find the boxes whose sides are both at least `min_size` long.

    Args:
        boxes: (N, 4), ``x1, y1, x2, y2``.
        min_size: in the boxes' unit.

    Returns:
        int64 (M): their indices.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.remove_small_boxes(np.array([[0.0, 0, 9, 9], [0, 0, 9, 1]]), 2)
        array([0])
    """
    width, height = _boxes.sides(_wide(np.asarray(boxes)), "remove_small_boxes")
    found: Indices = np.flatnonzero((width >= min_size) & (height >= min_size))
    return found


def masks_to_boxes(masks: ArrayLike) -> NDArray[np.float32]:
    """Return the box around each mask. See `fastcnn.ops.masks_to_boxes`.

    Args:
        masks: (..., H, W), any dtype, non-zero inside.

    Returns:
        float32 (..., 4): indices of the first and the last column and row; zeros where a mask is empty.

    Example:
        >>> import numpy as np, fastcnn.image as I
        >>> I.masks_to_boxes(np.array([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]]))
        array([[1., 1., 2., 2.]], dtype=float32)
    """
    return _core.masks_to_boxes(np.asarray(masks))
