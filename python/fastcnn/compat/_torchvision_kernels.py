"""torchvision's operators on fastcnn's kernels, with torchvision's arguments: what its CPU library registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastcnn import ops
from fastcnn._errors import ArgumentError
from fastcnn._torch import conv as _conv
from fastcnn._torch.table import TENSOR_OPS

_BACK = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
_POOLED = "float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_DEFORM = (
    "Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, "
    "SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, "
    "bool use_mask"
)
# Those in torchvision's library.
SCHEMAS = (
    "_cuda_version() -> int",
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align(Tensor input, Tensor rois, {_POOLED}, int sampling_ratio, bool aligned) -> Tensor",
    f"_roi_align_backward(Tensor grad, Tensor rois, {_POOLED}, {_BACK}, int sampling_ratio, bool aligned) -> Tensor",
    "qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, "
    f"int rois_zero_point, {_POOLED}, int sampling_ratio, bool aligned) -> Tensor",
    f"roi_pool(Tensor input, Tensor rois, {_POOLED}) -> (Tensor, Tensor)",
    f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, {_POOLED}, {_BACK}) -> Tensor",
    f"ps_roi_align(Tensor input, Tensor rois, {_POOLED}, int sampling_ratio) -> (Tensor, Tensor)",
    f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, {_POOLED}, int sampling_ratio, "
    f"{_BACK}) -> Tensor",
    f"ps_roi_pool(Tensor input, Tensor rois, {_POOLED}) -> (Tensor, Tensor)",
    f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, {_POOLED}, {_BACK}) -> Tensor",
    f"deform_conv2d({_DEFORM}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, {_DEFORM}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    "box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor",
)


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """As torchvision, which takes any threshold: above 1 nothing is suppressed."""
    return ops.nms(dets, scores, min(iou_threshold, 1.0))


# torchvision promises contiguous results (its meta kernels), whatever the input's layout.


def roi_align(input: Tensor, rois: Tensor, scale: float, height: int, width: int, ratio: int, aligned: bool) -> Tensor:
    result: Tensor = TENSOR_OPS["roi_align"](input, rois, scale, height, width, ratio, aligned)
    return result.contiguous()


def roi_align_backward(
    grad: Tensor,
    rois: Tensor,
    scale: float,
    ph: int,
    pw: int,
    n: int,
    c: int,
    h: int,
    w: int,
    ratio: int,
    aligned: bool,
) -> Tensor:
    result: Tensor = TENSOR_OPS["_roi_align_backward"](grad, rois, scale, n, c, h, w, ratio, aligned)
    return result


def roi_pool(input: Tensor, rois: Tensor, scale: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    result, argmax = TENSOR_OPS["roi_pool"](input, rois, scale, height, width)
    return result.contiguous(), argmax.contiguous()


def roi_pool_backward(
    grad: Tensor, rois: Tensor, argmax: Tensor, scale: float, ph: int, pw: int, n: int, c: int, h: int, w: int
) -> Tensor:
    result: Tensor = TENSOR_OPS["_roi_pool_backward"](grad, rois, argmax, n, c, h, w)
    return result


def ps_roi_align(
    input: Tensor, rois: Tensor, scale: float, height: int, width: int, ratio: int
) -> tuple[Tensor, Tensor]:
    result, mapping = TENSOR_OPS["ps_roi_align"](input, rois, scale, height, width, ratio)
    return result, mapping


def ps_roi_align_backward(
    grad: Tensor,
    rois: Tensor,
    mapping: Tensor,
    scale: float,
    ph: int,
    pw: int,
    ratio: int,
    n: int,
    c: int,
    h: int,
    w: int,
) -> Tensor:
    result: Tensor = TENSOR_OPS["_ps_roi_align_backward"](grad, rois, scale, n, c, h, w, ratio)
    return result


def ps_roi_pool(input: Tensor, rois: Tensor, scale: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    result, mapping = TENSOR_OPS["ps_roi_pool"](input, rois, scale, height, width)
    return result, mapping


def ps_roi_pool_backward(
    grad: Tensor, rois: Tensor, mapping: Tensor, scale: float, ph: int, pw: int, n: int, c: int, h: int, w: int
) -> Tensor:
    result: Tensor = TENSOR_OPS["_ps_roi_pool_backward"](grad, rois, scale, n, c, h, w)
    return result


def deform_conv2d(input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, *numbers: Any) -> Tensor:
    sh, sw, ph, pw, dh, dw, _, _, use_mask = numbers
    return ops.deform_conv2d(input, offset, weight, bias, (sh, sw), (ph, pw), (dh, dw), mask if use_mask else None)


def deform_conv2d_backward(
    grad: Tensor, input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, *numbers: Any
) -> tuple[Tensor, ...]:
    *geometry, groups, offset_groups, use_mask = numbers
    half = input.dtype in (torch.float16, torch.bfloat16)
    tensors = (grad, input, weight, offset, mask)
    g, x, w, o, m = (t.float() for t in tensors) if half else tensors
    scales = m if use_mask else None
    taps = [*weight.shape[2:], *geometry]
    # The convolution of the samples is one of 1x1: stride, padding before and after, dilation.
    unit: tuple[Any, ...] = ([1, 1], [0, 0, 0, 0], [1, 1], groups)
    kernel = w.permute(0, 2, 3, 1)
    columns = TENSOR_OPS["deform_columns"](x, o, scales, taps, groups, offset_groups)
    to_kernel = TENSOR_OPS["_convolution_weight_grad"](g, columns, [1, 1], *unit)
    to_columns = _conv.convolution_transpose(
        g, kernel.reshape(w.shape[0], -1, 1, 1), None, list(columns.shape[2:]), *unit
    )
    to_input, to_offset, to_mask = TENSOR_OPS["_deform_columns_backward"](
        to_columns, x, o, scales, taps, groups, offset_groups
    )
    to_weight = to_kernel.reshape(kernel.shape).permute(0, 3, 1, 2).contiguous()
    if not use_mask:
        to_mask = torch.zeros_like(mask)
    found = (to_input, to_weight, to_offset, to_mask, g.sum((0, 2, 3)))
    return tuple(t.to(input.dtype) for t in found)


def box_iou_rotated(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return ops.box_iou_rotated(boxes1, boxes2).float()  # as torchvision, of doubles too


# torchvision passes the integers of quantised tensors; older releases pass them as they are.


def qnms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """In float32, as torchvision's kernel: a scale changes neither the order nor, but for rounding, the overlap."""
    return nms(dets.float(), scores.double(), iou_threshold)  # float64 keeps the order of any int32


def qroi_align(
    input: Tensor, rois: Tensor, scale: float, zero: int, rois_scale: float, rois_zero: int, *args: Any
) -> Tensor:
    """In torchvision's order: sums of the integers, then the zero point, the scale, and the way back, in float32."""
    if input.shape[0] != 1:
        raise ArgumentError(f"qroi_align: expected input of one image (1, C, H, W), got {tuple(input.shape)}")
    regions = (rois.float() - rois_zero) * rois_scale
    regions[:, 0] = 0  # the one image; not every index can be quantised
    sums = roi_align(input.float(), regions, *args)
    weights = roi_align(torch.ones(1, 1, *input.shape[2:]), regions, *args)
    values = (sums - zero * weights) * scale
    limits = torch.iinfo(input.dtype)
    steps = torch.round(values * (1 / torch.tensor(scale, dtype=torch.float32))).double() + zero
    return steps.clamp(limits.min, limits.max).to(input.dtype)


def nms_of_quantised(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return qnms(dets.int_repr(), scores.int_repr(), iou_threshold)


def roi_align_of_quantised(input: Tensor, rois: Tensor, *args: Any) -> Tensor:
    scales = (input.q_scale(), input.q_zero_point(), rois.q_scale(), rois.q_zero_point())
    result = qroi_align(input.int_repr(), rois.int_repr(), *scales, *args)
    quantised: Tensor = torch._make_per_tensor_quantized_tensor(result, *scales[:2])
    return quantised


# By dispatch key.
KERNELS: dict[str, dict[str, Callable[..., Any]]] = {
    "CPU": {
        "nms": nms,
        "qnms": qnms,
        "qroi_align": qroi_align,
        "roi_align": roi_align,
        "_roi_align_backward": roi_align_backward,
        "roi_pool": roi_pool,
        "_roi_pool_backward": roi_pool_backward,
        "ps_roi_align": ps_roi_align,
        "_ps_roi_align_backward": ps_roi_align_backward,
        "ps_roi_pool": ps_roi_pool,
        "_ps_roi_pool_backward": ps_roi_pool_backward,
        "deform_conv2d": deform_conv2d,
        "_deform_conv2d_backward": deform_conv2d_backward,
        "box_iou_rotated": box_iou_rotated,
    },
    "QuantizedCPU": {"nms": nms_of_quantised, "roi_align": roi_align_of_quantised},
}


def fake_box_iou_rotated(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The one operator whose metadata no release of torchvision tells."""
    return boxes1.new_empty((boxes1.shape[0], boxes2.shape[0]), dtype=torch.float32)


# --- autograd, for releases of torchvision that have it in their library ----------------------------------------------


def _saved(places: bool, names: int) -> Callable[..., None]:
    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        input, rois, *ctx.rest = inputs
        ctx.shape = input.shape
        if places:
            ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(rois, *([output[1]] if places else []))
        ctx.count = names

    return setup


def _back(name: str, tail: int) -> Callable[..., Any]:
    """The gradient's op takes the forward's arguments behind the scale and bins (`tail` of them) after the shape."""

    def backward(ctx: Any, grad: Tensor, *_: Any) -> Any:
        head, ratio = ctx.rest[:3], ctx.rest[3:]
        order = [*head, *ctx.shape, *ratio] if tail else [*head, *ratio, *ctx.shape]
        result = getattr(torch.ops.torchvision, name)(grad, *ctx.saved_tensors, *order)
        return result, *(None,) * (ctx.count - 1)

    return backward


def _save_deform(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.rest = inputs[5:]


def _deform_back(ctx: Any, grad: Tensor) -> Any:
    found = torch.ops.torchvision._deform_conv2d_backward(grad, *ctx.saved_tensors, *ctx.rest)
    return *found, *(None,) * len(ctx.rest)


# (context, gradient) of each op.
AUTOGRAD: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "roi_align": (_saved(False, 7), _back("_roi_align_backward", 1)),
    "roi_pool": (_saved(True, 5), _back("_roi_pool_backward", 1)),
    "ps_roi_align": (_saved(True, 6), _back("_ps_roi_align_backward", 0)),
    "ps_roi_pool": (_saved(True, 5), _back("_ps_roi_pool_backward", 1)),
    "deform_conv2d": (_save_deform, _deform_back),
}
