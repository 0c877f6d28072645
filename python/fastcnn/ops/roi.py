"""Regions of feature maps pooled to a fixed size. Wrapper, docstring, fake kernel and autograd of each op together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn._errors import ArgumentError
from fastcnn._torch.register import register_op

# --- what the ops share -----------------------------------------------------------------------------------------------


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
    """Join the batch of maps, regions and places to one: the regions' indices count on."""
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
    """Likewise for the gradients of maps, whose sizes, the images' number first, are arguments."""

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
        ctx.set_materialize_grads(False)  # or each backward fills one for the places too
        ctx.save_for_backward(rois, output[1])
    else:
        ctx.save_for_backward(rois)


def regions(boxes: Tensor | Sequence[Tensor], op: str) -> Tensor:
    """Return (K, 5) regions from boxes of each image, or as they are."""
    if isinstance(boxes, Tensor):
        return boxes
    for i, b in enumerate(boxes):
        if b.ndim != 2 or b.shape[1] != 4:
            raise ArgumentError(f"{op}: expected boxes[{i}] of shape (L, 4), got {tuple(b.shape)}")
    if not boxes:
        return torch.zeros(0, 5)
    return torch.cat([torch.cat([torch.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)])


def pair(size: int | Sequence[int], op: str) -> tuple[int, int]:
    """Return height and width."""
    height, width = (size, size) if isinstance(size, (int, torch.SymInt)) else size
    if height <= 0 or width <= 0:
        raise ArgumentError(f"{op}: expected output_size of at least 1, got {height} x {width}")
    return height, width


# --- RoIAlign ---------------------------------------------------------------------------------------------------------


def _align_backward(ctx: Any, grad: Tensor) -> Any:
    (rois,), (scale, _, _, sampling_ratio, aligned) = ctx.saved_tensors, ctx.rest
    result = _roi_align_backward(grad, rois, scale, *ctx.shape, sampling_ratio, aligned)
    return result, None, None, None, None, None, None


def _save_grad(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    grad, *rest = inputs
    ctx.size, ctx.rest = grad.shape[2:], [a for a in rest if not isinstance(a, Tensor)]
    ctx.save_for_backward(*(a for a in rest if isinstance(a, Tensor)))


def _align_twice(ctx: Any, grad: Tensor) -> Any:
    # The gradient is linear in grad: its own is the forward.
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


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Average regions of a feature map over bins, from bilinear samples (RoIAlign).

    As `torchvision.ops.roi_align`.

    Args:
        input: (N, C, H, W), float; channels_last in gives channels_last out.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``; or for each image a tensor (L, 4).
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.
        sampling_ratio: samples of a bin along each axis; at most 0: as many as it covers pixels, rounded up.
        aligned: pixels' centres lie at .5, and boxes have no least size. Right for new models.

    Returns:
        (K, C, height, width), of the input's dtype; float16 and bfloat16 are computed in float32.

    Raises:
        ArgumentError: wrong shapes, or an image's index that does not exist.

    Samples outside [-1, H] x [-1, W], NaN ones too, count as 0. Complexity: O(K * C * (bins + pixels under a region)).
    Scratch: 32 channels of the input. Gradient: to the input, of any order. Deterministic, its gradient too: the result
    depends neither on threads nor on the instruction set.

    Reference:
        K. He, G. Gkioxari, P. Dollár, R. Girshick, "Mask R-CNN", 2017.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> F.roi_align(map, [torch.tensor([[0.0, 0, 4, 4]])], 2, aligned=True)
        tensor([[[[ 2.5000,  4.5000],
                  [10.5000, 12.5000]]]])
    """
    height, width = pair(output_size, "roi_align")
    result: Tensor = _roi_align(
        input, regions(boxes, "roi_align"), float(spatial_scale), height, width, sampling_ratio, aligned
    )
    return result


# --- RoI pooling ------------------------------------------------------------------------------------------------------


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


# Where no gradient is asked for, the places of the maxima, as large as they, are not written. If one is asked for after
# all (torch.func), they are looked for then.
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


def roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Take the maxima of regions of a feature map over bins (RoI pooling).

    As `torchvision.ops.roi_pool`: corners are rounded to pixels, and bins may overlap by one.

    Args:
        input: (N, C, H, W), float; channels_last in gives channels_last out.
        boxes: (K, 5), the image's index, then ``x1, y1, x2, y2``; or for each image a tensor (L, 4).
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.

    Returns:
        (K, C, height, width), of the input's dtype; 0 where a bin is empty. NaN is never a maximum; of nothing but NaN
        and -inf it is the lowest number.

    Raises:
        ArgumentError: wrong shapes, or an image's index that does not exist.

    Complexity: O(K * C * pixels under the region). Scratch: 32 channels of the input. Gradient: to the input, to the
    first of equal maxima, of any order. Deterministic, its gradient too.

    Reference:
        R. Girshick, "Fast R-CNN", 2015.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> F.roi_pool(map, torch.tensor([[0.0, 0, 0, 3, 3]]), 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    height, width = pair(output_size, "roi_pool")
    arguments = input, regions(boxes, "roi_pool"), float(spatial_scale), height, width
    result: Tensor = (
        _roi_pool(*arguments)[0] if torch.is_grad_enabled() and input.requires_grad else _roi_pool_values(*arguments)
    )
    return result


# --- position-sensitive -----------------------------------------------------------------------------------------------


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


def ps_roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """Average regions over bins, each from a channel of its own (position-sensitive RoIAlign).

    As `torchvision.ops.ps_roi_align`; bin (i, j) of channel c reads channel ``(c * height + i) * width + j``.

    Args:
        input: (N, C * height * width, H, W), float.
        boxes: as `roi_align`.
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.
        sampling_ratio: as `roi_align`.

    Returns:
        (K, C, height, width); 0 for a region of no size (torchvision's is NaN).

    Raises:
        ArgumentError: wrong shapes, channels that are no multiple of the bins, or an image's index that does not exist.

    Gradient: to the input, of any order. Deterministic, its gradient too.

    Reference:
        Z. Li et al., "Light-head R-CNN: in defense of two-stage object detector", 2017.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
        >>> F.ps_roi_align(map, torch.tensor([[0.0, 1, 1, 5, 5]]), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    height, width = pair(output_size, "ps_roi_align")
    found = _ps_roi_align(input, regions(boxes, "ps_roi_align"), float(spatial_scale), height, width, sampling_ratio)
    result: Tensor = found[0]
    return result


def ps_roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Average regions over bins of whole pixels, each from a channel of its own (position-sensitive RoI pooling).

    As `torchvision.ops.ps_roi_pool`, which never reads the map's last row and column. Its gradient adds to them all the
    same; this one is the derivative.

    Args:
        input: (N, C * height * width, H, W), float.
        boxes: as `roi_pool`.
        output_size: bins, height and width.
        spatial_scale: from the boxes' coordinates to the input's.

    Returns:
        (K, C, height, width); 0 where a bin is empty.

    Raises:
        ArgumentError: wrong shapes, channels that are no multiple of the bins, or an image's index that does not exist.

    Gradient: to the input, of any order. Deterministic, its gradient too.

    Reference:
        J. Dai, Y. Li, K. He, J. Sun, "R-FCN: object detection via region-based fully convolutional networks", 2016.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> map = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
        >>> F.ps_roi_pool(map, torch.tensor([[0.0, 1, 1, 5, 5]]), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    height, width = pair(output_size, "ps_roi_pool")
    result: Tensor = _ps_roi_pool(input, regions(boxes, "ps_roi_pool"), float(spatial_scale), height, width)[0]
    return result
