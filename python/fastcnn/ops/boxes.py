"""Boxes: overlaps, formats, areas."""

from __future__ import annotations

from typing import Any, cast

from fastcnn._arguments import check_choice
from fastcnn._dispatch import Array, cast_to, is_float, is_tensor, native, stack_last
from fastcnn._errors import ArgumentError

__all__ = [
    "box_area",
    "box_convert",
    "box_iou",
    "box_iou_rotated",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "remove_small_boxes",
]

_FORMATS = ("xyxy", "xywh", "cxcywh")
_OVERLAPS = ("iou", "generalized", "distance", "complete")


def box_iou(boxes1: Array, boxes2: Array) -> Array:
    """Return the intersection over the union of all pairs of boxes.

    Args:
        boxes1: (N, 4) or (B, N, 4), ``x1, y1, x2, y2``; integers are computed in float64, where they are exact.
        boxes2: (M, 4) or (B, M, 4), of the same dtype.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype (torchvision's is float32 for half precision), float32 for integers.
        NaN where both have no area; the gradient is 0 there. Half precision is computed in float32.

    Raises:
        ArgumentError: wrong shapes.
        TypeError: different dtypes.

    Complexity: O(N * M). Gradient: of any order, to both boxes. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
        array([[0.33333333, 0.        ]])
    """
    return _pairs(boxes1, boxes2, "iou", 0.0, "box_iou")


def generalized_box_iou(boxes1: Array, boxes2: Array) -> Array:
    """Return the generalised IoU of all pairs: IoU minus the uncovered share of the enclosing box.

    From -1 to 1; disjoint boxes still have a gradient. Arguments, errors, complexity: as `box_iou`.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        H. Rezatofighi et al., "Generalized intersection over union", 2019.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.generalized_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [4, 0, 6, 2]]))
        array([[ 0.33333333, -0.33333333]])
    """
    return _pairs(boxes1, boxes2, "generalized", 0.0, "generalized_box_iou")


def distance_box_iou(boxes1: Array, boxes2: Array, eps: float = 1e-7) -> Array:
    """Return the distance IoU of all pairs: IoU minus the squared distance of centres in enclosing diagonals.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: is added to the squared diagonal.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        Z. Zheng et al., "Distance-IoU loss: faster and better learning for bounding box regression", 2020.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.distance_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[2.0, 0, 4, 2]]))
        array([[-0.2]])
    """
    return _pairs(boxes1, boxes2, "distance", eps, "distance_box_iou")


def complete_box_iou(boxes1: Array, boxes2: Array, eps: float = 1e-7) -> Array:
    """Return the complete IoU of all pairs: distance IoU minus a term for different aspect ratios.

    Args:
        boxes1: as `box_iou`.
        boxes2: as `box_iou`.
        eps: keeps quotients finite.

    Returns:
        (N, M) or (B, N, M), of the boxes' dtype.

    Reference:
        Z. Zheng et al., "Distance-IoU loss: faster and better learning for bounding box regression", 2020. The gradient
        treats the weight of the aspect ratios as a constant, as there.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.complete_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 1]]))
        array([[0.46550187]])
    """
    return _pairs(boxes1, boxes2, "complete", eps, "complete_box_iou")


def box_iou_rotated(boxes1: Array, boxes2: Array) -> Array:
    """Return the intersection over the union of all pairs of rotated boxes.

    Args:
        boxes1: (N, 5), float: ``cx, cy, width, height, angle`` in degrees, counter-clockwise as seen (y points down).
        boxes2: (M, 5).

    Returns:
        (N, M), of `boxes1`'s dtype, computed in float64; 0 where a box has no area, or a NaN or infinite value.

    Raises:
        ArgumentError: wrong shapes.
        TypeError: boxes that are not floats.

    Complexity: O(N * M), with polygon clipping if the enclosing boxes intersect. Gradient: none. Deterministic.

    Reference:
        I. E. Sutherland, G. W. Hodgman, "Reentrant polygon clipping", 1974.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.box_iou_rotated(np.array([[0.0, 0, 2, 2, 0]]), np.array([[0.0, 0, 2, 2, 45], [0, 0, 2, 2, 90]]))
        array([[0.70710678, 1.        ]])
    """
    result: Array = native("box_iou_rotated", boxes1, boxes2)
    return result


def box_convert(boxes: Array, in_fmt: str, out_fmt: str) -> Array:
    """Change the format of boxes.

    Args:
        boxes: (..., 4).
        in_fmt: "xyxy" (corners), "xywh" (corner, width, height) or "cxcywh" (centre, width, height).
        out_fmt: likewise.

    Returns:
        (..., 4), a copy. Floats keep their dtype; half precision is computed in float32. Integers become int64, or
        floats where a centre is taken or given, unless both formats are the same.

    Raises:
        ArgumentError: another shape, or an unknown format.

    Gradient: of any order.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.box_convert(np.array([[1.0, 2, 4, 8]]), "xyxy", "cxcywh")
        array([[2.5, 5. , 3. , 6. ]])
    """
    op = "box_convert"
    check_boxes(boxes, op)
    check_choice(in_fmt, _FORMATS, op, "in_fmt")
    check_choice(out_fmt, _FORMATS, op, "out_fmt")
    if in_fmt == out_fmt:
        copy: Array = stack_last([boxes[..., i] for i in range(4)])
        return copy
    wide = _wide(boxes)
    a, b, c, d = (wide[..., i] for i in range(4))
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    found: Array = stack_last([a, b, c, d])
    return cast_to(found, boxes.dtype) if is_float(boxes) else found


def box_area(boxes: Array) -> Array:
    """Return the areas of boxes (..., 4).

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.

    Returns:
        (...): int64 for integers, float64 for float64, float32 otherwise. Gradient: of any order.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.box_area(np.array([[1.0, 2, 4, 8]]))
        array([18.])
    """
    width, height = _sides(_wide(boxes), "box_area")
    area: Array = width * height
    return area


def clip_boxes_to_image(boxes: Array, size: tuple[int, int]) -> Array:
    """Clip boxes to an image.

    Args:
        boxes: (..., 4), ``x1, y1, x2, y2``.
        size: the image's height and width.

    Returns:
        (..., 4), a copy of the same dtype. Gradient: to coordinates that lie inside.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.clip_boxes_to_image(np.array([[-3.0, 2, 40, 8]]), (30, 20))
        array([[ 0.,  2., 20.,  8.]])
    """
    # A clipped coordinate lies between its old value and the image, so it fits the dtype.
    check_boxes(boxes, "clip_boxes_to_image")
    height, width = size
    wide = _wide(boxes)
    clipped: Array = stack_last([wide[..., i].clip(0, height if i % 2 else width) for i in range(4)])
    return cast_to(clipped, boxes.dtype)


def remove_small_boxes(boxes: Array, min_size: float) -> Array:
    """Find the boxes whose sides are both at least `min_size` long.

    Args:
        boxes: (N, 4), ``x1, y1, x2, y2``.
        min_size: in the boxes' unit.

    Returns:
        int64 (M): their indices.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.remove_small_boxes(np.array([[0.0, 0, 9, 9], [0, 0, 9, 1]]), 2)
        array([0])
    """
    width, height = _sides(_wide(boxes), "remove_small_boxes")
    kept: Array = ((width >= min_size) & (height >= min_size)).nonzero()
    return kept[0] if isinstance(kept, tuple) else kept.reshape(-1)


def masks_to_boxes(masks: Array) -> Array:
    """Return the box around each mask.

    Args:
        masks: (..., H, W), any dtype, non-zero inside.

    Returns:
        float32 (..., 4): indices of the first and the last column and row, ``x1, y1, x2, y2``, as torchvision's; zeros
        where a mask is empty (torchvision fails).

    Raises:
        ArgumentError: fewer than two dimensions.

    Complexity: linear in the pixels. Gradient: none. Deterministic.

    Example:
        >>> import numpy as np, fastcnn.ops as F
        >>> F.masks_to_boxes(np.array([[[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]]))
        array([[1., 1., 2., 2.]], dtype=float32)
    """
    result: Array = native("masks_to_boxes", masks)
    return result


def check_boxes(boxes: Any, op: str, argument: str = "boxes", columns: int = 4) -> None:
    """Raise if the last dimension does not have `columns` values."""
    if boxes.ndim == 0 or boxes.shape[-1] != columns:
        raise ArgumentError(f"{op}: expected {argument} of shape (..., {columns}), got {tuple(boxes.shape)}")


def _pairs(boxes1: Array, boxes2: Array, kind: str, eps: float, op: str) -> Array:
    check_boxes(boxes1, op, "boxes1")
    check_boxes(boxes2, op, "boxes2")
    both: tuple[Any, Any] = boxes1, boxes2
    if not all(is_float(boxes) for boxes in both):
        # float64 represents all integers of 32 bits exactly.
        exact = _pairs(cast_to(boxes1, "float64"), cast_to(boxes2, "float64"), kind, eps, op)
        wide = any(is_float(boxes) and boxes.dtype.itemsize == 8 for boxes in both)
        return exact if wide else cast_to(exact, "float32")
    if is_tensor(boxes1):
        from fastcnn._torch.boxes import overlaps_with_derivative

        formula: Any = overlaps_with_derivative(*both, kind, eps)
        if formula is not None:
            return cast(Array, formula)
    found: Array = native("box_overlaps", boxes1, boxes2, _OVERLAPS.index(kind), eps)
    return found


def _wide(boxes: Any) -> Any:
    """Convert boxes to a dtype in which sums and products neither wrap around nor overflow."""
    if not is_float(boxes):
        return cast_to(boxes, "int64")
    return boxes if boxes.dtype.itemsize == 8 else cast_to(boxes, "float32")


def _sides(boxes: Any, op: str) -> tuple[Any, Any]:
    """Return widths and heights."""
    check_boxes(boxes, op)
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
