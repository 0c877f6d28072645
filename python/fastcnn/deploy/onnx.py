"""fastcnn's operators in ONNX, for `torch.onnx.export`. Needs the extra ``fastcnn[onnx]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import fastcnn.ops  # noqa: F401  # defines the operators
from fastcnn._extras import needing

with needing("fastcnn.deploy.onnx", "onnx"):
    from onnxscript import opset18

op: Any = opset18  # every value is a node of the graph; onnxscript's types say more than they hold


def _nms_padded(
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
        by_class = op.Unsqueeze(scores, op.Constant(value_ints=[1]))
        present = None
    else:
        # A row of scores for each class; elsewhere a box is not of it.
        keys = op.Cast(classes, to=7)
        flat = op.Reshape(keys, op.Constant(value_ints=[-1]))
        zero = op.Constant(value_ints=[0])
        low = op.ReduceMin(op.Concat(flat, zero, axis=0), keepdims=0)
        high = op.ReduceMax(op.Concat(flat, zero, axis=0), keepdims=0)
        every = op.Range(low, op.Add(high, op.Constant(value_int=1)), op.Constant(value_int=1))
        present = op.Equal(
            op.Unsqueeze(keys, op.Constant(value_ints=[1])),
            op.Unsqueeze(every, op.Constant(value_ints=[0, 2])),
        )
        by_class = op.Unsqueeze(scores, op.Constant(value_ints=[1]))
        by_class = op.Where(present, by_class, op.Constant(value_float=float("-inf")))
    least = torch.finfo(torch.float32).min if score_threshold is None else score_threshold
    rows = op.NonMaxSuppression(
        boxes,
        by_class,
        op.Constant(value_ints=[max_output]),
        op.Constant(value_floats=[float(iou_threshold)]),
        op.Constant(value_floats=[float(least)]),
    )
    places = op.Gather(rows, op.Constant(value_ints=[0, 2]), axis=1)
    mask = op.ScatterND(
        op.ConstantOfShape(op.Shape(scores)), places, op.Expand(op.Constant(value_float=1.0), op.Shape(rows, end=1))
    )
    kept = op.Greater(mask, op.Constant(value_float=0.0))
    # Room for K where there are fewer boxes.
    ranked = op.Where(kept, scores, op.Constant(value_float=float("-inf")))
    ranked = op.Pad(ranked, op.Constant(value_ints=[0, 0, 0, max_output]), op.Constant(value_float=float("-inf")))
    places = op.Pad(op.Cast(kept, to=7), op.Constant(value_ints=[0, 0, 0, max_output]))
    _, indices = op.TopK(ranked, op.Constant(value_ints=[max_output]))
    found = op.Greater(op.GatherElements(places, indices, axis=1), op.Constant(value_int=0))
    indices = op.Where(found, indices, op.Constant(value_int=-1))
    counts = op.ReduceSum(op.Cast(found, to=7), op.Constant(value_ints=[1]), keepdims=0)
    return indices, counts


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the table that `torch.onnx.export` takes as ``custom_translation_table``.

    `fastcnn.ops.nms_padded` becomes NonMaxSuppression, so that a detector exports with its post-processing and runs in
    any ONNX runtime. Two things differ there: ONNX takes the corners of inverted boxes in their right order, and boxes
    whose score is NaN take no part.

    Example:
        >>> from fastcnn.deploy.onnx import translations
        >>> [op.name() for op in translations()]
        ['fastcnn::nms_padded']
    """
    return {torch.ops.fastcnn.nms_padded.default: _nms_padded}
