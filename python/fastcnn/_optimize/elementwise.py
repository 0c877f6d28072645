"""Handlers of elementwise ops: batch norm, arithmetic, activations. See lower.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from fastcnn._optimize.lower import FLOATS, Lowering, dtype_of, lowers, shape_of

aten = torch.ops.aten


# --- scale and shift --------------------------------------------------------------------------------------------------


@lowers(aten.batch_norm.default, aten._native_batch_norm_legit_no_training.default)
def _batch_norm(lowering: Lowering, node: fx.Node, /, **named: Any) -> None:
    if named.get("training"):
        return
    tensors = [named[name] for name in ("weight", "bias", "running_mean", "running_var")]
    weight, bias, mean, variance = (lowering.constant(t) for t in tensors)
    if mean is None or variance is None or any(t is not None and lowering.constant(t) is None for t in tensors[:2]):
        return
    scale = torch.rsqrt(variance.double() + named["eps"])
    if weight is not None:
        scale = scale * weight.double()
    shift = -mean.double() * scale
    if bias is not None:
        shift = shift + bias.double()
    result = node
    if node.target is aten._native_batch_norm_legit_no_training.default:
        users = list(node.users)
        if len(users) != 1 or users[0].args[1] != 0:
            return
        result = users[0]
    lowering.affine(result, named["input"], scale, shift)


def _by_channel(lowering: Lowering, value: Any, x: Any) -> Tensor | None:
    """Return a constant with one value for each of x's channels, in double precision, or None."""
    shape = shape_of(x)
    if len(shape) < 2 or not isinstance(shape[1], int):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return torch.full((shape[1],), float(value), dtype=torch.float64)
    constant = lowering.constant(value)
    if constant is None or constant.dim() > len(shape) or not constant.is_floating_point():
        return None
    if constant.numel() == 1:
        return constant.double().reshape(1).expand(shape[1])
    padded = (1,) * (len(shape) - constant.dim()) + tuple(constant.shape)
    if padded != (1, shape[1], *[1] * (len(shape) - 2)):
        return None
    return constant.double().reshape(-1)


@lowers(aten.sub.Tensor, aten.sub.Scalar, aten.div.Tensor, aten.div.Scalar)
def _subtract_or_divide(lowering: Lowering, node: fx.Node, /, *, other: Any, **named: Any) -> None:
    x = named["self"]
    value = _by_channel(lowering, other, x)
    if value is None or named.get("alpha", 1) != 1 or dtype_of(x) != dtype_of(node):
        return
    subtract = node.target in (aten.sub.Tensor, aten.sub.Scalar)
    lowering.affine(node, x, None if subtract else 1 / value, -value if subtract else None)


# --- additions and products -------------------------------------------------------------------------------------------


def _same_shape(a: Any, b: Any) -> bool:
    first, second = shape_of(a), shape_of(b)
    return len(first) == len(second) > 1 and all(
        statically_known_true(x == y) for x, y in zip(first, second, strict=True)
    )


@lowers(aten.add.Tensor, aten.add.Scalar)
def _add(lowering: Lowering, node: fx.Node, /, *, other: Any, **named: Any) -> None:
    a = named["self"]
    if named.get("alpha", 1) != 1 or dtype_of(node) not in FLOATS:
        return None
    for x, value in ((a, other), (other, a)):
        shift = _by_channel(lowering, value, x) if isinstance(x, fx.Node) else None
        if shift is not None:
            return lowering.affine(node, x, None, shift)
    if not isinstance(a, fx.Node) or not isinstance(other, fx.Node) or not _same_shape(a, other):
        return None
    if dtype_of(a) != dtype_of(other):
        return None
    if a is other:
        return lowering.affine(node, a, torch.full((int(shape_of(a)[1]),), 2.0, dtype=torch.float64), None)
    # Fuse preferably into a real convolution, else into one that only scales, else use a separate pass.
    pairs = [(x, y, lowering.convolution(x)) for x, y in ((a, other), (other, a))]
    pairs.sort(key=lambda p: p[2] is not None and p[2].groups > 1)
    for x, y, convolution in pairs:
        if convolution is not None and convolution.open and shape_of(y):
            node.prepend(x)  # after y; nothing in between uses x
            x.args = (*x.args, y)
            convolution.extras = (*convolution.extras, "residual")
            return lowering.replace(node, x)
    for x, y in ((a, other), (other, a)):
        if lowering.is_pixels(x):
            lowering.pointwise(node, x, y).extras = ("residual",)
            return None
    return None


def _gate(lowering: Lowering, x: Any, scale: Any) -> bool:
    """Return whether scale is (N, C, 1...) for an x of (N, C, spatial...)."""
    if not lowering.is_pixels(x) or not isinstance(scale, fx.Node) or scale.op == "get_attr":
        return False
    image, gate = shape_of(x), shape_of(scale)
    if len(image) != len(gate) or len(image) < 3 or dtype_of(x) != dtype_of(scale):
        return False
    return bool(
        statically_known_true(image[0] == gate[0])
        and image[1] == gate[1]
        and all(isinstance(n, int) and n == 1 for n in gate[2:])
    )


@lowers(aten.mul.Tensor, aten.mul.Scalar)
def _multiply(lowering: Lowering, node: fx.Node, /, *, other: Any, **named: Any) -> None:
    a = named["self"]
    if dtype_of(node) not in FLOATS:
        return None
    for x, value in ((a, other), (other, a)):
        scale = _by_channel(lowering, value, x) if isinstance(x, fx.Node) else None
        if scale is not None:
            return lowering.affine(node, x, scale, None)
    for x, y in ((a, other), (other, a)):
        # x * sigmoid(x), x * hardsigmoid(x)
        gate = lowering.convolution(y)
        if gate is not None and gate.activation in _SELF_GATES and gate.identity and y.args == (x,):
            y.replace_all_uses_with(x)  # the only user is node, which is removed below
            activation = _SELF_GATES[gate.activation]
            lowering.graph.erase_node(y)
            return activate(lowering, node, x, activation)
    for x, y in ((a, other), (other, a)):
        if _gate(lowering, x, y):
            lowering.pointwise(node, x, y).extras = ("input_scale",)
            return None
    return None


_SELF_GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish"}


# --- activations ------------------------------------------------------------------------------------------------------


def activate(lowering: Lowering, node: fx.Node, x: Any, activation: str, alpha: float = 0.0) -> None:
    convolution = lowering.convolution(x)
    if convolution is not None and convolution.activation == "none" and "scale" not in convolution.extras:
        lowering.replace(node, x)
    elif lowering.is_pixels(x):
        convolution = lowering.pointwise(node, x)
    else:
        return
    convolution.activation, convolution.alpha = activation, float(alpha)


_PLAIN: dict[Any, str] = {
    aten.relu.default: "relu",
    aten.silu.default: "silu",
    aten.hardswish.default: "hardswish",
    aten.hardsigmoid.default: "hardsigmoid",
    aten.sigmoid.default: "sigmoid",
    aten.tanh.default: "tanh",
}


@lowers(*_PLAIN)
def _plain_activation(lowering: Lowering, node: fx.Node, /, **named: Any) -> None:
    activate(lowering, node, named["self"], _PLAIN[node.target])


@lowers(aten.leaky_relu.default)
def _leaky_relu(lowering: Lowering, node: fx.Node, /, *, negative_slope: float, **named: Any) -> None:
    activate(lowering, node, named["self"], "leaky_relu", negative_slope)


@lowers(aten.elu.default)
def _elu(lowering: Lowering, node: fx.Node, /, *, alpha: float, scale: float, input_scale: float, **named: Any) -> None:
    if scale == 1 and input_scale == 1:
        activate(lowering, node, named["self"], "elu", alpha)


@lowers(aten.softplus.default)
def _softplus(lowering: Lowering, node: fx.Node, /, *, beta: float, threshold: float, **named: Any) -> None:
    if beta == 1 and threshold == 20:
        activate(lowering, node, named["self"], "softplus")


@lowers(aten.hardtanh.default, aten.clamp.default, aten.relu6.default, aten.clamp_min.default)
def _clamp(lowering: Lowering, node: fx.Node, /, **named: Any) -> None:
    low = named.get("min_val", named.get("min", 0))
    high = 6 if node.target is aten.relu6.default else named.get("max_val", named.get("max"))
    if low != 0 or not (high is None or isinstance(high, (int, float))):
        return
    activate(lowering, node, named["self"], "relu" if high is None else "clamp", high or 0.0)
