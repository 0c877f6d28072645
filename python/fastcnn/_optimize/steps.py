"""The operations that an optimised graph is made of.

A step has two forms. `forward` is functional and traces; it is what `torch.compile` and `torch.export` see. `infer` and
`calls` are for the executor (plan.py): the result's shape, and the calls of native ops that write it to a given
tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fastcnn import ops
from fastcnn._torch.packed import PackedConvolution
from fastcnn.ops._conv_arithmetic import Geometry

Shape = tuple[int, ...]
Call = tuple[Callable[..., Any], tuple[Any, ...]]

_ops = torch.ops.fastcnn


def fill(out: Tensor, function: Callable[..., Tensor], *args: Any) -> None:
    """Copy the result of a function that cannot write to a given tensor into `out`."""
    out.copy_(function(*args))


def is_dense_pixels(x: Tensor) -> bool:
    """Return whether it is dense in torch's channels_last format."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.dim() in formats and x.is_contiguous(memory_format=formats[x.dim()])


class Step(torch.nn.Module):
    """One operation of an optimised graph."""

    def infer(self, *inputs: Any) -> Shape:
        """Return the result's shape. Inputs are shapes, or numbers."""
        raise NotImplementedError

    def calls(self, out: Tensor, *inputs: Any) -> list[Call]:
        """Return the calls that write the result to ``out``."""
        raise NotImplementedError


class Convolution(Step):
    """``activation(conv(input * input_scale) + bias + residual) * scale``, with packed weights.

    Linear layers and separate batch norms, additions and activations are 1x1 convolutions too.

    Args:
        weight: of a (transposed) convolution, a constant.
        bias: (K), or None.
        padding: the n values before, then the n values after.
        flat_input: the input is (N, C) and treated as (N, C, 1, 1).
        flat_output: the result likewise.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int = 1,
        transposed: bool = False,
        output_padding: Sequence[int] = (),
        flat_input: bool = False,
        flat_output: bool = False,
    ) -> None:
        super().__init__()
        self.weight: Any = weight.detach()
        self.bias: Any = None if bias is None else bias.detach()
        self.geometry = Geometry(list(stride), list(padding), list(dilation))
        self.groups, self.transposed = groups, transposed
        self.output_padding = list(output_padding) or [0] * len(stride)
        self.flat_input, self.flat_output = flat_input, flat_output
        self.identity = False
        self.activation, self.alpha = "none", 0.0
        # The roles of the node's arguments after the first.
        self.extras: tuple[str, ...] = ()
        self.packed: PackedConvolution | None = None
        self.algorithm = ""
        self.packed_weight: Any = None

    @staticmethod
    def pointwise(channels: int, dtype: torch.dtype, dims: int) -> Convolution:
        """Return the identity on tensors with this many dimensions, as a depthwise 1x1 convolution."""
        ones = [1] * max(dims - 2, 2 if dims == 2 else 1)
        weight = torch.ones(channels, 1, *ones, dtype=dtype)
        flat = dims == 2
        step = Convolution(
            weight, None, stride=ones, padding=[0] * 2 * len(ones), dilation=ones, groups=channels,
            flat_input=flat, flat_output=flat,
        )  # fmt: skip
        step.identity = True
        return step

    @staticmethod
    def of(
        packed: PackedConvolution, algorithm: str, extras: tuple[str, ...], flat_input: bool, flat_output: bool
    ) -> Convolution:
        """Return the step for a weight that is already packed."""
        nothing = torch.empty(0)
        step = Convolution(
            nothing, None, stride=packed.geometry.stride, padding=packed.geometry.padding,
            dilation=packed.geometry.dilation, groups=packed.groups, transposed=packed.transposed,
            output_padding=packed.output_padding, flat_input=flat_input, flat_output=flat_output,
        )  # fmt: skip
        step.weight = None
        step.activation, step.alpha, step.extras = packed.activation, packed.alpha, extras
        step.packed, step.algorithm, step.packed_weight = packed, algorithm, packed._packed[algorithm]
        return step

    @property
    def open(self) -> bool:
        """Whether a scale and shift of the result can still be folded in."""
        return self.activation == "none" and not {"residual", "scale"} & set(self.extras)

    def fold(self, scale: Tensor, shift: Tensor) -> None:
        """Scale and shift each channel of the result. Computed in double, so that the product is rounded once."""
        weight = self.weight.double()
        self.identity = False
        ones = [1] * (weight.dim() - 2)
        scale, shift = scale.double(), shift.double()
        if self.transposed:
            groups = weight.unflatten(0, (self.groups, -1))
            weight = (groups * scale.reshape(self.groups, 1, -1, *ones)).flatten(0, 1)
        else:
            weight = weight * scale.reshape(-1, 1, *ones)
        bias = shift if self.bias is None else self.bias.double() * scale + shift
        self.weight, self.bias = weight.to(self.weight.dtype), bias.to(self.weight.dtype)

    def settings(self) -> tuple[Any, ...]:
        """Return everything that determines the packed weight; steps with equal settings share it."""
        numbers = (tuple(values) for values in self.geometry)
        extras = (self.groups, self.transposed, tuple(self.output_padding), self.activation, self.alpha)
        tensors = (self.weight, self.bias)
        memory = ((t.data_ptr(), tuple(t.shape), t.stride()) for t in tensors if t is not None)
        return (*memory, *numbers, *extras)

    def pack(self, input: Shape, made: dict[Any, PackedConvolution]) -> None:
        """Pack the weight for inputs of this shape, and release the original."""
        key = self.settings()
        if key not in made:
            made[key] = PackedConvolution(
                self.weight,
                self.bias,
                stride=self.geometry.stride,
                dilation=self.geometry.dilation,
                groups=self.groups,
                transposed=self.transposed,
                output_padding=self.output_padding,
                activation=self.activation,
                alpha=self.alpha,
            )
            made[key].geometry = self.geometry
        self.packed = made[key]
        self.algorithm = self.packed.algorithm((*input, 1, 1) if self.flat_input else input)
        self.packed_weight = self.packed.packed(self.algorithm)

    def _size(self, spatial: Sequence[int]) -> list[int]:
        if self.packed is not None:
            return self.packed.output_size(spatial)
        kernel = self.weight.shape[2:]
        g, n = self.geometry, len(kernel)
        pads = [g.padding[i] + g.padding[i + n] for i in range(n)]
        reach = [g.dilation[i] * (kernel[i] - 1) for i in range(n)]
        if self.transposed:
            return [(spatial[i] - 1) * g.stride[i] - pads[i] + reach[i] + self.output_padding[i] + 1 for i in range(n)]
        return [(spatial[i] + pads[i] - reach[i] - 1) // g.stride[i] + 1 for i in range(n)]

    def infer(self, *inputs: Any) -> Shape:
        shape: Shape = inputs[0]
        size = self.weight.shape if self.packed is None else self.packed.weight_size
        filters = size[1] * self.groups if self.transposed else size[0]
        if self.flat_output:
            return (shape[0], filters)
        return (shape[0], filters, *self._size(shape[2:]))

    def _arguments(self, input: Tensor, extras: Sequence[Tensor], algorithm: str, weight: Tensor) -> tuple[Any, ...]:
        packed = self.packed
        assert packed is not None
        named = dict(zip(self.extras, extras, strict=True))
        if self.flat_input:
            input = input[:, :, None, None]
        residual = named.get("residual")
        if residual is not None and residual.dim() == 2:
            residual = residual[:, :, None, None]
        return (
            input, weight, packed.bias, residual, named.get("scale"), named.get("input_scale"), packed.weight_size,
            *self.geometry, self.groups, packed.output_size(input.shape[2:]) if self.transposed else [],
            self.activation, self.alpha, algorithm,
        )  # fmt: skip

    def forward(self, input: Tensor, *extras: Tensor) -> Tensor:
        named = [e.flatten(1) if name.endswith("scale") else e for name, e in zip(self.extras, extras, strict=True)]
        result: Tensor = _ops.packed_convolution(*self._arguments(input, named, self.algorithm, self.packed_weight))
        return result.flatten(1) if self.flat_output else result

    def calls(self, out: Tensor, *inputs: Any) -> list[Call]:
        input, *extras = inputs
        named = [e.flatten(1) if name.endswith("scale") else e for name, e in zip(self.extras, extras, strict=True)]
        assert self.packed is not None
        algorithm = self.packed.plan(input[:, :, None, None] if self.flat_input else input)[0]
        if self.flat_output:
            out = out[:, :, None, None]
        arguments = self._arguments(input, named, algorithm, self.packed.packed(algorithm))
        return [(_ops.packed_convolution_out.default, (*arguments, out))]

    def extra_repr(self) -> str:
        size = self.packed.weight_size if self.packed else list(self.weight.shape)
        parts = ["x".join(map(str, size)), f"stride={self.geometry.stride}", f"groups={self.groups}", self.activation]
        return ", ".join([*parts, *(["transposed"] if self.transposed else []), *self.extras, self.algorithm])


class Pool(Step):
    """A pooling op of `fastcnn.ops`, with its arguments after the input."""

    def __init__(self, op: str, *args: Any) -> None:
        super().__init__()
        self.op, self.args = op, args
        rank = int(op[-2])
        lists = [v * rank if isinstance(v, list) and len(v) == 1 else v for v in args]
        if not op.startswith("adaptive") and lists[1] is None:
            lists[1] = lists[0]  # the stride
        self._native = f"{op[:-2]}_out"  # a name: the op itself does not pickle
        self._native_args = lists

    def infer(self, *inputs: Any) -> Shape:
        return tuple(getattr(functional, self.op)(torch.empty(inputs[0], device="meta"), *self.args).shape)

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(ops, self.op)(input, *self.args)
        return result

    def calls(self, out: Tensor, *inputs: Any) -> list[Call]:
        if not is_dense_pixels(out):
            return [(fill, (out, getattr(ops, self.op), inputs[0], *self.args))]
        sizes = [
            [n if m is None else m for n, m in zip(inputs[0].shape[2:], v, strict=True)] if isinstance(v, list) else v
            for v in self._native_args
        ]
        return [(getattr(_ops, self._native).default, (inputs[0], *sizes, out))]

    def extra_repr(self) -> str:
        return ", ".join(map(str, (self.op, *self.args)))


class GlobalAverage(Step):
    """The mean of each channel, (N, C, 1...)."""

    def infer(self, *inputs: Any) -> Shape:
        shape: Shape = inputs[0]
        return (*shape[:2], *[1] * (len(shape) - 2))

    def forward(self, input: Tensor) -> Tensor:
        return input.mean(list(range(2, input.dim())), keepdim=True)

    def calls(self, out: Tensor, *inputs: Any) -> list[Call]:
        dims = list(range(2, inputs[0].dim()))
        if is_dense_pixels(out):
            return [(_ops.adaptive_avg_pool_out.default, (inputs[0], [1] * len(dims), out))]
        return [(partial(torch.mean, out=out), (inputs[0], dims, True))]


class Upsample(Step):
    """Nearest-neighbour upsampling to a given size or by an integer factor."""

    def __init__(self, factors: Sequence[int] | None) -> None:
        super().__init__()
        self.factors = None if factors is None else tuple(factors)

    def _target(self, input: Sequence[int], size: Sequence[int]) -> Shape:
        if self.factors is None:
            return tuple(size)
        return tuple(n * f for n, f in zip(input[2:], self.factors, strict=True))

    def infer(self, *inputs: Any) -> Shape:
        return (*inputs[0][:2], *self._target(inputs[0], inputs[1:]))

    def forward(self, input: Tensor, *size: int) -> Tensor:
        return functional.interpolate(input, size=self._target(input.shape, size), mode="nearest")

    def calls(self, out: Tensor, *inputs: Any) -> list[Call]:
        input: Tensor = inputs[0]
        (h, w), (to_h, to_w) = input.shape[2:], out.shape[2:]
        if to_h % h or to_w % w:
            return [(fill, (out, self.forward, input, to_h, to_w))]
        # All copies of a pixel at once: one strided copy, channels innermost.
        copies = out.view(*out.shape[:2], h, to_h // h, w, to_w // w)
        return [(copies.copy_, (input[:, :, :, None, :, None].expand_as(copies),))]

    def extra_repr(self) -> str:
        return f"factors={self.factors}"


class Concat(Step):
    """Concatenation of channels. The steps of its inputs write into it directly if possible (plan.py)."""

    def infer(self, *inputs: Any) -> Shape:
        shape: Shape = inputs[0]
        return (shape[0], sum(s[1] for s in inputs), *shape[2:])

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)
