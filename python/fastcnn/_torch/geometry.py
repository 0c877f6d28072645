"""Resizing and warping of images: fake kernels and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _resized(image: Tensor, height: int, width: int, mode: str, antialias: bool) -> Tensor:
    return image.new_empty((*image.shape[:-2], height, width))


def _keep_sizes(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, _, _, mode, antialias = inputs
    ctx.arguments = (*image.shape[-2:], mode, antialias)


# Resizing is linear: its derivative is the transposed map, whose derivative is the map again.
def _resize_transposed(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _resize_backward(grad, *ctx.arguments), None, None, None, None


def _resize_direct(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _resize(grad, *ctx.arguments), None, None, None, None


_resize = register_op("resize", fake=_resized, setup_context=_keep_sizes, backward=_resize_transposed, linear=True)
_resize_backward = register_op(
    "_resize_backward", fake=_resized, setup_context=_keep_sizes, backward=_resize_direct, linear=True
)


def _warped(image: Tensor, maps: Tensor, height: int, width: int, mode: str, fill: float) -> Tensor:
    return image.new_empty((*image.shape[:-2], height, width))


def _like_maps(grad: Tensor, image: Tensor, maps: Tensor, mode: str, fill: float) -> Tensor:
    return torch.empty_like(maps, memory_format=torch.contiguous_format)


def _keep_warp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, maps, _, _, mode, fill = inputs
    ctx.save_for_backward(image if ctx.needs_input_grad[1] else None, maps)
    ctx.size, ctx.mode, ctx.fill = image.shape[-2:], mode, fill


def _warp_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    image, maps = ctx.saved_tensors
    of_image = _warp_affine_backward(grad, maps, *ctx.size, ctx.mode, 0.0) if ctx.needs_input_grad[0] else None
    of_maps = _warp_affine_backward_maps(grad, image, maps, ctx.mode, ctx.fill) if ctx.needs_input_grad[1] else None
    return of_image, of_maps, None, None, None, None


# Only the first derivative with respect to the matrix is implemented. Raise for the second instead of silently leaving
# out a term.
_NO_SECOND = "warp_affine: second derivatives by the matrix"


def _keep_transposed_warp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    grad, maps, _, _, mode, _ = inputs
    ctx.save_for_backward(maps)
    ctx.size, ctx.mode = grad.shape[-2:], mode


def _transposed_warp_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    if ctx.needs_input_grad[1]:
        raise NotImplementedError(_NO_SECOND)
    (maps,) = ctx.saved_tensors
    return _warp_affine(grad, maps, *ctx.size, ctx.mode, 0.0), None, None, None, None, None


def _no_second_derivative(ctx: Any, grads: Any) -> Any:
    raise NotImplementedError(_NO_SECOND)


def _no_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None: ...


def _motion(image: Tensor, maps: Tensor, tangent: Tensor, height: int, width: int, mode: str, fill: float) -> Tensor:
    """Return the tangent from the maps: for each output pixel, the motion of its source times the slope there."""
    if mode != "bilinear":
        return image.new_zeros((*image.shape[:-2], height, width))
    h, w = image.shape[-2:]
    around = torch.nn.functional.pad(image.flatten(0, -3) if image.ndim > 2 else image[None], (1, 1, 1, 1), value=fill)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([columns, rows, torch.ones_like(rows)]).flatten(1).to(maps)
    each = around.shape[0] // max(maps.shape[0], 1)
    (x, y), (dx, dy) = ((m.repeat_interleave(each, 0) @ pixels).unbind(1) for m in (maps, tangent))
    inside = (x > -1) & (y > -1) & (x < w) & (y < h)
    x, y = torch.where(inside, x, 0.0), torch.where(inside, y, 0.0)
    left, top = x.floor(), y.floor()
    first = ((top + 1) * (w + 2) + left + 1).long()
    a, b, c, d = (around.flatten(1).gather(1, first + step) for step in (0, 1, w + 2, w + 3))
    right, below = x - left, y - top
    moved = ((b - a) * (1 - below) + (d - c) * below) * dx + ((c - a) * (1 - right) + (d - b) * right) * dy
    return torch.where(inside, moved, 0.0).to(image.dtype).reshape(*image.shape[:-2], height, width)


def _warp_forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Tensor:
    image, maps, height, width, mode, fill = args
    parts: list[Tensor] = []
    if tangents[0] is not None:
        parts.append(_warp_affine(tangents[0], maps, height, width, mode, 0.0))
    if tangents[1] is not None:
        parts.append(_motion(image, maps, tangents[1], height, width, mode, fill))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _transposed_warp_forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Tensor:
    if tangents[0] is None or tangents[1] is not None:
        raise NotImplementedError(_NO_SECOND)
    result: Tensor = _warp_affine_backward(tangents[0], *args[1:])
    return result


def _in_front(info: Any, in_dims: tuple[Any, ...], args: tuple[Any, ...]) -> list[Any]:
    return [
        arg
        if not isinstance(arg, Tensor)
        else arg.expand(info.batch_size, *arg.shape)
        if d is None
        else arg.movedim(d, 0)
        for arg, d in zip(args, in_dims, strict=True)
    ]


def _batch_of_maps(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
    grad, image, maps, *rest = _in_front(info, in_dims, args)
    found = _warp_affine_backward_maps(grad, image, maps.flatten(0, 1).contiguous(), *rest)
    return found.unflatten(0, (info.batch_size, maps.shape[1])), 0


def _batch_with_maps(op: Callable[[], Callable[..., Tensor]]) -> Any:
    """Batch an op on images with a map each; the maps follow the order of the planes."""

    def batch(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        image, maps, *rest = _in_front(info, in_dims, args)
        return op()(image, maps.flatten(0, 1).contiguous(), *rest), 0

    return batch


_warp_affine: Callable[..., Any] = register_op(
    "warp_affine",
    fake=_warped,
    setup_context=_keep_warp,
    backward=_warp_backward,
    forward=_warp_forward,
    batch=_batch_with_maps(lambda: _warp_affine),
)
_warp_affine_backward: Callable[..., Any] = register_op(
    "_warp_affine_backward",
    fake=_warped,
    setup_context=_keep_transposed_warp,
    backward=_transposed_warp_backward,
    forward=_transposed_warp_forward,
    batch=_batch_with_maps(lambda: _warp_affine_backward),
)
_warp_affine_backward_maps: Callable[..., Any] = register_op(
    "_warp_affine_backward_maps",
    fake=_like_maps,
    setup_context=_no_context,
    backward=_no_second_derivative,
    forward=_no_second_derivative,
    batch=_batch_of_maps,
)
