"""Regions of feature maps pooled to a fixed size: fake kernels and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._torch.register import register_op


def _pooled(input: Tensor, rois: Tensor, scale: float, height: int, width: int, *args: Any) -> Tensor:
    result = input.new_empty((rois.shape[0], input.shape[1], height, width))
    return result.to(memory_format=torch._prims_common.suggest_memory_format(input))


def _pooled_and_where(*args: Any) -> tuple[Tensor, Tensor]:
    result = _pooled(*args)
    return result, torch.empty_like(result, dtype=torch.int32)


def _by_position(input: Tensor, rois: Tensor, scale: float, height: int, width: int, *args: Any) -> Any:
    result = input.new_empty((rois.shape[0], input.shape[1] // (height * width), height, width))
    return result, torch.empty_like(result, dtype=torch.int32)


def _map(grad: Tensor, rois: Tensor, *args: Any) -> Tensor:
    sizes = [a for a in args if isinstance(a, (int, torch.SymInt)) and not isinstance(a, bool)]
    return grad.new_empty(sizes[:4])


def _one_batch(info: Any, in_dims: Sequence[Any], tensors: Sequence[Tensor], images: int) -> list[Tensor]:
    """Merge batches of maps, regions and positions into one, and offset the image indices of the regions."""
    n = info.batch_size
    moved = [t.expand(n, *t.shape) if d is None else t.movedim(d, 0) for t, d in zip(tensors, in_dims, strict=False)]
    first = torch.arange(n, device=moved[1].device)[:, None] * images
    moved[1] = torch.cat([moved[1][..., :1] + first[..., None], moved[1][..., 1:]], -1)
    return [t.flatten(0, 1) for t in moved]


def _batched(call: Callable[[], Callable[..., Any]]) -> Callable[..., tuple[Any, Any]]:
    def rule(info: Any, in_dims: tuple[Any, ...], input: Tensor, rois: Tensor, *args: Any) -> tuple[Any, Any]:
        images = input.shape[0] if in_dims[0] is None else input.movedim(in_dims[0], 0).shape[1]
        result = call()(*_one_batch(info, in_dims, [input, rois], images), *args)
        results = result if isinstance(result, tuple) else (result,)
        parts = tuple(r.unflatten(0, (info.batch_size, -1)) for r in results)
        return (parts, (0,) * len(parts)) if isinstance(result, tuple) else (parts[0], 0)

    return rule


def _batched_map(call: Callable[[], Callable[..., Tensor]]) -> Callable[..., tuple[Any, Any]]:
    """Likewise for gradients of maps, which take the sizes, starting with the number of images, as arguments."""

    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        tensors = [a for a in args if isinstance(a, Tensor)]
        rest = list(args[len(tensors) :])
        number = next(i for i, a in enumerate(rest) if isinstance(a, (int, torch.SymInt)))
        images = rest[number]
        rest[number] = images * info.batch_size
        result = call()(*_one_batch(info, in_dims, tensors, images), *rest)
        return result.reshape(info.batch_size, images, *result.shape[1:]), 0

    return rule


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, rois, *rest = inputs
    ctx.shape, ctx.rest = input.shape, rest
    if isinstance(output, tuple):
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # else each backward pass fills one for the positions too
        ctx.save_for_backward(rois, output[1])
    else:
        ctx.save_for_backward(rois)


def _align_backward(ctx: Any, grad: Tensor) -> Any:
    (rois,), (scale, _, _, sampling_ratio, aligned) = ctx.saved_tensors, ctx.rest
    result = _roi_align_backward(grad, rois, scale, *ctx.shape, sampling_ratio, aligned)
    return result, None, None, None, None, None, None


def _save_grad(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    grad, *rest = inputs
    ctx.size, ctx.rest = grad.shape[2:], [a for a in rest if not isinstance(a, Tensor)]
    ctx.save_for_backward(*(a for a in rest if isinstance(a, Tensor)))


def _align_twice(ctx: Any, grad: Tensor) -> Any:
    # The gradient is linear in grad: its own gradient is the forward op.
    scale, *_, sampling_ratio, aligned = ctx.rest
    result = _roi_align(grad, ctx.saved_tensors[0], scale, *ctx.size, sampling_ratio, aligned)
    return result, *(None,) * 8


_roi_align: Callable[..., Any] = register_op(
    "roi_align",
    fake=_pooled,
    setup_context=_save,
    backward=_align_backward,
    linear=True,
    batch=_batched(lambda: _roi_align),
)
_roi_align_backward: Callable[..., Any] = register_op(
    "_roi_align_backward",
    fake=_map,
    setup_context=_save_grad,
    backward=_align_twice,
    linear=True,
    batch=_batched_map(lambda: _roi_align_backward),
)


def _pool_backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if grad is None:
        return (None,) * 5
    rois, argmax = ctx.saved_tensors
    return _roi_pool_backward(grad, rois, argmax, *ctx.shape), None, None, None, None


def _pool_twice(ctx: Any, grad: Tensor) -> Any:
    rois, argmax = ctx.saved_tensors
    places = argmax.clamp(min=0).long().flatten(2)
    found = grad[rois[:, 0].long()].flatten(2).gather(2, places).view_as(argmax)
    return found * (argmax >= 0), *(None,) * 6


_roi_pool: Callable[..., Any] = register_op(
    "roi_pool",
    fake=_pooled_and_where,
    setup_context=_save,
    backward=_pool_backward,
    batch=_batched(lambda: _roi_pool),
)
_roi_pool_backward: Callable[..., Any] = register_op(
    "_roi_pool_backward",
    fake=_map,
    setup_context=_save_grad,
    backward=_pool_twice,
    linear=True,
    batch=_batched_map(lambda: _roi_pool_backward),
)


# Without a gradient, the positions of the maxima, as large as the result, are not stored. If one is needed after all
# (torch.func), they are computed then.
def _save_values(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, rois, *ctx.rest = inputs
    ctx.save_for_backward(input, rois)


def _values_backward(ctx: Any, grad: Tensor) -> Any:
    input, rois = ctx.saved_tensors
    argmax = _roi_pool(input, rois, *ctx.rest)[1]
    return _roi_pool_backward(grad, rois, argmax, *input.shape), *(None,) * 4


_roi_pool_values: Callable[..., Any] = register_op(
    "_roi_pool_values",
    fake=_pooled,
    setup_context=_save_values,
    backward=_values_backward,
    batch=_batched(lambda: _roi_pool_values),
)


def _ps_align_backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if grad is None:
        return (None,) * 6
    rois, (scale, _, _, sampling_ratio) = ctx.saved_tensors[0], ctx.rest
    return _ps_roi_align_backward(grad, rois, scale, *ctx.shape, sampling_ratio), *(None,) * 5


def _ps_align_twice(ctx: Any, grad: Tensor) -> Any:
    scale, *_, sampling_ratio = ctx.rest
    return _ps_roi_align(grad, ctx.saved_tensors[0], scale, *ctx.size, sampling_ratio)[0], *(None,) * 7


def _ps_pool_backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if grad is None:
        return (None,) * 5
    return _ps_roi_pool_backward(grad, ctx.saved_tensors[0], ctx.rest[0], *ctx.shape), *(None,) * 4


def _ps_pool_twice(ctx: Any, grad: Tensor) -> Any:
    return _ps_roi_pool(grad, ctx.saved_tensors[0], ctx.rest[0], *ctx.size)[0], *(None,) * 6


_ps_roi_align: Callable[..., Any] = register_op(
    "ps_roi_align",
    fake=_by_position,
    setup_context=_save,
    backward=_ps_align_backward,
    batch=_batched(lambda: _ps_roi_align),
)
_ps_roi_align_backward: Callable[..., Any] = register_op(
    "_ps_roi_align_backward",
    fake=_map,
    setup_context=_save_grad,
    backward=_ps_align_twice,
    linear=True,
    batch=_batched_map(lambda: _ps_roi_align_backward),
)
_ps_roi_pool: Callable[..., Any] = register_op(
    "ps_roi_pool",
    fake=_by_position,
    setup_context=_save,
    backward=_ps_pool_backward,
    batch=_batched(lambda: _ps_roi_pool),
)
_ps_roi_pool_backward: Callable[..., Any] = register_op(
    "_ps_roi_pool_backward",
    fake=_map,
    setup_context=_save_grad,
    backward=_ps_pool_twice,
    linear=True,
    batch=_batched_map(lambda: _ps_roi_pool_backward),
)
