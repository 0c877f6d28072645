"""Convolutions for inference: the weight packed once, the epilogue fused."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn import _core
from fastcnn._arguments import Size, per_axis
from fastcnn._errors import ArgumentError
from fastcnn._torch.conv import empty_result
from fastcnn._torch.register import register_op
from fastcnn.ops import _conv_arithmetic as _c
from fastcnn.ops._conv_arithmetic import Geometry


def _fake_pack(
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    transposed: bool,
    algorithm: str,
) -> Tensor:
    f64 = weight.dtype == torch.float64
    size = _core.packed_conv_size(list(weight.shape), stride, padding, dilation, groups, transposed, f64, algorithm)
    return weight.new_empty(size, dtype=torch.float64 if f64 else torch.float32)


def _fake_packed(
    input: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    scale: Tensor | None,
    input_scale: Tensor | None,
    weight_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    output_size: list[int],
    activation: str,
    alpha: float,
    algorithm: str,
) -> Tensor:
    if output_size:
        return empty_result([input.shape[0], weight_size[1] * groups, *output_size], input)
    size = _c.output_size(input.shape[2:], weight_size[2:], Geometry(stride, padding, dilation))
    return empty_result([input.shape[0], weight_size[0], *size], input)


def _fake_out(*args: Any) -> None:
    return None


def _no_gradient(ctx: Any, *grads: Any) -> Any:
    raise NotImplementedError("packed_convolution has no gradient: its weight is constant; use fastcnn.ops.conv2d")


def _no_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


_pack = register_op("_pack_convolution", fake=_fake_pack)
_packed = register_op("packed_convolution", fake=_fake_packed, setup_context=_no_context, backward=_no_gradient)
_packed_out = register_op("packed_convolution_out", fake=_fake_out)


class PackedConvolution:
    """A convolution whose weight is constant: ``activation(conv(input * input_scale) + bias + residual) * scale``.

    The weight is packed once for each algorithm that inputs ask for, lazily, under a lock; calls from several threads
    are safe. There is no gradient.

    Args:
        weight: as `fastcnn.ops.conv2d` takes it, or `conv_transpose2d` with ``transposed=True``; 1-D to 3-D.
        bias: (K), or None.
        stride: and padding, dilation, groups and output_padding as there.
        activation: "none", "relu", "clamp" (between 0 and alpha), "leaky_relu" (slope alpha), "elu" (alpha), "silu",
            "hardswish", "hardsigmoid", "sigmoid", "tanh" or "softplus".
        alpha: see there.

    Example:
        >>> import torch
        >>> from fastcnn.ops import PackedConvolution
        >>> convolve = PackedConvolution(torch.full((1, 1, 1, 2), -1.0), activation="relu")
        >>> convolve(torch.tensor([[[[1.0, 2.0, -4.0]]]]))
        tensor([[[[0., 2.]]]])
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        transposed: bool = False,
        output_padding: Size = 0,
        activation: str = "none",
        alpha: float = 0.0,
    ) -> None:
        dims = weight.dim() - 2
        if not 1 <= dims <= 3:
            raise ArgumentError(f"PackedConvolution: expected weight of 3 to 5 dimensions, got {tuple(weight.shape)}")
        self.op = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
        self.weight_size = list(weight.shape)
        self.geometry = _c.geometry(self.op, self.weight_size[2:], stride, padding, dilation, named=not transposed)
        self.output_padding = per_axis(output_padding, dims, self.op, "output_padding", as_torch=True)
        self.groups, self.transposed = _c.group_count(groups, self.op), transposed
        self.activation, self.alpha = activation, float(alpha)
        self.dtype = weight.dtype
        self.finite = bool(weight.isfinite().all())
        self.bias = None if bias is None else bias.detach()
        self._weight: Tensor | None = weight.detach()
        self._packed: dict[str, Tensor] = {}
        self._plans: dict[Any, tuple[str, tuple[Any, ...]]] = {}
        self._lock = threading.Lock()

    @staticmethod
    def of_packed(
        weights: dict[str, Tensor],
        bias: Tensor | None,
        weight_size: list[int],
        geometry: Geometry,
        *,
        groups: int,
        transposed: bool,
        output_padding: list[int],
        activation: str,
        alpha: float,
    ) -> PackedConvolution:
        """Return the convolution of weights that are packed already, by algorithm."""
        made = PackedConvolution.__new__(PackedConvolution)
        dims = len(weight_size) - 2
        made.op = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
        made.weight_size, made.geometry, made.output_padding = weight_size, geometry, output_padding
        made.groups, made.transposed = groups, transposed
        made.activation, made.alpha = activation, alpha
        made.dtype, made.bias = next(iter(weights.values())).dtype, bias
        made.finite = all(bool(weight.isfinite().all()) for weight in weights.values())
        made._weight, made._packed, made._plans = None, dict(weights), {}
        made._lock = threading.Lock()
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def output_size(self, input_size: Sequence[int]) -> list[int]:
        """Return the result's spatial size for an input of this one."""
        kernel = self.weight_size[2:]
        if self.transposed:
            return _c.transposed_output_size(self.op, input_size, kernel, self.geometry, self.output_padding)
        return _c.output_size(input_size, kernel, self.geometry)

    def algorithm(self, input_size: Sequence[int]) -> str:
        """Return the algorithm that an input (N, C, spatial...) of this size is computed with."""
        best: str = _core.choose_conv_algorithm(
            list(input_size),
            self.weight_size,
            *self.geometry,
            self.groups,
            self.output_size(input_size[2:]) if self.transposed else [],
            self.dtype == torch.float64,
            torch.get_num_threads(),
            True,
            self.finite,
        )
        return best if self._weight is not None or best in self._packed else next(iter(self._packed))

    def packed(self, algorithm: str) -> Tensor:
        """Return the weight packed for an algorithm: a flat tensor, laid out alike on every machine."""
        with self._lock:
            if algorithm not in self._packed:
                assert self._weight is not None
                self._packed[algorithm] = _pack(
                    self._weight, *self.geometry, self.groups, self.transposed, algorithm
                ).requires_grad_(False)
            return self._packed[algorithm]

    def drop_weight(self) -> None:
        """Keep what is packed by now, and serve every input with it."""
        if self._packed:
            self._weight = None

    def plan(self, input: Tensor) -> tuple[str, tuple[Any, ...]]:
        """Algorithm, and what the op takes after the tensors, for this input's shape; remembered."""
        shape = input.shape
        key = shape, torch.get_num_threads(), _core.get_conv_algorithm()
        found = self._plans.get(key)
        if found is None:
            algorithm = self.algorithm(shape)
            size = self.output_size(shape[2:]) if self.transposed else []
            rest = (self.weight_size, *self.geometry, self.groups, size, self.activation, self.alpha, algorithm)
            found = algorithm, rest
            if len(self._plans) > 64:
                self._plans.clear()
            self._plans[key] = found
        return found

    def __call__(
        self,
        input: Tensor,
        *,
        residual: Tensor | None = None,
        scale: Tensor | None = None,
        input_scale: Tensor | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Convolve.

        Args:
            input: (N, C, spatial...) in any layout; channels_last is fastest.
            residual: added before the activation; of the result's shape. It may be `out`.
            scale: (N, K), multiplies the result.
            input_scale: (N, C), multiplies the input.
            out: written to and returned, where given; may be a channel slice of a larger tensor.
        """
        algorithm, rest = self.plan(input)
        weight = self._packed[algorithm] if algorithm in self._packed else self.packed(algorithm)
        arguments = (input, weight, self.bias, residual, scale, input_scale, *rest)
        if out is None:
            result: Tensor = _packed(*arguments)
            return result
        _packed_out(*arguments, out)
        return out


def unpacked(
    packed: Tensor,
    weight_size: Sequence[int],
    geometry: Geometry,
    groups: int,
    transposed: bool,
    algorithm: str,
) -> Tensor:
    """Return the weight that was packed, to the bit or, where it was transformed (Winograd), to rounding.

    Packing is linear, and treats all pairs of channel and filter alike: weights that name their pair tell whose each
    packed value is, and one tap of each pair at a time how it is made of the taps. Whatever the algorithm's layout.
    """
    taps = math.prod(weight_size[2:])
    pairs = math.prod(weight_size[:2])
    if pairs * taps == 0:
        return packed.new_zeros(weight_size)

    def pack(values: Tensor) -> Tensor:
        weight = values.reshape(weight_size).to(packed.dtype)
        result: Tensor = _pack(weight, *geometry, groups, transposed, algorithm)
        return result

    # Distinct factors, so that no value cancels; two digits, since float32 counts to 2 ** 24 only.
    factors = 1 + torch.rand(taps, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ones = pack(factors.expand(pairs, taps))
    used = ones.nonzero().flatten()
    number = torch.arange(pairs)
    high, low = (
        (pack(digit[:, None] * factors)[used] / ones[used]).round().long() for digit in (number // 2048, number % 2048)
    )
    order = (high * 2048 + low).sort(stable=True).indices
    places = used[order].reshape(pairs, -1)
    # How each value of a pair is made of the taps; many taps at once, each of another pair.
    made = packed.new_empty((places.shape[1], taps), dtype=torch.float64)
    for first in range(0, taps, pairs):
        some = torch.arange(first, min(first + pairs, taps))
        values = torch.zeros(pairs, taps, dtype=torch.float64)
        values[some - first, some] = 1
        made[:, some] = pack(values)[places[some - first]].double().T
    if made.shape[0] == taps and torch.equal(made.T @ made, torch.eye(taps, dtype=made.dtype)):  # only moved
        return packed[places[:, made.argmax(0)]].reshape(weight_size)
    unpacked: Tensor = packed[places].double() @ torch.linalg.pinv(made).T
    return unpacked.reshape(weight_size).to(packed.dtype)
