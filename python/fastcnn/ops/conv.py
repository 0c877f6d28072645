"""Convolutions. Wrapper, docstring, fake kernel, autograd and batching rule of each op together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from fastcnn import _convolution as _c
from fastcnn import _core
from fastcnn._convolution import Geometry, Size
from fastcnn._torch.register import expect_tensors, register_op
from fastcnn.ops._single import as_batch


def _empty(shape: list[int], like: Tensor, weight: Tensor | None = None) -> Tensor:
    """A result in torch's layout: channels_last where the input is, or the weight."""
    chosen = like
    if weight is not None and suggest_memory_format(weight) != torch.contiguous_format:
        chosen = weight
    layout = suggest_memory_format(chosen) if len(shape) in (4, 5) else torch.contiguous_format
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


def _check_sizes(input: Any, weight: Any, *geometry: Any) -> None:
    """Refuse while a graph is traced what a kernel would refuse; symbolic sizes wait for the kernel."""
    stride, padding, dilation, groups, output_size = geometry
    if all(type(n) is int for n in (*input, *weight, *stride, *padding, *dilation, groups, *output_size)):
        _core.choose_conv_algorithm(
            list(input),
            list(weight),
            list(stride),
            list(padding),
            list(dilation),
            groups,
            list(output_size),
            False,
            1,
            False,
            True,
        )


def _fake_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    _check_sizes(input.shape, weight.shape, stride, padding, dilation, groups, [])
    size = _c.output_size(input.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    return _empty([input.shape[0], weight.shape[0], *size], input, weight)


def _fake_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    output_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    _check_sizes(input.shape, weight.shape, stride, padding, dilation, groups, output_size)
    return _empty([input.shape[0], weight.shape[1] * groups, *output_size], input, weight)


def _fake_weight_grad(
    grad: Tensor,
    input: Tensor,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    return input.new_empty([grad.shape[1], input.shape[1] // groups, *kernel_size])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.arguments = inputs[-4:]


def _product_rule(op: Callable[[], Callable[..., Tensor]], biased: bool = True) -> Callable[..., Tensor]:
    """The tangent of an op that is linear in each of its first two arguments, and to which a bias may be added."""

    def forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Tensor:
        first, second = tangents[:2]
        factors = [(first, args[1])] if first is not None else []
        if second is not None:
            factors.append((args[0], second))
        if not factors:
            factors = [(torch.zeros_like(args[0]), args[1])]
        rest = args[3:] if biased else args[2:]
        biases = [(tangents[2],), (None,)] if biased else [(), ()]
        first_part, *second_part = (op()(*f, *b, *rest) for f, b in zip(factors, biases, strict=False))
        return first_part + second_part[0] if second_part else first_part

    return forward


def _bias_grad(grad: Tensor) -> Tensor:
    return grad.sum([0, *range(2, grad.dim())])


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, weight = ctx.saved_tensors
    g_input = g_weight = None
    if ctx.needs_input_grad[0]:
        g_input = _convolution_transpose(grad, weight, None, list(input.shape[2:]), *ctx.arguments)
    if ctx.needs_input_grad[1]:
        g_weight = _weight_grad(grad, input, list(weight.shape[2:]), *ctx.arguments)
    g_bias = _bias_grad(grad) if ctx.needs_input_grad[2] else None
    return g_input, g_weight, g_bias, None, None, None, None


def _transposed_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, weight = ctx.saved_tensors
    stride, padding, dilation, groups = ctx.arguments
    g_bias = _bias_grad(grad) if ctx.needs_input_grad[2] else None
    # A forward convolution of this padding must give the input's size: an output_padding of a stride or more is taken
    # from the padding behind, and what no tap reached from the gradient.
    dims = len(stride)
    padding = list(padding)
    found = _c.output_size(grad.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    for i in range(dims):
        while found[i] > input.shape[i + 2]:
            if padding[i + dims] > 0:
                padding[i + dims] -= 1
            elif grad.shape[i + 2] > 1:
                grad = grad.narrow(i + 2, 0, grad.shape[i + 2] - 1)
            else:  # no tap reached any of it
                zeros = [
                    torch.zeros_like(t) if n else None
                    for t, n in zip((input, weight), ctx.needs_input_grad[:2], strict=True)
                ]
                return *zeros, g_bias, None, None, None, None, None
            found = _c.output_size(grad.shape[2:], weight.shape[2:], Geometry(stride, padding, dilation))
    g_input = g_weight = None
    if ctx.needs_input_grad[0]:
        g_input = _convolution(grad, weight, None, stride, padding, dilation, groups)
    if ctx.needs_input_grad[1]:
        g_weight = _weight_grad(input, grad, list(weight.shape[2:]), stride, padding, dilation, groups)
    return g_input, g_weight, g_bias, None, None, None, None, None


def _weight_grad_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    result_grad, input = ctx.saved_tensors
    g_result = g_input = None
    if ctx.needs_input_grad[0]:
        g_result = _convolution(input, grad, None, *ctx.arguments)
    if ctx.needs_input_grad[1]:
        g_input = _convolution_transpose(result_grad, grad, None, list(input.shape[2:]), *ctx.arguments)
    return g_result, g_input, None, None, None, None, None


def _channels_batch(t: Tensor, dim: int | None, count: int) -> Tensor:
    """(B, N, C, ...) as (N, B * C, ...): a batch of convolutions is one with B times the groups."""
    t = t.unsqueeze(1).expand(-1, count, *t.shape[1:]) if dim is None else t.movedim(dim, 1)
    return t.flatten(1, 2)


def _filters_batch(t: Tensor, dim: int | None, count: int) -> Tensor:
    """(B, K, ...) as (B * K, ...)."""
    return (t.expand(count, *t.shape) if dim is None else t.movedim(dim, 0)).flatten(0, 1)


def _batch_forward(transposed: bool) -> Any:
    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        op = _convolution_transpose if transposed else _convolution
        input, weight, bias, *rest = args
        count = info.batch_size
        if in_dims[1] is None and in_dims[2] is None:
            images = input.movedim(in_dims[0], 0)
            result = op(images.flatten(0, 1), weight, bias, *rest)
            return result.unflatten(0, (count, images.shape[1])), 0
        rest[-1] = rest[-1] * count
        result = op(
            _channels_batch(input, in_dims[0], count),
            _filters_batch(weight, in_dims[1], count),
            None if bias is None else _filters_batch(bias, in_dims[2], count),
            *rest,
        )
        return result.unflatten(1, (count, result.shape[1] // count)), 1

    return rule


def _batch_weight_grad(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
    grad, input, *rest = args
    count = info.batch_size
    rest[-1] = rest[-1] * count
    result = _weight_grad(_channels_batch(grad, in_dims[0], count), _channels_batch(input, in_dims[1], count), *rest)
    return result.unflatten(0, (count, result.shape[0] // count)), 0


_convolution: Callable[..., Any] = register_op(
    "convolution",
    fake=_fake_convolution,
    setup_context=_keep,
    backward=_backward,
    forward=_product_rule(lambda: _convolution),
    batch=_batch_forward(transposed=False),
)
_convolution_transpose: Callable[..., Any] = register_op(
    "convolution_transpose",
    fake=_fake_transpose,
    setup_context=_keep,
    backward=_transposed_backward,
    forward=_product_rule(lambda: _convolution_transpose),
    batch=_batch_forward(transposed=True),
)
_weight_grad: Callable[..., Any] = register_op(
    "_convolution_weight_grad",
    fake=_fake_weight_grad,
    setup_context=_keep,
    backward=_weight_grad_backward,
    forward=_product_rule(lambda: _weight_grad, biased=False),
    batch=_batch_weight_grad,
)


def _check(op: str, input: Any, weight: Any, bias: Any) -> None:
    given = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
    expect_tensors(op, **given)
    for name, value in given.items():
        if value.device != input.device:
            raise TypeError(f"{op}: expected {name} on the input's device {input.device}, got {value.device}")


def _autocast(input: Tensor, *others: Tensor | None) -> tuple[Tensor | None, ...]:
    """As torch's own convolutions, these run in the lower precision under autocast."""
    device = input.device.type
    # The devices by name: `torch.amp.is_autocast_available` cannot be traced before torch 2.11.
    if device not in ("cpu", "cuda") or not torch.is_autocast_enabled(device):
        return (input, *others)
    if input.dtype == torch.float64:
        return (input, *others)
    dtype = torch.get_autocast_dtype(device)
    return tuple(t if t is None else t.to(dtype) for t in (input, *others))


def _forward(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Tensor:
    op = f"conv{dims}d"
    _check(op, input, weight, bias)
    geometry = _c.geometry(op, _c.kernel_size(op, weight, dims), stride, padding, dilation)
    groups = _c.group_count(groups, op)
    batched = _c.batched(op, input, dims)
    if weight.shape[1] == 0 and input.shape[-dims - 1] == 0:
        nothing: Tensor = getattr(torch.nn.functional, op)(input, weight, bias, stride, padding, dilation, groups)
        return nothing
    image, weight_, bias_ = _autocast(input, weight, bias)
    if batched:
        result: Tensor = _convolution(image, weight_, bias_, *geometry, groups)
        return result
    assert image is not None
    result = _convolution(as_batch(image), weight_, bias_, *geometry, groups)
    return result.squeeze(0)


def _transpose(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Tensor:
    op = f"conv_transpose{dims}d"
    _check(op, input, weight, bias)
    kernel = _c.kernel_size(op, weight, dims)
    geometry = _c.geometry(op, kernel, stride, padding, dilation, named=False)
    groups = _c.group_count(groups, op)
    image, weight_, bias_ = _autocast(input, weight, bias)
    assert image is not None
    batched = _c.batched(op, input, dims)
    if not batched:
        image = as_batch(image)
    size = _c.transposed_output_size(op, image.shape[2:], kernel, geometry, output_padding)
    result: Tensor = _convolution_transpose(image, weight_, bias_, size, *geometry, groups)
    return result if batched else result.squeeze(0)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve signals of shape (N, C, L) or (C, L) with filters (K, C / groups, k); otherwise as `conv2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv1d(torch.tensor([[1.0, 2.0, 4.0, 8.0]]), torch.tensor([[[-1.0, 1.0]]]))
        tensor([[1., 2., 4.]])
    """
    return _forward(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve images with filters, as `torch.nn.functional.conv2d` (which is a cross-correlation).

    Args:
        input: (N, C, H, W) or (C, H, W): float16, bfloat16, float32 or float64. channels_last is fastest; other
            layouts are converted in bands. Any strides.
        weight: (K, C / groups, kernel_h, kernel_w), of the input's dtype and device.
        bias: (K), or None.
        stride: step of the filters, at least 1; one number or (h, w), as the next two.
        padding: zeros around the image, "same" (the result has the input's size; only with stride 1) or "valid" (none).
        dilation: distance between the filter's taps.
        groups: splits channels and filters into so many convolutions beside each other; K = C = groups is depthwise.

    Returns:
        (N, K, H', W') with H' = (H + 2 padding - dilation (kernel_h - 1) - 1) // stride + 1, in the input's dtype;
        channels_last where input or weight is, (K, H', W') too. An input without channels gives torch's result, which
        has none.

    Raises:
        ArgumentError: where sizes do not fit each other, groups divide neither channels nor filters, or the result
            would be empty though the input is not; the text names the argument.
        TypeError: for tensors of different dtypes or devices, or of a dtype that is not floating.

    Algorithms: depthwise, grouped, Winograd F(4x4, 3x3), F(2x2, 3x3) and F(3x3, 2x2), and implicit GEMM, chosen by
    shape; `fastcnn.set_conv_algorithm` and FASTCNN_CONV_ALGORITHM override the choice. Arithmetic is in float32
    (float64 for float64); results are within 3e-5 of the output's root mean square of the exact ones, or twice the
    error of torch.

    NaN and infinities: direct algorithms spread the input's as torch does, to the pixels whose window holds them;
    Winograd spreads them to the whole tile of 4 x 4 results (2 x 2, 3 x 3), and to the tiles that overlap the pixel.
    A weight's reach the results that sum it and no other, in every layout and with every algorithm. The padding is
    zeros, so that an infinite weight over it gives NaN; a transposed convolution has no such zeros. Weights that are
    not finite take the time of a direct algorithm or more; the transposed ones' is the slow reference.

    Complexity: O(N K H' W' C / groups * kernel) multiply-adds; Winograd does one for every
    4 (2.25) of them. Scratch: at most 4 MiB a thread, beside the packed weight; the gradient of a 3x3 weight by
    Winograd takes four times its own size as well.
    Gradient: of input, weight and bias, on native kernels; differentiable any number of times, in reverse and forward
    mode. Deterministic for any number of threads; ISAs agree to rounding.

    References: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; E. Georganas et al.,
    "Anatomy of high-performance deep learning convolutions on SIMD architectures", SC 2018.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv2d(torch.ones(1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)
        tensor([[[4., 6., 4.],
                 [6., 9., 6.],
                 [4., 6., 4.]]])
    """
    return _forward(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve volumes of shape (N, C, D, H, W) or (C, D, H, W); otherwise as `conv2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv3d(torch.ones(1, 3, 3, 3), torch.ones(2, 1, 3, 3, 3)).flatten()
        tensor([27., 27.])
    """
    return _forward(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Convolve signals of shape (N, C, L) or (C, L) with the transpose of `conv1d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.ones(1, 1, 2), stride=2)
        tensor([[1., 1., 2., 2.]])
    """
    return _transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Convolve with the transpose (the input's gradient) of `conv2d`, as `torch.nn.functional.conv_transpose2d`.

    Args:
        input: (N, C, H, W) or (C, H, W), as for `conv2d`.
        weight: (C, K / groups, kernel_h, kernel_w).
        bias: (K), or None.
        stride: distance of the input's pixels in the result.
        padding: what is cut off around the result.
        output_padding: what is added at its end, below stride or dilation: a stride leaves the size open.
        groups: as for `conv2d`.
        dilation: distance between the filter's taps.

    Returns:
        (N, K, H', W') with H' = (H - 1) stride - 2 padding + dilation (kernel_h - 1) + output_padding + 1.

    Raises:
        ArgumentError: where sizes do not fit each other or the result would be empty.
        TypeError: for tensors of different dtypes or devices, or of a dtype that is not floating.

    Complexity: as the convolution of which it is the transpose: one of stride 1 for each phase of the stride. Gradient,
    determinism and scratch as `conv2d`.

    Reference: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose2d(torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1, 2, 2), stride=2)
        tensor([[[1., 1., 2., 2.],
                 [1., 1., 2., 2.]]])
    """
    return _transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Convolve volumes with the transpose of `conv3d`; otherwise as `conv_transpose2d`.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1, 3)).shape
        torch.Size([1, 1, 1, 3])
    """
    return _transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
