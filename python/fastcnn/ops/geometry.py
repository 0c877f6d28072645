"""Images of other sizes and in other places. Wrapper, docstring, fake kernel and autograd together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastcnn import _geometry
from fastcnn._torch.register import register_op


def _resized(image: Tensor, height: int, width: int, mode: str, antialias: bool) -> Tensor:
    return image.new_empty((*image.shape[:-2], height, width))


def _keep_sizes(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, _, _, mode, antialias = inputs
    ctx.arguments = (*image.shape[-2:], mode, antialias)


# Resizing is linear: its derivative is the transposed map, and that one's the map again.
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


# Training asks for first derivatives by a matrix; whoever asks for more gets an error, not a term that is missing.
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
    """The tangent by the maps: at each of the result's pixels, how fast its place moves over the slope there."""
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
    """Batch an op of images and their maps: planes have the maps in their order."""

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


def resize(image: Tensor, size: int | Sequence[int], mode: str = "bilinear", antialias: bool = False) -> Tensor:
    """Resize images.

    As `torch.nn.functional.interpolate` with ``align_corners=False``, for images (..., H, W) of any number of
    dimensions and dtype.

    Args:
        image: (..., H, W): uint8, uint16, int16, int32 or floats; for the nearest modes every dtype, labels and masks
            among them.
        size: (height, width) of the result, or one number for both.
        mode: "bilinear", "bicubic" (Keys, a = -0.75, or -0.5 with `antialias`), "nearest" (the pixel floor(i * scale),
            as torch has it) or "nearest-exact" (the pixel under the centre, as Pillow and scikit-image).
        antialias: where the result is smaller, average over its pixels' width, as Pillow does.

    Returns:
        (..., height, width), dense, of the image's dtype. Arithmetic is in float32 (float64 for float64); integers are
        rounded to nearest, ties to even, and stay within their range.

    Raises:
        ArgumentError: a size below 1, an unknown mode, an image without pixels, or antialias with a nearest mode.
        TypeError: bool or int64 with a mode that computes values between.

    Complexity: O(pixels of the result * taps), rows first, then columns. Scratch: a few rows for each thread.
    Gradient: the transposed map; differentiable any number of times. Deterministic for any number of threads.

    Reference:
        R. Keys, "Cubic convolution interpolation for digital image processing", 1981.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.resize(torch.tensor([[0.0, 4.0], [8.0, 12.0]]), (2, 4))
        tensor([[ 0.,  1.,  3.,  4.],
                [ 8.,  9., 11., 12.]])
    """
    height, width = _geometry.check_resize(image, size, mode, antialias)
    result: Tensor = _resize(image, height, width, mode, antialias)
    return result


def warp_affine(
    image: Tensor,
    matrix: Tensor | Sequence[Sequence[float]],
    size: int | Sequence[int] | None = None,
    mode: str = "bilinear",
    fill: float = 0.0,
    inverse: bool = False,
) -> Tensor:
    """Move images by an affine map: rotate, shift, scale, shear.

    As `cv2.warpAffine`, for a batch, and without its rounding of places to 1/32 of a pixel.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        matrix: (2, 3): a pixel (x, y) of the image comes to matrix @ (x, y, 1), in pixels, whose centres lie at whole
            numbers; or (..., 2, 3), one for each image, whose leading dimensions are the image's first ones:
            (B, 2, 3) for (B, C, H, W).
        size: (height, width) of the result; None: the image's.
        mode: "bilinear" or "nearest".
        fill: the value outside of the image. Between it and the pixels of the border values are interpolated.
        inverse: matrix maps the result's pixels to the image's.

    Returns:
        (..., height, width), dense, of the image's dtype; integers are rounded to nearest, ties to even.

    Raises:
        ArgumentError: a matrix of another shape, a size below 1, an unknown mode, or an image without pixels.
        TypeError: bool or int64 with "bilinear".

    Complexity: O(pixels of the result). Scratch: none for dense images.
    Gradient: of the image, by the transposed map, any number of times; of the matrix once, 0 with "nearest".
    Deterministic for any number of threads. A matrix without an inverse gives `fill`.

    Reference:
        G. Wolberg, "Digital Image Warping", 1990.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> F.warp_affine(torch.tensor([[1, 2], [3, 4]]), [[1, 0, 1], [0, 1, 0]], mode="nearest")  # to the right
        tensor([[0, 1],
                [0, 3]])
    """
    maps = torch.as_tensor(matrix, dtype=torch.float64, device="cpu")
    height, width = _geometry.check_warp(image, maps, size, mode)
    if not inverse:
        maps = _geometry.inverse(maps, lambda values: torch.stack(values, -1))
    result: Tensor = _warp_affine(image, maps.reshape(-1, 2, 3).contiguous(), height, width, mode, float(fill))
    return result


def image_pyramid(
    image: Tensor, factor: float = 1.25, min_size: int | Sequence[int] = 1, max_levels: int | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Make smaller and smaller versions of images, for a detector that knows one size.

    Args:
        image: (..., H, W); dtypes as of `resize`.
        factor: between a level and the next.
        min_size: (height, width), or one number: smaller levels are left out.
        max_levels: at most so many.

    Returns:
        Levels from large to small, the first is the image: (..., h, w), by `resize` with antialias, and (4,) float32,
        which a level's boxes are multiplied by to become the image's.

    Raises:
        ArgumentError: a factor that is not above 1, or a negative number.

    Complexity: O(pixels). Gradient: as `resize`. Deterministic.

    Reference:
        E. Adelson et al., "Pyramid methods in image processing", 1984.

    Example:
        >>> import torch, fastcnn.ops as F
        >>> [(level.shape, scale.tolist()) for level, scale in F.image_pyramid(torch.zeros(8, 12), 2, min_size=4)]
        [(torch.Size([8, 12]), [1.0, 1.0, 1.0, 1.0]), (torch.Size([4, 6]), [2.0, 2.0, 2.0, 2.0])]
    """
    _geometry.check_image(image, "image_pyramid")
    height, width = (int(n) for n in image.shape[-2:])
    levels = []
    for h, w in _geometry.pyramid_sizes(height, width, factor, min_size, max_levels):
        level = image if (h, w) == (height, width) else resize(image, (h, w), antialias=True)
        levels.append((level, torch.tensor([width / w, height / h] * 2, dtype=torch.float32)))
    return levels
