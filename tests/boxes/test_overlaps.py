"""Overlaps, losses, formats and masks against torchvision's Python, Qhull and definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

import fastcnn.compat.torchvision  # noqa: F401  # before torchvision
import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.boxes.samples import spread

import torchvision.ops as tv  # isort: skip

MATRICES = ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"]


def pairs(dtype: torch.dtype, n: int = 40, m: int = 23) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    return tuple(torch.from_numpy(spread(rng, k, "float64", extent=60)[0]).to(dtype) for k in (n, m))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", MATRICES)
def test_torchvision(name: str, dtype: torch.dtype) -> None:
    a, b = pairs(dtype)
    got = getattr(F, name)(a, b)
    assert got.dtype == dtype
    expected = getattr(tv, name)(a.double(), b.double())
    eps = max(torch.finfo(dtype).eps, 2e-6 if dtype == torch.float32 else 0)
    torch.testing.assert_close(got.double(), expected, rtol=2 * eps, atol=2 * eps)
    if dtype in (torch.float32, torch.float64):
        np.testing.assert_array_equal(getattr(F, name)(a.numpy(), b.numpy()), got.numpy())
    batched = getattr(F, name)(torch.stack([a, a + 3]), torch.stack([b, b]))
    assert torch.equal(batched[0], got)
    assert torch.equal(batched[1], getattr(F, name)(a + 3, b))


def test_exactly_torchvisions_iou() -> None:
    a, b = pairs(torch.float32)
    assert torch.equal(F.box_iou(a, b), tv.box_iou(a, b))
    whole = (a * 3).long()
    assert torch.equal(F.box_iou(whole, whole), tv.box_iou(whole, whole))


def test_empty_and_strides() -> None:
    a, b = pairs(torch.float32)
    for x, y in ((a[:0], b), (a, b[:0]), (a[:0], b[:0])):
        assert F.box_iou(x, y).shape == (len(x), len(y))
        assert F.box_iou(x.numpy(), y.numpy()).shape == (len(x), len(y))
    assert torch.equal(F.box_iou(a.T.contiguous().T, b.flip(0)[::2]), F.box_iou(a, b)[:, list(range(22, -1, -2))])
    assert F.box_iou(torch.ones(1, 4), torch.ones(1, 4)).isnan().all()


@pytest.mark.parametrize("name", MATRICES)
def test_matrix_gradients(name: str) -> None:
    a, b = (t[:6].requires_grad_() for t in pairs(torch.float64))
    run = getattr(F, name)
    torch.testing.assert_close(run(a, b).detach(), run(a.detach(), b.detach()))
    if name != "complete_box_iou":  # whose weight is a constant to the gradient
        assert torch.autograd.gradcheck(run, (a, b))
        assert torch.autograd.gradgradcheck(run, (a, b))
    for got, expected in zip(
        torch.autograd.grad(run(a, b).sin().sum(), (a, b)),
        torch.autograd.grad(getattr(tv, name)(a, b).sin().sum(), (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"])
def test_losses(name: str, reduction: str) -> None:
    a, b = (t[:20].requires_grad_() for t in pairs(torch.float64))
    ours, theirs = (getattr(front, name)(a, b, reduction=reduction) for front in (F, tv))
    torch.testing.assert_close(ours, theirs)
    for got, expected in zip(
        torch.autograd.grad(ours.sum(), (a, b)), torch.autograd.grad(theirs.sum(), (a, b)), strict=True
    ):
        torch.testing.assert_close(got, expected)
    empty = torch.zeros(0, 4, requires_grad=True)
    getattr(F, name)(empty, empty, reduction=reduction).sum().backward()
    for narrow in (a.half(), a.bfloat16(), (100 * a).int()):
        assert torch.equal(
            getattr(F, name)(narrow, narrow + 1, reduction=reduction),
            getattr(F, name)(narrow.float(), narrow.float() + 1, reduction=reduction)
            if narrow.dtype == torch.int32
            else getattr(F, name)(narrow.float(), (narrow + 1).float(), reduction=reduction),
        )
    with pytest.raises(ArgumentError, match=rf"{name}: expected boxes2 of shape \(20, 4\), got \(3, 4\)"):
        getattr(F, name)(a, b[:3])
    with pytest.raises(ArgumentError, match=f"{name}: expected reduction to be one of none, mean, sum, got max"):
        getattr(F, name)(a, b, reduction="max")


def half_planes(box: np.ndarray) -> np.ndarray:
    """Return the sides of a rotated box as rows a, b, c with a x + b y + c <= 0 inside."""
    center, angle = box[:2], np.deg2rad(box[4])
    across = np.array([np.cos(angle), -np.sin(angle)])  # counter-clockwise as seen, y points down
    down = np.array([np.sin(angle), np.cos(angle)])
    sides = [(across, box[2]), (-across, box[2]), (down, box[3]), (-down, box[3])]
    return np.array([[*n, -n @ center - length / 2] for n, length in sides])


def qhull_shared(a: np.ndarray, b: np.ndarray) -> float:
    planes = np.concatenate([half_planes(a), half_planes(b)])
    # The centre of the largest circle inside.
    inside = linprog([0, 0, -1], A_ub=np.c_[planes[:, :2], np.ones(8)], b_ub=-planes[:, 2], bounds=[(None, None)] * 3)
    if inside.x[2] <= 1e-9:
        return 0.0
    return float(ConvexHull(HalfspaceIntersection(planes, inside.x[:2]).intersections).volume)


def test_rotated() -> None:
    rng = np.random.default_rng(2)
    a, b = (
        np.concatenate([rng.random((14, 2)) * 12, 1 + rng.random((14, 2)) * 9, rng.uniform(-200, 200, (14, 1))], 1)
        for _ in range(2)
    )
    a[0], b[0] = (0, 0, 2, 2, 0), (0, 0, 2, 2, 45)
    a[1] = b[1] = (3, 4, 5, 6, 7)
    got = F.box_iou_rotated(a, b)
    for i in range(14):
        for j in range(14):
            shared = qhull_shared(a[i], b[j])
            expected = shared / (a[i, 2] * a[i, 3] + b[j, 2] * b[j, 3] - shared)
            assert got[i, j] == pytest.approx(expected, abs=1e-8)
    assert got[0, 0] == pytest.approx(np.sqrt(0.5), abs=1e-12)
    assert got[1, 1] == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(
        F.box_iou_rotated(b, a), got.T, atol=1e-13
    )  # some hundred roundings of values in [-1, 1]
    half = F.box_iou_rotated(torch.from_numpy(a).half(), torch.from_numpy(b).half())
    assert half.dtype == torch.float16


def test_rotated_upright_are_boxes() -> None:
    boxes = spread(np.random.default_rng(3), 50, "float64", extent=60)[0]
    centers = F.box_convert(boxes, "xyxy", "cxcywh")
    for angle in (0, 180, -360):
        rotated = np.concatenate([centers, np.full((50, 1), float(angle))], 1)
        # Corners up to 101, rounded some ten times; an overlap changes by their error over a side, of at least 1.
        bound = 4 * 10 * 101 * 2.0**-53
        np.testing.assert_allclose(F.box_iou_rotated(rotated, rotated), F.box_iou(boxes, boxes), rtol=0, atol=bound)


def test_rotated_strange() -> None:
    odd = np.array([[0, 0, 2, 2, np.nan], [0, 0, -2, 2, 0], [0, 0, 0, 2, 0], [np.inf, 0, 2, 2, 0], [0, 0, 2, 2, 10.0]])
    got = F.box_iou_rotated(odd, odd)
    assert (got[:4] == 0).all()
    assert got[4, 4] == pytest.approx(1)


@pytest.mark.parametrize("formats", [(a, b) for a in ("xyxy", "xywh", "cxcywh") for b in ("xyxy", "xywh", "cxcywh")])
def test_convert(formats: tuple[str, str]) -> None:
    boxes = pairs(torch.float32)[0]
    expected = tv.box_convert(boxes, *formats)
    assert torch.equal(F.box_convert(boxes, *formats), expected)
    np.testing.assert_array_equal(F.box_convert(boxes.numpy(), *formats), expected.numpy())


def test_formats() -> None:
    boxes = pairs(torch.float32)[0] - 20
    for got, expected in (
        (F.clip_boxes_to_image(boxes, (30, 20)), tv.clip_boxes_to_image(boxes, (30, 20))),
        (torch.from_numpy(F.clip_boxes_to_image(boxes.numpy(), (30, 20))), tv.clip_boxes_to_image(boxes, (30, 20))),
        (F.box_area(boxes), tv.box_area(boxes)),
        (torch.from_numpy(F.box_area(boxes.numpy())), tv.box_area(boxes)),
        (F.remove_small_boxes(boxes, 15.0), tv.remove_small_boxes(boxes, 15.0)),
        (torch.from_numpy(F.remove_small_boxes(boxes.numpy(), 15.0)), tv.remove_small_boxes(boxes, 15.0)),
    ):
        assert torch.equal(got, expected)
    with pytest.raises(ArgumentError, match="box_convert: expected in_fmt to be one of xyxy, xywh, cxcywh, got yxyx"):
        F.box_convert(boxes, "yxyx", "xyxy")
    with pytest.raises(ArgumentError, match=r"box_area: expected boxes of shape \(\.\.\., 4\), got \(40, 3\)"):
        F.box_area(boxes[:, :3])


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.float16, torch.float32, torch.float64])
def test_masks(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(4)
    for height, width in ((1, 1), (5, 7), (9, 8), (16, 17), (33, 70)):
        masks = (torch.rand(20, height, width, generator=generator) < 0.05).to(dtype)
        masks[:, height // 2, width // 2] = 1
        expected = tv.masks_to_boxes(masks)
        assert torch.equal(F.masks_to_boxes(masks), expected)
        assert torch.equal(F.masks_to_boxes(masks.mT.contiguous().mT.unflatten(0, (4, 5))).flatten(0, 1), expected)
        np.testing.assert_array_equal(F.masks_to_boxes(masks.numpy()), expected.numpy())
    if dtype.is_floating_point:
        assert F.masks_to_boxes(torch.tensor([[-0.0, 0.0, 2.0]], dtype=dtype)).tolist() == [2, 0, 2, 0]
    assert F.masks_to_boxes(torch.zeros(2, 3, 4, dtype=dtype)).tolist() == [[0] * 4] * 2
    assert F.masks_to_boxes(torch.zeros(0, 3, 4, dtype=dtype)).shape == (0, 4)
    assert F.masks_to_boxes(torch.zeros(2, 0, 4, dtype=dtype)).tolist() == [[0] * 4] * 2


def test_errors() -> None:
    boxes = torch.zeros(3, 4)
    for given in (boxes, boxes.numpy()):
        with pytest.raises(ArgumentError, match=r"box_iou: expected boxes2 of shape \(\.\.\., 4\), got \(3, 3\)"):
            F.box_iou(given, given[:, :3])
        with pytest.raises(TypeError, match="box_iou: expected boxes2 of boxes1's dtype, float32, got float64"):
            F.box_iou(given, given.double() if isinstance(given, torch.Tensor) else given.astype(np.float64))
        with pytest.raises(ArgumentError, match=r"box_iou_rotated: expected boxes1 of shape \(N, 5\), got \(3, 4\)"):
            F.box_iou_rotated(given, given)
        with pytest.raises(
            ArgumentError, match=r"masks_to_boxes: expected masks of shape \(\.\.\., H, W\), got \(4,\)"
        ):
            F.masks_to_boxes(given[0])


# --- values at the ends -----------------------------------------------------------------------------------------------

LOSSES = ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"]
# Proper; without height, width, both; inverted in one or both; far; thin; tiny; large.
STRANGE = torch.tensor(
    [
        [2, 3, 8, 9], [2, 5, 8, 5], [5, 3, 5, 9], [5, 5, 5, 5], [8, 3, 2, 9], [2, 9, 8, 3], [8, 9, 2, 3],
        [90, 90, 99, 95], [0, 0, 1e-6, 40], [0, 0, 1e-20, 1e-20], [0, 0, 5e4, 6e4],
    ]
)  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_finite_losses(name: str, reduction: str, dtype: torch.dtype) -> None:
    """Value and gradient are finite for every pair of strange boxes, and equal torchvision's where those are finite."""
    i, j = (x.flatten() for x in torch.meshgrid(torch.arange(len(STRANGE)), torch.arange(len(STRANGE)), indexing="ij"))
    a, b = (STRANGE[k].to(dtype).requires_grad_() for k in (i, j))
    ours = getattr(F, name)(a, b, reduction=reduction)
    assert ours.dtype == torch.promote_types(dtype, torch.float32)
    assert ours.isfinite().all()
    for gradient in torch.autograd.grad(ours.sum(), (a, b)):
        # For the tiny box it reaches 1e20, which float16 cannot represent.
        assert (gradient.isfinite() if dtype != torch.float16 else ~gradient.isnan()).all()
    upright = ((STRANGE[:, 2:] >= STRANGE[:, :2]).all(1))[torch.stack([i, j])].all(0)
    theirs = getattr(tv, name)(a.detach(), b.detach())
    same = upright & theirs.isfinite()
    assert same.sum() >= 30
    torch.testing.assert_close(getattr(F, name)(a, b)[same].detach(), theirs[same])


@pytest.mark.parametrize("name", LOSSES)
def test_half_losses_are_float32(name: str) -> None:
    """70,000 times 1 and more is beyond float16."""
    a, b = (torch.tensor([[0, 0, 2, 2.0]]).add(shift).expand(70_000, 4) for shift in (0, 5))
    for dtype in (torch.float16, torch.bfloat16):
        got = getattr(F, name)(a.to(dtype), b.to(dtype), reduction="sum")
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, getattr(tv, name)(a, b, reduction="sum"))
        assert got > 70_000


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_no_boxes(name: str, reduction: str) -> None:
    boxes = torch.zeros(0, 4, requires_grad=True)
    value = getattr(F, name)(boxes, boxes, reduction=reduction)
    assert value.tolist() == ([] if reduction == "none" else 0)
    value.sum().backward()
    assert boxes.grad.shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", MATRICES)
def test_finite_matrices(name: str, dtype: torch.dtype) -> None:
    """The gradient is finite even where both boxes have no area and the quotient none; values are those without it."""
    boxes = STRANGE[[k for k in range(len(STRANGE)) if k != 9]].to(dtype)
    a, b = boxes.clone().requires_grad_(), boxes.clone().requires_grad_()
    ours = getattr(F, name)(a, b)
    assert ours.dtype == dtype
    plain = getattr(F, name)(boxes, boxes)
    torch.testing.assert_close(ours.detach(), plain, equal_nan=True)
    proper = torch.tensor([k for k, box in enumerate(boxes.tolist()) if box[2] > box[0] and box[3] > box[1]])
    upright = torch.tensor([k for k, box in enumerate(boxes.tolist()) if box[2] >= box[0] and box[3] >= box[1]])
    assert len(proper) >= 3
    assert plain[proper][:, upright].isfinite().all()
    assert plain[upright][:, proper].isfinite().all()
    for gradient in torch.autograd.grad(ours.nan_to_num(0, 0, 0).sum(), (a, b)):
        assert gradient.isfinite().all()


WHOLE = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def large(dtype: torch.dtype) -> torch.Tensor:
    """Boxes up to the end of a dtype, whose sums and areas are beyond it."""
    end = {torch.float16: 65504, torch.uint8: 255, torch.int8: 127, torch.int16: 32767}.get(dtype, 50_000)
    boxes = np.array([[0, 0, 1, 1], [0.8, 0.7, 1, 0.9], [0, 0, 0, 1], [0.5, 0.2, 0.6, 1]]) * end
    return torch.from_numpy(np.floor(boxes)).to(dtype)


@pytest.mark.parametrize("dtype", [*WHOLE, *FLOATS])
def test_no_overflow(dtype: torch.dtype) -> None:
    """Arrays and tensors, against the same in float64."""
    boxes = large(dtype)
    exact = boxes.double()
    floats = dtype.is_floating_point
    bound = {"rtol": max(1e-7, torch.finfo(dtype).eps) if floats else 1e-7, "atol": 0}
    kinds = [boxes] if dtype == torch.bfloat16 else [boxes, boxes.numpy()]
    small = torch.tensor([[9, 9, 5, 5], [1, 2, 3, 4]]).to(dtype)  # the first inverted
    for given in kinds:
        of = torch.Tensor.numpy if isinstance(given, np.ndarray) else torch.Tensor.clone
        area = torch.as_tensor(F.box_area(given))
        assert area.dtype == (torch.promote_types(dtype, torch.float32) if floats else torch.int64)
        torch.testing.assert_close(area.double(), tv.box_area(exact), rtol=1e-6 if floats else 0, atol=0)
        for formats in (("xyxy", "cxcywh"), ("xyxy", "xywh"), ("xyxy", "xyxy")):
            got = torch.as_tensor(F.box_convert(given, *formats))
            assert got.dtype == dtype or not floats
            torch.testing.assert_close(got.double(), tv.box_convert(exact, *formats), **bound)
        if not floats:
            sides = torch.as_tensor(F.box_convert(given, "xyxy", "xywh"))
            assert torch.equal(torch.as_tensor(F.box_convert(of(sides.to(dtype)), "xywh", "xyxy")).double(), exact)
            beyond = torch.full((1, 4), 100).to(dtype)
            got = torch.as_tensor(F.box_convert(of(beyond), "xywh", "xyxy"))
            assert got.tolist() == [[100, 100, 200, 200]]
            got = torch.as_tensor(F.box_convert(of(beyond), "cxcywh", "xyxy"))
            assert got.tolist() == [[50, 50, 150, 150]]
        clipped = torch.as_tensor(F.clip_boxes_to_image(given, (300, 70_000)))
        assert clipped.dtype == dtype
        torch.testing.assert_close(clipped.double(), tv.clip_boxes_to_image(exact, (300, 70_000)), rtol=0, atol=0)
        kept = torch.as_tensor(F.remove_small_boxes(of(small), 2))
        assert kept.tolist() == [1]


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dtype", [*WHOLE, *FLOATS])
def test_overlaps_without_overflow(name: str, dtype: torch.dtype) -> None:
    boxes = large(dtype)[[0, 1, 3]]
    expected = getattr(tv, name)(boxes.double(), boxes.double())
    given = [getattr(F, name)(boxes, boxes)]
    if dtype.is_floating_point:
        given.append(getattr(F, name)(boxes.clone().requires_grad_(), boxes).detach())
    if dtype != torch.bfloat16:
        given.append(torch.as_tensor(getattr(F, name)(boxes.numpy(), boxes.numpy())))
    for got in given:
        assert got.dtype == (dtype if dtype.is_floating_point else torch.float32)
        eps = max(torch.finfo(got.dtype).eps, 1e-6)
        torch.testing.assert_close(got.double(), expected, rtol=eps, atol=2 * eps)


def test_whole_boxes_are_exact() -> None:
    """Sides of a pixel at 2^24 and more, which float32 would lose."""
    boxes = torch.tensor([[2**24 + 1, 0, 2**24 + 2, 1], [2**24 + 1, 0, 2**24 + 3, 1]])
    for got in (F.box_iou(boxes, boxes), torch.from_numpy(F.box_iou(boxes.numpy(), boxes.int().numpy()))):
        assert got.dtype == torch.float32
        assert got.tolist() == [[1, 0.5], [0.5, 1]]
    assert F.box_iou(boxes, boxes.double()).tolist() == [[1, 0.5], [0.5, 1]]
    assert F.box_area(torch.tensor([[0, 0, 50_000, 50_000]], dtype=torch.int32)).tolist() == [2_500_000_000]


def test_losses_do_not_mix_dtypes_silently() -> None:
    a, b = torch.rand(3, 4).requires_grad_(), torch.rand(3, 4, dtype=torch.float64)
    with pytest.raises(TypeError, match="box_iou: expected boxes2 of boxes1's dtype, float32, got float64"):
        F.box_iou(a, b)
