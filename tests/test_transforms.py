"""torch.func and forward mode through every op of `fastcnn.ops`: a derivative, zero, or an error that says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch.autograd import forward_ad

import fastcnn.ops as F

DOUBLE = torch.float64


class Case(NamedTuple):
    call: Callable[..., Any]
    inputs: tuple[torch.Tensor, ...]


def image(*shape: int) -> torch.Tensor:
    """Distinct values: at ties one-sided derivatives differ."""
    size = torch.Size(shape).numel()
    return (torch.randperm(size, generator=torch.Generator().manual_seed(1)) / size).to(DOUBLE).reshape(shape)


def window(name: str, rank: int, *arguments: Any) -> Case:
    return Case(lambda x: getattr(F, name)(x, *arguments), (image(2, 2, *[5] * rank),))


def convolution(rank: int, transposed: bool) -> Case:
    op = getattr(F, f"conv{'_transpose' * transposed}{rank}d")
    inputs = image(2, 2, *[4] * rank), image(4, 1, *[3] * rank), image(4)
    if transposed:
        inputs = image(2, 4, *[3] * rank), image(4, 2, *[3] * rank), image(4)
    return Case(lambda x, w, b: op(x, w, b, 2, 1, groups=2), inputs)


def unpool(rank: int) -> Case:
    values, indices = getattr(F, f"max_pool{rank}d")(image(1, 2, *[4] * rank), 2, return_indices=True)
    return Case(lambda x: getattr(F, f"max_unpool{rank}d")(x, indices, 2), (values,))


def boxes() -> torch.Tensor:
    return torch.tensor([[0.0, 0, 4, 4], [1, 1, 5, 6], [2, 0, 7, 3]], dtype=DOUBLE)


ROIS = torch.tensor([[0, 1.0, 1, 6, 6], [1, 0, 2, 7, 5]], dtype=DOUBLE)
SCORES = torch.tensor([0.3, 0.2, 0.1], dtype=DOUBLE)
LABELS = torch.tensor([[0, 1, 1, 2], [2, 2, 1, 0]])
MATRIX = torch.tensor([[0.9, 0.1, 0.3], [-0.2, 1.1, 0.2]], dtype=DOUBLE)


def rotated(boxes: torch.Tensor) -> torch.Tensor:
    return torch.cat([boxes, boxes[:, :1]], 1)


# Ops whose results have derivatives by all the inputs given.
SMOOTH = {
    **{f"conv{r}d": convolution(r, False) for r in (1, 2, 3)},
    **{f"conv_transpose{r}d": convolution(r, True) for r in (1, 2, 3)},
    **{f"{kind}_pool{r}d": window(f"{kind}_pool{r}d", r, 3, 2, 1) for kind in ("max", "avg") for r in (1, 2, 3)},
    **{
        f"adaptive_{kind}_pool{r}d": window(f"adaptive_{kind}_pool{r}d", r, 2)
        for kind in ("max", "avg")
        for r in (1, 2, 3)
    },
    **{f"max_unpool{r}d": unpool(r) for r in (1, 2, 3)},
    "spatial_pyramid_pool": window("spatial_pyramid_pool", 2),
    **{name: window(name, 2) for name in ("erosion", "dilation", "opening", "closing", "morphological_gradient")},
    "gaussian_blur": window("gaussian_blur", 2, 1.0),
    "threshold_local": window("threshold_local", 2, 3, "gaussian", 0.1),
    "resize": window("resize", 2, (4, 7)),
    "image_pyramid": Case(lambda x: F.image_pyramid(x, 2)[1][0], (image(2, 6, 6),)),
    "warp_affine": Case(lambda x, m: F.warp_affine(x, m, fill=0.3), (image(2, 2, 5, 6), MATRIX)),
    "roi_align": Case(lambda x: F.roi_align(x, ROIS, 2), (image(2, 2, 8, 8),)),
    "roi_pool": Case(lambda x: F.roi_pool(x, ROIS, 2), (image(2, 2, 8, 8),)),
    "ps_roi_align": Case(lambda x: F.ps_roi_align(x, ROIS, 2), (image(2, 4, 8, 8),)),
    "ps_roi_pool": Case(lambda x: F.ps_roi_pool(x, ROIS, 2), (image(2, 4, 8, 8),)),
    "region_table": Case(lambda x: torch.stack(F.region_table(LABELS, x, 3)[5:]), (image(2, 4),)),
    **{
        name: Case(getattr(F, name), (boxes(), boxes() + 0.3))
        for name in (
            *("box_iou", "generalized_box_iou", "distance_box_iou"),
            *("generalized_box_iou_loss", "distance_box_iou_loss"),
        )
    },
    "box_area": Case(F.box_area, (boxes(),)),
    "box_convert": Case(lambda b: F.box_convert(b, "xyxy", "cxcywh"), (boxes(),)),
    "clip_boxes_to_image": Case(lambda b: F.clip_boxes_to_image(b, (5, 5)), (boxes() + 0.3,)),
    "encode_boxes": Case(F.encode_boxes, (boxes(), boxes() + 0.3)),
    "decode_boxes": Case(F.decode_boxes, (boxes() / 9, boxes())),
}
# A weight in them is a constant to the derivative (Zheng et al., 2020), but not to a difference quotient.
WEIGHTED = {
    name: Case(getattr(F, name), (boxes(), boxes() + 0.3)) for name in ("complete_box_iou", "complete_box_iou_loss")
}
# Reverse mode only.
REVERSE = {
    "deform_conv2d": Case(
        lambda x, o, w: F.deform_conv2d(x, o, w, padding=1), (image(1, 2, 5, 5), image(1, 18, 5, 5), image(2, 2, 3, 3))
    ),
}
# Ops without a gradient: of integers, masks and thresholds.
CONSTANT = {
    **{
        name: Case(getattr(F, name), (image(2, 6, 7),))
        for name in (
            *("local_maxima", "local_minima", "peak_local_max", "threshold_otsu", "watershed", "label", "fill_holes"),
            *("distance_transform_edt", "masks_to_boxes"),
        )
    },
    "peak_local_max_padded": Case(lambda x: F.peak_local_max_padded(x, 5), (image(2, 6, 7),)),
    "binarize_local": Case(lambda x: F.binarize_local(x, 3), (image(2, 6, 7),)),
    "remove_small_holes": Case(lambda x: F.remove_small_holes(x, 2), (image(2, 6, 7),)),
    "hog": Case(lambda x: F.hog(x, pixels_per_cell=(4, 4), cells_per_block=(1, 1)), (image(8, 8),)),
    "nms": Case(lambda b: F.nms(b, SCORES, 0.5), (boxes(),)),
    "batched_nms": Case(lambda b: F.batched_nms(b, SCORES, torch.tensor([0, 0, 1]), 0.5), (boxes(),)),
    "nms_padded": Case(lambda b: F.nms_padded(b[None], SCORES[None], 0.5, 3), (boxes(),)),
    "soft_nms": Case(lambda b: F.soft_nms(b, SCORES, 0.5), (boxes(),)),
    "matrix_nms": Case(lambda s: F.matrix_nms(boxes(), s), (SCORES,)),
    "nms_rotated": Case(lambda b: F.nms_rotated(rotated(b), SCORES, 0.5), (boxes(),)),
    "box_iou_rotated": Case(lambda b: F.box_iou_rotated(rotated(b), rotated(b)), (boxes(),)),
    "felzenszwalb": Case(F.felzenszwalb, (image(3, 6, 6).float(),)),
    "selective_search": Case(F.selective_search, (image(3, 16, 16).float(),)),
    "selective_search_padded": Case(lambda x: F.selective_search_padded(x, max_boxes=5), (image(3, 16, 16).float(),)),
}
# Neither takes floats that could have a tangent, or makes no tensors of them.
OTHER = {
    *("disk", "diamond", "hexagon", "line", "rectangle", "square"),
    *(
        "clear_border",
        "relabel_sequential",
        "generate_anchors",
        "sliding_windows",
        "remove_small_boxes",
        "remove_small_objects",
    ),
    "PackedConvolution",  # below
}


def tensors(results: Any) -> list[torch.Tensor]:
    everything = results if isinstance(results, tuple) else (results,)
    return [r for r in everything if isinstance(r, torch.Tensor)]


def total(case: Case) -> Callable[..., torch.Tensor]:
    """A number that depends on the inputs, whatever the op does, and on its results not linearly."""
    return lambda *x: sum((t.double() ** 2).sum() for t in (*x, *tensors(case.call(*x))))


def test_every_op_is_here():
    assert {*SMOOTH, *WEIGHTED, *REVERSE, *CONSTANT, *OTHER} == set(F.__all__)


@pytest.mark.parametrize("name", [*SMOOTH, *WEIGHTED, *REVERSE, *CONSTANT])
def test_func_grad(name):
    case = {**SMOOTH, **WEIGHTED, **REVERSE, **CONSTANT}[name]
    numbers = tuple(range(len(case.inputs)))
    leaves = [x.clone().requires_grad_() for x in case.inputs]
    got = torch.func.grad(total(case), numbers)(*case.inputs)
    for g, e in zip(got, torch.autograd.grad(total(case)(*leaves), leaves), strict=True):
        torch.testing.assert_close(g, e)


@pytest.mark.parametrize("name", SMOOTH)
def test_tangents(name):
    """Tangents of all inputs and of each alone, by both of torch's APIs, equal the difference quotient."""
    call, inputs = SMOOTH[name]
    generator = torch.Generator().manual_seed(2)
    directions = [torch.randn(x.shape, dtype=DOUBLE, generator=generator) for x in inputs]
    step = 1e-6
    for moving in [range(len(inputs)), *([i] for i in range(len(inputs)) if len(inputs) > 1)]:
        tangents = [d if i in moving else torch.zeros_like(d) for i, d in enumerate(directions)]
        ahead, behind = (call(*(x + s * t for x, t in zip(inputs, tangents, strict=True))) for s in (step, -step))
        expected = (ahead - behind) / (2 * step)

        def some(*values, moving=moving):
            given = iter(values)
            return call(*(next(given) if i in moving else x for i, x in enumerate(inputs)))

        primals, given = tuple(inputs[i] for i in moving), tuple(directions[i] for i in moving)
        value, got = torch.func.jvp(some, primals, given)
        torch.testing.assert_close(value, call(*inputs))
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
        with forward_ad.dual_level():
            dual = some(*map(forward_ad.make_dual, primals, given))
            torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, got)


@pytest.mark.parametrize("name", WEIGHTED)
def test_tangents_agree_with_gradients(name):
    call, inputs = WEIGHTED[name]
    torch.testing.assert_close(torch.func.jacfwd(call)(*inputs), torch.func.jacrev(call)(*inputs))


@pytest.mark.parametrize(
    "name",
    ["conv2d", "conv_transpose1d", "max_pool2d", "avg_pool2d", "erosion", "gaussian_blur", "resize", "roi_align"],
)
def test_every_order_of_modes(name):
    """Second derivatives, each mode inside each, against autograd's."""
    call, inputs = SMOOTH[name]
    inputs = (inputs[0][:1, :1, :3] if name == "resize" else inputs[0], *inputs[1:])
    case = Case(call, inputs)
    rest = inputs[1:]
    at = inputs[0].flatten()[:6]

    def function(x: torch.Tensor) -> torch.Tensor:
        whole = torch.cat([x, inputs[0].flatten()[6:]]).reshape(inputs[0].shape)
        return total(case)(whole, *rest)

    expected = torch.autograd.functional.hessian(function, at)
    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    for outer, inner in ((forward, reverse), (reverse, forward), (forward, forward), (reverse, reverse)):
        torch.testing.assert_close(outer(inner(function))(at), expected)


@pytest.mark.parametrize("name", [*REVERSE, *CONSTANT])
def test_without_tangents(name):
    """Integers have none; a float that would lose its own without a word is an error."""
    call, inputs = {**REVERSE, **CONSTANT}[name]
    tangents = tuple(map(torch.ones_like, inputs))
    plain = tensors(call(*inputs))
    floats = any(r.is_floating_point() for r in plain)
    refused = pytest.raises(NotImplementedError, match=": forward-mode differentiation is not available")
    with forward_ad.dual_level(), refused if floats else contextlib.nullcontext():
        duals = [forward_ad.make_dual(x, t) for x, t in zip(inputs, tangents, strict=True)]
        for got, expected in zip(tensors(call(*duals)), plain, strict=True):
            assert torch.equal(got, expected)
            assert forward_ad.unpack_dual(got).tangent is None
    if floats:
        with pytest.raises(NotImplementedError, match=": forward-mode differentiation is not available"):
            torch.func.jvp(call, inputs, tangents)


@pytest.mark.parametrize("out", [False, True])
def test_packed_convolutions_have_no_tangents(out):
    convolve = F.PackedConvolution(torch.ones(2, 2, 3, 3, dtype=DOUBLE))
    x = image(1, 2, 5, 5)
    kwargs = {"out": torch.empty(1, 2, 3, 3, dtype=DOUBLE)} if out else {}
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match=r"packed_convolution\w*: forward-mode"):
        convolve(forward_ad.make_dual(x, x), **kwargs)


def test_second_derivative_by_a_matrix_is_an_error():
    x = image(5, 6)
    with pytest.raises(NotImplementedError, match="warp_affine: second derivatives by the matrix"):
        torch.func.jacfwd(torch.func.jacrev(lambda m: F.warp_affine(x, m).sum()))(MATRIX)


def test_ordinary_calls_within_a_level_are_plain():
    with forward_ad.dual_level():
        got = F.max_pool2d(image(1, 1, 4, 4), 2)
        assert forward_ad.unpack_dual(got).tangent is None
