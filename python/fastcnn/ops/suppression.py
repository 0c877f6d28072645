"""Suppression of boxes that overlap better ones."""

from __future__ import annotations

from fastcnn._arguments import check_choice
from fastcnn._dispatch import Array, cast_to, native

__all__ = ["batched_nms", "matrix_nms", "nms", "nms_padded", "nms_rotated", "soft_nms"]

_METHODS = ("gaussian", "linear")


def nms(boxes: Array, scores: Array, iou_threshold: float) -> Array:
    """Suppress boxes that overlap one with a higher score: greedy non-maximum suppression.

    Boxes are taken by descending score; one is kept where no kept one overlaps it by more than the threshold. Equal to
    `torchvision.ops.nms` index for index, which computes the same quotient in the same order.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float. NaN comes first, as in `torch.sort`; equal scores are taken by index.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by descending score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats.

    A box with a NaN or infinite coordinate, or of no or negative width or height, has an IoU of 0 or NaN with every
    other: it is kept and suppresses none. float16 and bfloat16 are computed in float32.

    Complexity: O(N log N) where boxes are spread out, thanks to a grid of the kept ones; O(N * M) vector operations
    where all overlap. Scratch: about 110 bytes per box. Gradient: none. Deterministic: the result depends neither
    on threads nor on the instruction set.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
        >>> F.nms(boxes, np.array([0.6, 0.9, 0.5]), 0.5)
        array([1, 2])
    """
    result: Array = native("nms", boxes, scores, iou_threshold)
    return result


def batched_nms(boxes: Array, scores: Array, idxs: Array, iou_threshold: float) -> Array:
    """Suppress boxes that overlap one with a higher score of the same class.

    Equal to `torchvision.ops.boxes._batched_nms_vanilla`. Classes are a key, not an offset added to the coordinates:
    nothing is lost on large images, where `torchvision.ops.batched_nms` rounds them.

    Args:
        boxes: as `nms`.
        scores: as `nms`.
        idxs: (N), integer: the class of each box, any value.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by descending score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats, or `idxs` that are not integers.

    Complexity, gradient and determinism: those of `nms`, class by class.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[0.0, 0, 10, 10], [1, 1, 10, 10], [0, 0, 10, 10]])
        >>> F.batched_nms(boxes, np.array([0.6, 0.9, 0.5]), np.array([0, 0, 1]), 0.5)
        array([1, 2])
    """
    result: Array = native("batched_nms", boxes, scores, idxs, iou_threshold)
    return result


def nms_padded(
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    max_output: int,
    score_threshold: float | None = None,
    classes: Array | None = None,
) -> tuple[Array, Array]:
    """Suppress boxes in every image of a batch, in a fixed shape that graphs can hold.

    Args:
        boxes: (B, N, 4), float, ``x1, y1, x2, y2``.
        scores: (B, N), float.
        iou_threshold: from 0 to 1.
        max_output: K, the number of boxes to return per image: those of the highest scores.
        score_threshold: only boxes with a score above it are used. None: all.
        classes: (B, N), integer: boxes of different classes do not suppress each other. None: all of one class.

    Returns:
        Indices, int64 (B, K), by descending score, -1 after the last; and counts, int64 (B), the number of boxes.

    Raises:
        ArgumentError: wrong shapes, a threshold outside [0, 1], or a negative `max_output`.
        TypeError: boxes or scores that are not floats, or `classes` that are not integers.

    Overlap and order: as `nms`. Complexity, gradient and determinism: those of `nms`; each class ends at its
    K-th box.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]]])
        >>> F.nms_padded(boxes, np.array([[0.6, 0.9, 0.5]]), 0.5, max_output=3)
        (array([[ 1,  2, -1]]), array([2]))
    """
    indices, counts = native("nms_padded", boxes, scores, iou_threshold, max_output, score_threshold, classes)
    return indices, counts


def soft_nms(
    boxes: Array,
    scores: Array,
    iou_threshold: float = 0.5,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Array, Array]:
    """Lower the scores of boxes that overlap better ones, instead of removing them (Soft-NMS).

    The box of the highest score is taken, the scores of all that are left are lowered by their IoU with it, and so on,
    until none is at least `min_score`.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float; boxes with NaN are ignored.
        iou_threshold: from 0 to 1, for "linear".
        sigma: above 0, for "gaussian".
        method: "gaussian": times ``exp(-IoU² / sigma)``; "linear": times ``1 - IoU`` where that is above the threshold.
        min_score: boxes that fall below it are dropped.

    Returns:
        Indices, int64 (M), in the order they were taken, and their lowered scores (M), of the scores' dtype.

    Raises:
        ArgumentError: wrong shapes, a threshold outside [0, 1], a sigma of at most 0, or an unknown method.

    Complexity: O(N * M) in time, 60 bytes per box. Gradient: none. Deterministic: does not depend on threads.

    Reference:
        N. Bodla, B. Singh, R. Chellappa, L. S. Davis, "Soft-NMS: improving object detection with one line of code",
        2017.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> F.soft_nms(boxes, np.array([0.9, 0.8, 0.5]), method="linear", iou_threshold=0.3)
        (array([0, 2, 1]), array([0.9, 0.5, 0.4]))
    """
    check_choice(method, _METHODS, "soft_nms", "method")
    indices, values = native("soft_nms", boxes, scores, iou_threshold, sigma, method == "gaussian", min_score)
    return indices, cast_to(values, scores.dtype)


def matrix_nms(
    boxes: Array,
    scores: Array,
    sigma: float = 0.5,
    method: str = "gaussian",
    min_score: float = 1e-3,
) -> tuple[Array, Array]:
    """Lower all scores at once by their overlaps with better boxes (Matrix NMS).

    A box's score is multiplied by the least, over all better boxes, of ``f(IoU) / f(that box's own largest IoU with a
    better one)``: one that is itself suppressed takes less. f is ``exp(-x² / sigma)`` or ``1 - x``.

    Args:
        boxes: (N, 4), float, ``x1, y1, x2, y2``.
        scores: (N), float; boxes with NaN are ignored.
        sigma: above 0, for "gaussian"; 0.5 is the paper's 2, which it multiplies by.
        method: "gaussian" or "linear".
        min_score: boxes that are or fall below it are dropped.

    Returns:
        Indices, int64 (M), by descending lowered score, and these scores (M), of the scores' dtype.

    Raises:
        ArgumentError: wrong shapes, a sigma of at most 0, or an unknown method.

    Complexity: O(N²) in time, in parallel; never a matrix in memory. Gradient: none. Deterministic: does not depend on
    threads.

    Reference:
        X. Wang, R. Zhang, T. Kong, L. Li, C. Shen, "SOLOv2: dynamic and fast instance segmentation", 2020.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
        >>> F.matrix_nms(boxes, np.array([0.9, 0.8, 0.5]), method="linear")
        (array([0, 2, 1]), array([0.9, 0.5, 0.4]))
    """
    check_choice(method, _METHODS, "matrix_nms", "method")
    indices, values = native("matrix_nms", boxes, scores, sigma, method == "gaussian", min_score)
    return indices, cast_to(values, scores.dtype)


def nms_rotated(boxes: Array, scores: Array, iou_threshold: float) -> Array:
    """Suppress rotated boxes that overlap one with a higher score.

    Args:
        boxes: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen (y points down).
        scores: (N), float, as `nms`.
        iou_threshold: from 0 to 1.

    Returns:
        int64 (M): indices of the kept boxes, by descending score.

    Raises:
        ArgumentError: wrong shapes, or a threshold outside [0, 1].
        TypeError: boxes or scores that are not floats.

    Overlaps are those of `box_iou_rotated`, in float64; a box of no area or with a NaN or infinite value is kept and
    suppresses none. Complexity: as `nms`, a polygon clipped for each pair whose surrounding boxes meet. Gradient: none.
    Deterministic: does not depend on threads.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> boxes = np.array([[0.0, 0, 10, 4, 0], [0, 0, 10, 4, 10], [0, 0, 10, 4, 90]])
        >>> F.nms_rotated(boxes, np.array([0.9, 0.8, 0.7]), 0.5)
        array([0, 2])
    """
    result: Array = native("nms_rotated", boxes, scores, iou_threshold)
    return result
