"""Handlers of layers: convolution, linear, pooling, concatenation, upsampling. See lower.py."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from fastcnn._optimize.lower import FLOATS, Lowering, dtype_of, expand, lowers, named_arguments, shape_of
from fastcnn._optimize.steps import Concat, Convolution, GlobalAverage, Pool, Upsample

aten = torch.ops.aten


# --- convolutions and linear layers -----------------------------------------------------------------------------------


def _pad_before(node: Any, dims: int) -> tuple[Any, list[int]]:
    """Fuse zero padding before a convolution into it."""
    none = [0] * 2 * dims
    if not isinstance(node, fx.Node) or node.target not in (aten.pad.default, aten.constant_pad_nd.default):
        return node, none
    named = named_arguments(node)
    pad = list(named["pad"])
    if named.get("mode", "constant") != "constant" or named.get("value") not in (None, 0, 0.0):
        return node, none
    if len(pad) > 2 * dims or any(not isinstance(p, int) for p in pad):
        return node, none
    pad += [0] * (2 * dims - len(pad))
    # torch lists the last dimension first, in pairs of values before and after.
    return named["self"], pad[0::2][::-1] + pad[1::2][::-1]


@lowers(
    aten.conv1d.default, aten.conv2d.default, aten.conv3d.default,
    aten.conv1d.padding, aten.conv2d.padding, aten.conv3d.padding,
)  # fmt: skip
def _convolution(
    lowering: Lowering,
    node: fx.Node,
    /,
    *,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> None:
    w, b = lowering.constant(weight), lowering.constant(bias)
    if w is None or (bias is not None and b is None) or w.dtype not in FLOATS or len(shape_of(input)) != w.dim():
        return
    dims = w.dim() - 2
    stride, dilation = expand(stride, dims), expand(dilation, dims)
    if padding == "valid":
        padding = [0]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
        both = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        both = expand(padding, dims) * 2
    source, more = _pad_before(input, dims)
    both = [a + b for a, b in zip(both, more, strict=True)]
    lowering.emit(node, Convolution(w, b, stride=stride, padding=both, dilation=dilation, groups=groups), source)


@lowers(aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input)
def _transposed_convolution(
    lowering: Lowering,
    node: fx.Node,
    /,
    *,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> None:
    w, b = lowering.constant(weight), lowering.constant(bias)
    if w is None or (bias is not None and b is None) or w.dtype not in FLOATS or len(shape_of(input)) != w.dim():
        return
    dims = w.dim() - 2
    extra = expand(output_padding, dims)
    if any(not isinstance(e, int) for e in extra):
        return
    step = Convolution(
        w, b, stride=expand(stride, dims), padding=expand(padding, dims) * 2, dilation=expand(dilation, dims),
        groups=groups, transposed=True, output_padding=extra,
    )  # fmt: skip
    lowering.emit(node, step, input)


@lowers(aten.linear.default)
def _linear(lowering: Lowering, node: fx.Node, /, *, input: Any, weight: Any, bias: Any) -> None:
    w, b = lowering.constant(weight), lowering.constant(bias)
    if w is None or (bias is not None and b is None) or w.dtype not in FLOATS or len(shape_of(input)) != 2:
        return
    size: Any = (1, 1)
    flat = True
    # After flattening an image of fixed size: use a convolution of that kernel size, which needs no copy.
    if input.target in (aten.flatten.using_ints, aten.view.default, aten.reshape.default):
        image = input.args[0]
        shape = shape_of(image)
        fixed = len(shape) == 4 and all(isinstance(n, int) for n in shape[1:])
        if lowering.step(image) and fixed and math.prod(shape[1:]) == w.shape[1]:
            input, size, flat = image, shape[2:], False
    step = Convolution(
        w.reshape(w.shape[0], -1, *size), b, stride=(1, 1), padding=[0] * 4, dilation=(1, 1),
        flat_input=flat, flat_output=True,
    )  # fmt: skip
    lowering.emit(node, step, input)


# --- pooling, concatenation, up-sampling ------------------------------------------------------------------------------


def _pool(lowering: Lowering, node: fx.Node, op: str, /, **named: Any) -> None:
    x = named.pop("self")
    if not lowering.is_pixels(x) or any(isinstance(v, fx.Node) for v in named.values()):
        return
    arguments = [list(v) if isinstance(v, (list, tuple)) else v for v in named.values()]
    if any(isinstance(v, list) and any(isinstance(n, fx.Node) for n in v) for v in arguments):
        return
    # "No stride given" is an empty list in torch's schema, and None in its functions.
    lowering.emit(node, Pool(op, *(None if v == [] else v for v in arguments)), x)


def _register_pools() -> None:
    for dims in (1, 2, 3):
        for op in (f"max_pool{dims}d", f"avg_pool{dims}d", f"adaptive_avg_pool{dims}d"):

            def handler(lowering: Lowering, node: fx.Node, /, op: str = op, dims: int = dims, **named: Any) -> None:
                size = named.get("output_size")
                if len(shape_of(named["self"])) != dims + 2:
                    return  # one image, without a batch
                if size is not None and all(n == 1 for n in size) and lowering.is_pixels(named["self"]):
                    lowering.emit(node, GlobalAverage(), named["self"])
                else:
                    _pool(lowering, node, op, **named)

            lowers(getattr(aten, op).default)(handler)


_register_pools()


@lowers(aten.mean.dim)
def _mean(lowering: Lowering, node: fx.Node, /, *, dim: Any, keepdim: bool, **named: Any) -> None:
    x = named["self"]
    rank = len(shape_of(x))
    if rank < 3 or dim is None or not lowering.is_pixels(x) or named.get("dtype") is not None:
        return
    if sorted(d % rank for d in dim) != list(range(2, rank)):
        return
    pooled = lowering.emit(node, GlobalAverage(), x)
    if keepdim:
        return
    mean = pooled.meta["val"]
    with lowering.graph.inserting_after(pooled):
        flat = lowering.graph.call_function(aten.flatten.using_ints, (pooled, 1))
    flat.meta = dict(pooled.meta)
    pooled.replace_all_uses_with(flat, delete_user_cb=lambda user: user is not flat)
    pooled.meta["val"] = mean.reshape(*mean.shape, *[1] * (rank - 2))


@lowers(aten.cat.default)
def _cat(lowering: Lowering, node: fx.Node, /, *, tensors: Any, dim: int) -> None:
    rank = len(shape_of(node))
    if rank not in (3, 4, 5) or dim % rank != 1 or dtype_of(node) not in FLOATS:
        return
    fits = all(len(shape_of(t)) == rank and dtype_of(t) == dtype_of(node) for t in tensors)
    if fits and any(lowering.is_pixels(t) for t in tensors):
        lowering.emit(node, Concat(), *tensors)


@lowers(aten.upsample_nearest2d.vec)
def _upsample(lowering: Lowering, node: fx.Node, /, *, input: Any, output_size: Any, scale_factors: Any) -> None:
    if not lowering.is_pixels(input):
        return
    if output_size is not None:
        lowering.emit(node, Upsample(None), input, *output_size)
    elif all(float(f).is_integer() for f in scale_factors):
        lowering.emit(node, Upsample([int(f) for f in scale_factors]), input)


@lowers(torch.ops.fastcnn.resize.default)
def _resize(lowering: Lowering, node: fx.Node, /, *, image: Any, height: Any, width: Any, mode: str, **_: Any) -> None:
    # Only torch's "nearest" becomes a step; other modes stay ops.
    if mode == "nearest" and len(shape_of(node)) == 4 and lowering.is_pixels(image):
        lowering.emit(node, Upsample(None), image, height, width)
