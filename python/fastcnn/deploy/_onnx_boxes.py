"""Suppression and regions in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fastcnn._errors import ArgumentError
from fastcnn.deploy._onnx_common import Types, fixed, ints, op, scalar


def nms_padded(
    boxes: Any,
    scores: Any,
    iou_threshold: float,
    max_output: int,
    score_threshold: float | None = None,
    classes: Any = None,
) -> tuple[Any, Any]:
    """NonMaxSuppression, whose rows of (image, class, box) become a fixed shape by way of a mask and TopK."""
    boxes, scores = op.Cast(boxes, to=1), op.Cast(scores, to=1)
    if classes is None:
        by_class = op.Unsqueeze(scores, ints(1))
        present = None
    else:
        # A row of scores for each class; elsewhere a box is not of it.
        keys = op.Cast(classes, to=7)
        flat = op.Reshape(keys, ints(-1))
        zero = ints(0)
        low = op.ReduceMin(op.Concat(flat, zero, axis=0), keepdims=0)
        high = op.ReduceMax(op.Concat(flat, zero, axis=0), keepdims=0)
        every = op.Range(low, op.Add(high, op.Constant(value_int=1)), op.Constant(value_int=1))
        present = op.Equal(
            op.Unsqueeze(keys, ints(1)),
            op.Unsqueeze(every, ints(0, 2)),
        )
        by_class = op.Unsqueeze(scores, ints(1))
        by_class = op.Where(present, by_class, op.Constant(value_float=float("-inf")))
    minimum = torch.finfo(torch.float32).min if score_threshold is None else score_threshold
    rows = op.NonMaxSuppression(
        boxes,
        by_class,
        ints(max_output),
        op.Constant(value_floats=[float(iou_threshold)]),
        op.Constant(value_floats=[float(minimum)]),
    )
    places = op.Gather(rows, ints(0, 2), axis=1)
    mask = op.ScatterND(
        op.ConstantOfShape(op.Shape(scores)), places, op.Expand(op.Constant(value_float=1.0), op.Shape(rows, end=1))
    )
    kept = op.Greater(mask, op.Constant(value_float=0.0))
    # Room for K where there are fewer boxes.
    ranked = op.Where(kept, scores, op.Constant(value_float=float("-inf")))
    ranked = op.Pad(ranked, ints(0, 0, 0, max_output), op.Constant(value_float=float("-inf")))
    places = op.Pad(op.Cast(kept, to=7), ints(0, 0, 0, max_output))
    _, indices = op.TopK(ranked, ints(max_output))
    found = op.Greater(op.GatherElements(places, indices, axis=1), op.Constant(value_int=0))
    indices = op.Where(found, indices, op.Constant(value_int=-1))
    counts = op.ReduceSum(op.Cast(found, to=7), ints(1), keepdims=0)
    return indices, counts


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """NonMaxSuppression of one class takes boxes by falling score, as the result is to be."""
    first = ints(0)
    rows = op.NonMaxSuppression(
        op.Unsqueeze(op.Cast(boxes, to=Types.FLOAT), first),
        op.Unsqueeze(op.Cast(scores, to=Types.FLOAT), ints(0, 1)),
        op.Shape(scores),
        op.Constant(value_floats=[float(iou_threshold)]),
        op.Constant(value_floats=[torch.finfo(torch.float32).min]),
    )
    return op.Gather(rows, scalar(2), axis=1)


def roi_align(
    input: Any, rois: Any, spatial_scale: float, height: Any, width: Any, sampling_ratio: int, aligned: bool
) -> Any:
    if not fixed([height, width, sampling_ratio]):
        raise ArgumentError("roi_align: expected output_size and sampling_ratio of fixed numbers in ONNX")
    return op.RoiAlign(
        input,
        op.Slice(rois, ints(1), ints(5), ints(1)),
        op.Cast(op.Gather(rois, scalar(0), axis=1), to=Types.INT64),
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        mode="avg",
        output_height=height,
        output_width=width,
        sampling_ratio=max(sampling_ratio, 0),
        spatial_scale=spatial_scale,
    )


FORMS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (nms, nms_padded, roi_align)}
