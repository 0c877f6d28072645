"""Convolutions, pools and resizing in ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import ir

from fastcnn._torch.packed import unpacked
from fastcnn.deploy._onnx_common import Planes, Types, count, fixed, ints, op, scalar, vector
from fastcnn.ops import _conv_arithmetic as _c
from fastcnn.ops._conv_arithmetic import Geometry

# --- convolutions -----------------------------------------------------------------------------------------------------


def convolution(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    return op.Conv(input, weight, bias, strides=stride, pads=padding, dilations=dilation, group=groups)


def convolution_transpose(
    input: Any, weight: Any, bias: Any, output_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    dims = len(stride)
    sizes = list(input.shape)[2:]
    if fixed([*sizes, *output_size]):
        geometry = Geometry(stride, padding, dilation)
        minimum = _c.transposed_output_size("convolution_transpose", sizes, list(weight.shape)[2:], geometry, 0)
        extra = [size - n for size, n in zip(output_size, minimum, strict=True)]
    else:  # as many as may be, and what is too much is cut off
        extra = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
    result = op.ConvTranspose(
        input, weight, bias, strides=stride, pads=padding, dilations=dilation, group=groups, output_padding=extra
    )
    if fixed([*sizes, *output_size]) or not any(extra):
        return result
    return op.Slice(result, ints(*[0] * dims), vector(output_size), ints(*range(2, 2 + dims)))


ACTIVATIONS: dict[str, Callable[[Any, float], Any]] = {
    "none": lambda x, alpha: x,
    "relu": lambda x, alpha: op.Relu(x),
    "clamp": lambda x, alpha: op.Clip(x, _like(0.0, x), _like(alpha, x)),
    "leaky_relu": lambda x, alpha: op.LeakyRelu(x, alpha=alpha),
    "elu": lambda x, alpha: op.Elu(x, alpha=alpha),
    "silu": lambda x, alpha: op.Mul(x, op.Sigmoid(x)),
    "hardswish": lambda x, alpha: op.HardSwish(x),
    "hardsigmoid": lambda x, alpha: op.HardSigmoid(x, alpha=1 / 6, beta=0.5),
    "sigmoid": lambda x, alpha: op.Sigmoid(x),
    "tanh": lambda x, alpha: op.Tanh(x),
    "softplus": lambda x, alpha: op.Softplus(x),
}


def _like(value: float, x: Any) -> Any:
    return op.CastLike(op.Constant(value_float=value), x)


def packed_convolution(
    input: Any,
    packed: Any,
    bias: Any,
    residual: Any,
    scale: Any,
    input_scale: Any,
    weight_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_size: Any,
    activation: str,
    alpha: float,
    algorithm: str,
) -> Any:
    """Its parts one by one, on the weight as it was before packing."""
    geometry = Geometry(list(stride), list(padding), list(dilation))
    taps = ints(*range(2, len(weight_size)))

    def weight() -> Any:  # asked for when the graph is complete and has its constants
        values = torch.from_numpy(packed.const_value.numpy().copy())
        return ir.tensor(unpacked(values, weight_size, geometry, groups, bool(output_size), algorithm).numpy())

    constant = op.Constant(value=ir.LazyTensor(weight, dtype=packed.dtype, shape=ir.Shape(weight_size), cache=True))
    constant.shape = ir.Shape(weight_size)
    shape = input.shape
    if input_scale is not None:
        input = op.Mul(input, op.Unsqueeze(input_scale, taps))
        input.shape = shape
    if output_size:
        result = convolution_transpose(input, constant, bias, output_size, *geometry, groups)
    else:
        result = convolution(input, constant, bias, *geometry, groups)
    if residual is not None:
        result = op.Add(result, residual)
    result = ACTIVATIONS[activation](result, alpha)
    return result if scale is None else op.Mul(result, op.Unsqueeze(scale, taps))


# --- pools ------------------------------------------------------------------------------------------------------------

# Types that runtimes take the maximum of; others are cast to one that holds them.
_ORDERED = {Types.FLOAT, Types.DOUBLE, Types.FLOAT16, Types.INT8, Types.UINT8}
_WIDER = {Types.BOOL: Types.UINT8, Types.BFLOAT16: Types.FLOAT}


class _Windows:
    """Windows that begin in the image or before it, as torch counts them with ``ceil_mode``; runtimes differ.

    Where the size is known, the padding behind the end is a number; else the surplus is cut off.
    """

    def __init__(self, planes: Planes, reach: Sequence[int], stride: Any, padding: Any, ceil: bool) -> None:
        self.planes, self.stride, self.padding = planes, stride, padding
        self.known = fixed(planes.spatial) or not ceil
        self.ceil = ceil and not self.known
        self.trim = self.ceil and any(s + p > k for k, s, p in zip(reach, stride, padding, strict=True))
        self.behind = list(padding)
        if ceil and self.known:
            for i, (n, k, s, p) in enumerate(zip(planes.spatial, reach, stride, padding, strict=True)):
                last = min(-((k - n - 2 * p) // s), (n + p - 1) // s)
                self.behind[i] = max(p, last * s + k - n - p)

    def cut(self, result: Any) -> Any:
        if self.trim:
            size = op.Add(self.planes.sizes(self.planes.value), ints(*(p - 1 for p in self.padding)))
            ends = op.Add(op.Div(size, ints(*self.stride)), ints(1))
            result = op.Slice(result, ints(*[0] * len(self.stride)), ends, ints(*range(2, 2 + len(self.stride))))
        return self.planes.back(result)


def _maximum(input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> tuple[Any, Any]:
    planes = Planes(input, len(kernel))
    image = planes.value
    cast = input.dtype not in _ORDERED
    if cast:
        image = op.Cast(image, to=_WIDER.get(input.dtype, Types.DOUBLE))
    windows = _Windows(
        planes, [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)], stride, padding, ceil_mode
    )
    values, indices = op.MaxPool(
        image, kernel_shape=kernel, strides=stride, pads=[*padding, *windows.behind], dilations=dilation,
        ceil_mode=int(windows.ceil),
    )  # fmt: skip
    if cast:
        values = op.Cast(values, to=input.dtype)
    indices = op.Mod(indices, op.ReduceProd(planes.sizes(image), keepdims=0))  # ONNX counts on through the planes
    return windows.cut(values), windows.cut(indices)


def max_pool(*args: Any) -> Any:
    return _maximum(*args)[0]


def max_pool_with_indices(*args: Any) -> Any:
    return _maximum(*args)


def avg_pool(
    input: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool, divisor: Any
) -> Any:
    planes = Planes(input, len(kernel))
    windows = _Windows(planes, kernel, stride, padding, ceil_mode)
    image, before, behind = planes.value, list(padding), windows.behind
    # Zeros that count are put there, since runtimes differ in what they count of a window over the end.
    counted = divisor is not None or (count_include_pad and ceil_mode)
    if counted:
        after = list(padding)
        if divisor is not None:
            after = behind if windows.known else [p + s - 1 for p, s in zip(padding, stride, strict=True)]
        if any((*before, *after)):
            image = op.Pad(image, ints(0, 0, *before, 0, 0, *after))
        before, behind = [0] * len(kernel), [b - a for a, b in zip(after, behind, strict=True)]
    result = op.AveragePool(
        image, kernel_shape=kernel, strides=stride, pads=[*before, *(max(b, 0) for b in behind)],
        ceil_mode=int(windows.ceil and divisor is None), count_include_pad=int(count_include_pad and not counted),
    )  # fmt: skip
    if divisor is not None:
        result = op.Mul(result, _like(math.prod(kernel) / divisor, result))
    return windows.cut(result)


def _adapted(image: Any, axis: int, size: Any, after: int, maximum: bool) -> Any:
    """Pool along one axis to a size: window i is from floor(i n / size) to ceil((i + 1) n / size)."""
    n, sizes, one = op.Shape(image, start=axis, end=axis + 1), vector([size]), ints(1)
    i = count(size)
    first = op.Div(op.Mul(i, n), sizes)
    end = op.Div(op.Add(op.Mul(op.Add(i, one), n), op.Sub(sizes, one)), sizes)
    length = op.Sub(end, first)
    steps = op.Range(scalar(0), op.ReduceMax(length, keepdims=0), scalar(1))
    at = op.Add(op.Unsqueeze(first, one), steps)
    end = op.Unsqueeze(end, one)
    values = op.Gather(image, op.Min(at, op.Sub(end, one)), axis=axis)
    if maximum:
        return op.ReduceMax(values, ints(axis + 1), keepdims=0)
    behind = ints(*range(2, 2 + after))
    inside, length = op.Less(at, end), op.CastLike(length, image)
    if after:
        inside, length = op.Unsqueeze(inside, behind), op.Unsqueeze(length, ints(*range(1, 1 + after)))
    values = op.ReduceSum(op.Where(inside, values, _like(0.0, image)), ints(axis + 1), keepdims=0)
    return op.Div(values, length)


def _adaptive(input: Any, output_size: Any, maximum: bool) -> Any:
    dims = len(output_size)
    planes = Planes(input, dims)
    image, sizes = planes.value, planes.spatial
    if all(n == 1 for n in output_size if isinstance(n, int)) and fixed(output_size):
        result = (op.ReduceMax if maximum else op.ReduceMean)(image, ints(*range(2, 2 + dims)))
    elif fixed(sizes) and fixed(output_size) and all(n % o == 0 for n, o in zip(sizes, output_size, strict=True)):
        kernel = [n // o for n, o in zip(sizes, output_size, strict=True)]
        zeros, ones = [0] * dims, [1] * dims
        if maximum:
            return max_pool(input, kernel, kernel, zeros, ones, False)
        return avg_pool(input, kernel, kernel, zeros, False, False, None)
    else:
        result = image
        for i, size in enumerate(output_size):
            result = _adapted(result, 2 + i, size, dims - 1 - i, maximum)
    return planes.back(result)


def adaptive_max_pool(input: Any, output_size: Any) -> Any:
    return _adaptive(input, output_size, True)


def adaptive_avg_pool(input: Any, output_size: Any) -> Any:
    return _adaptive(input, output_size, False)


def max_unpool(input: Any, indices: Any, output_size: Any) -> Any:
    sizes = vector(output_size)
    lead = op.Shape(input, end=-len(output_size))
    flat = op.Concat(lead, ints(-1), axis=0)
    zeros = op.CastLike(op.ConstantOfShape(op.Concat(lead, op.ReduceProd(sizes), axis=0)), input)
    filled = op.ScatterElements(zeros, op.Reshape(indices, flat), op.Reshape(input, flat), axis=-1)
    return op.Reshape(filled, op.Concat(lead, sizes, axis=0))


# --- resizing ---------------------------------------------------------------------------------------------------------


def _picked(image: Any, axis: int, size: Any, shift: float) -> Any:
    """Nearest neighbours along an axis, in single precision as torch has them."""
    n = op.Shape(image, start=axis, end=axis + 1)
    scale = op.Div(op.Cast(n, to=Types.DOUBLE), op.Cast(vector([size]), to=Types.DOUBLE))
    place = op.Add(op.Cast(count(size), to=Types.FLOAT), op.Constant(value_float=shift))
    at = op.Cast(op.Floor(op.Mul(place, op.Cast(scale, to=Types.FLOAT))), to=Types.INT64)
    return op.Gather(image, op.Min(at, op.Sub(n, ints(1))), axis=axis)


def _smooth(image: Any, axis: int, size: Any, mode: str) -> Any:
    """Return the weights (size, n) of averages over the result's pixels, Pillow's; onnxruntime has others."""
    one = op.Constant(value_float=1.0)
    n = op.Shape(image, start=axis, end=axis + 1)
    pixels, results = (op.Cast(count(v), to=Types.FLOAT) for v in (n, size))
    half = op.Constant(value_float=0.5)
    scale = op.Div(op.Cast(n, to=Types.FLOAT), op.Cast(vector([size]), to=Types.FLOAT))
    centres = op.Unsqueeze(op.Mul(op.Add(results, half), scale), ints(1))
    x = op.Abs(op.Div(op.Sub(op.Add(pixels, half), centres), op.Max(scale, one)))
    if mode == "bilinear":
        weights = op.Relu(op.Sub(one, x))
    else:  # Keys, a = -0.5: 1.5 x^3 - 2.5 x^2 + 1 up to 1, -0.5 x^3 + 2.5 x^2 - 4 x + 2 up to 2
        near, far = (_polynomial(x, c) for c in ((1.5, -2.5, 0.0, 1.0), (-0.5, 2.5, -4.0, 2.0)))
        two = op.Constant(value_float=2.0)
        weights = op.Where(op.Less(x, one), near, op.Where(op.Less(x, two), far, op.Constant(value_float=0.0)))
    return op.CastLike(op.Div(weights, op.ReduceSum(weights, ints(1))), image)


def _polynomial(x: Any, factors: Sequence[float]) -> Any:
    result = op.Constant(value_float=factors[0])
    for factor in factors[1:]:
        result = op.Add(op.Mul(result, x), op.Constant(value_float=factor))
    return result


def resize(image: Any, height: Any, width: Any, mode: str, antialias: bool) -> Any:
    rank = len(image.shape)
    sizes = list(image.shape)[-2:]
    if mode.startswith("nearest"):
        if fixed([*sizes, height, width]) and height % sizes[0] == 0 and width % sizes[1] == 0:
            factors = [1.0] * (rank - 2) + [float(height // sizes[0]), float(width // sizes[1])]
            scales = op.Constant(value_floats=factors)
            return op.Resize(
                image, None, scales, mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )  # fmt: skip
        shift = 0.5 if mode == "nearest-exact" else 0.0
        return _picked(_picked(image, rank - 2, height, shift), rank - 1, width, shift)
    planes = Planes(image, 2)
    whole = not image.dtype.is_floating_point()
    values = op.Cast(planes.value, to=Types.FLOAT) if whole else planes.value
    if antialias:
        down, along = (_smooth(values, axis, size, mode) for axis, size in ((2, height), (3, width)))
        values = op.MatMul(op.MatMul(down, values), op.Transpose(along, perm=[1, 0]))
    else:
        values = op.Resize(
            values, None, None, op.Concat(op.Shape(values, end=2), vector([height, width]), axis=0),
            mode="linear" if mode == "bilinear" else "cubic", coordinate_transformation_mode="half_pixel",
            cubic_coeff_a=-0.75,
        )  # fmt: skip
    if whole:
        limits = torch.iinfo(getattr(torch, image.dtype.name.lower()))
        low, high = (op.Cast(op.Constant(value_float=float(v)), to=Types.DOUBLE) for v in (limits.min, limits.max))
        values = op.Clip(op.Cast(op.Round(values), to=Types.DOUBLE), low, high)
        values = op.Cast(values, to=image.dtype)
    return planes.back(values)


FORMS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        convolution, convolution_transpose, packed_convolution, max_pool, max_pool_with_indices, avg_pool,
        adaptive_max_pool, adaptive_avg_pool, max_unpool, resize,
    )
}  # fmt: skip
