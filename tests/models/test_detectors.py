"""YOLO and YOLOX: losses against their definitions, decoding, suppression inside, and every form of graph."""

from __future__ import annotations

import math

import pytest
import torch

import fastcnn
import fastcnn.compat.torchvision  # not used by name: without it torchvision may not load here
import fastcnn.models as M
from fastcnn import ArgumentError
from fastcnn.models.yolo_v1 import YOLOv1Predictions
from fastcnn.models.yolox import STRIDES, YOLOXPredictions, _decode
from tests.models.graphs import close

import torchvision  # isort: skip

NONE = -1


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("size", "count"),
    # Counted on the authors' modules; their table lists 0.91, 5.06, 9.0, 25.3, 54.2 and 99.1 million.
    [("nano", 912_159), ("tiny", 5_055_855), ("s", 8_968_255), ("m", 25_326_495), ("l", 54_208_895),
     ("x", 99_071_455)],
)  # fmt: skip
def test_parameters_of_yolox(size: str, count: int) -> None:
    with torch.device("meta"):
        assert parameters(getattr(M, f"yolox_{size}")()) == count


def test_parameters_of_yolo_v1() -> None:
    """Figure 3 of the paper, line by line: kernel, channels in and out."""
    layers = [
        (7, 3, 64), (3, 64, 192), (1, 192, 128), (3, 128, 256), (1, 256, 256), (3, 256, 512),
        *[(1, 512, 256), (3, 256, 512)] * 4, (1, 512, 512), (3, 512, 1024),
        *[(1, 1024, 512), (3, 512, 1024)] * 2, *[(3, 1024, 1024)] * 4,
    ]  # fmt: skip
    assert len(layers) == 24
    convolutions = sum(k * k * a * b + b for k, a, b in layers)
    dense = 7 * 7 * 1024 * 4096 + 4096 + 4096 * 1470 + 1470
    with torch.device("meta"):
        assert parameters(M.yolo_v1()) == convolutions + dense == 271_703_550


# --- YOLOX ------------------------------------------------------------------------------------------------------------

CLASSES, HEIGHT, WIDTH = 4, 96, 128
BOXES = torch.tensor(
    [
        [[10.0, 10, 50, 60], [12, 14, 52, 58], [70, 20, 120, 90], [0, 0, 0, 0]],
        [[60, 40, 68, 46], [5, 50, 100, 95], [0, 0, 0, 0], [0, 0, 0, 0]],
    ],
    dtype=torch.float64,
)
KINDS = torch.tensor([[0, 3, 1, NONE], [2, 0, NONE, NONE]])


def fixed_predictions() -> YOLOXPredictions:
    """Sines as the head's results, so that others can have the same."""
    scale = torch.tensor([1, 1, 0.5, 0.5, 2, *[2] * CLASSES], dtype=torch.float64)[:, None, None]
    shift = torch.tensor([0.5, 0.5, 1.2, 1.2, -1, *[0] * CLASSES], dtype=torch.float64)[:, None, None]
    levels = []
    for stride in STRIDES:
        shape = 2, 5 + CLASSES, HEIGHT // stride, WIDTH // stride
        raw = (torch.arange(math.prod(shape), dtype=torch.float64) * 0.7 + stride).sin().reshape(shape) * scale + shift
        levels.append(_decode((raw[:, :4], raw[:, 4:5], raw[:, 5:]), stride))
    *parts, places = zip(*levels, strict=True)
    return YOLOXPredictions(*(torch.cat(part, 1) for part in parts), torch.cat(places))


def test_loss_of_the_authors() -> None:
    """Equal to get_losses of the authors' head for these results (use_l1, float64; their boxes are centre and size).

    The sums have a few hundred terms of order 1, added in another order. Both IoUs add 1e-16 to the denominator.
    """
    parts = M.yolox_nano(CLASSES).loss(fixed_predictions(), BOXES, KINDS, l1=True)
    expected = {
        "boxes": 3.8084495882013556,
        "objectness": 20.789539538954617,
        "classes": 3.404081228331123,
        "l1": 1.6268657406531237,
    }
    for name, value in expected.items():
        # l1: to found sizes, of one stride and more, we add the 1e-8 too that they add to wanted ones only.
        assert float(parts[name]) == pytest.approx(value, rel=1e-8 if name == "l1" else 1e-12, abs=0), name


def plain_assignment(p: YOLOXPredictions, boxes: torch.Tensor, classes: torch.Tensor, b: int) -> list[int]:
    """SimOTA for one image, as section 2 tells it, place by place."""
    real = [m for m in range(boxes.shape[1]) if classes[b, m] >= 0]
    places = p.places.tolist()

    def near(m: int, n: int) -> bool:
        x, y, stride = places[n]
        x1, y1, x2, y2 = boxes[b, m].tolist()
        return max(abs(x + stride / 2 - (x1 + x2) / 2), abs(y + stride / 2 - (y1 + y2) / 2)) < 1.5 * stride

    candidates = [n for n in range(len(places)) if any(near(m, n) for m in real)]
    overlaps = torchvision.ops.box_iou(boxes[b], p.boxes[b]).tolist()

    def cost(m: int, n: int) -> float:
        joint = (p.classes[b, n].sigmoid() * p.objectness[b, n].sigmoid()).sqrt()
        wanted = torch.zeros_like(joint)
        wanted[classes[b, m]] = 1
        entropy = torch.nn.functional.binary_cross_entropy(joint, wanted, reduction="sum")
        return float(entropy) - 3 * math.log(overlaps[m][n] + 1e-8) + (0 if near(m, n) else 1e6)

    costs = {(m, n): cost(m, n) for m in real for n in candidates}
    owners: dict[int, list[int]] = {n: [] for n in candidates}
    for m in real:
        best = sorted((overlaps[m][n] for n in candidates), reverse=True)[:10]
        for n in sorted(candidates, key=lambda n: costs[m, n])[: max(1, int(sum(best)))]:
            owners[n].append(m)
    result = [NONE] * len(places)
    for n, wanted in owners.items():
        if len(wanted) == 1:
            result[n] = wanted[0]
        elif wanted:
            result[n] = min(real, key=lambda m: costs[m, n])
    return result


@pytest.mark.parametrize("seed", range(6))
def test_assignment(seed: int) -> None:
    """Against the definition, on predictions near enough to the boxes that one gets several places."""
    from fastcnn.models._simota import assign

    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    p = fixed_predictions()
    size = 10 + 60 * random(2, 9, 2)
    centre = random(2, 9, 2) * torch.tensor([WIDTH, HEIGHT])
    centre[:, 1] = centre[:, 0] + 2  # two that want the same places
    boxes = torch.cat([centre - size / 2, centre + size / 2], -1)
    classes = torch.randint(NONE, CLASSES, (2, 9), generator=generator)
    middle = p.places[:, :2] + p.places[:, 2:] / 2
    nearest = (middle[None, :, None] - centre[:, None]).square().sum(-1).argmin(-1)
    wanted = boxes.gather(1, nearest[..., None].expand(-1, -1, 4)) + 6 * random(*p.boxes.shape)
    p = p._replace(boxes=wanted)
    found = assign(p, boxes, classes)
    for b in range(2):
        expected = plain_assignment(p, boxes, classes, b)
        assert found.box[b].tolist() == expected
        overlaps = torchvision.ops.box_iou(boxes[b], p.boxes[b])
        for n, m in enumerate(expected):
            assert float(found.overlap[b, n]) == pytest.approx(0 if m < 0 else float(overlaps[m, n]), rel=1e-12)
        assert len({m for m in expected if m >= 0}) < sum(m >= 0 for m in expected)  # some got several


def test_loss_without_boxes_and_with_wild_predictions() -> None:
    """No box at all: only objectness costs. Sizes that overflow leave the gradient finite."""
    model = M.yolox_nano(CLASSES)
    p = fixed_predictions()
    for boxes, classes in (
        (torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64)),
        (torch.zeros(2, 3, 4), torch.full((2, 3), NONE)),
    ):
        parts = model.loss(p, boxes, classes)
        assert float(parts["boxes"]) == float(parts["classes"]) == 0
        expected = torch.nn.functional.softplus(p.objectness).sum()
        # 504 positive terms, of some ten roundings each, in pairwise sums of nine levels: 19 * 2^-53 = 2.1e-15.
        torch.testing.assert_close(parts["objectness"], expected, rtol=2.2e-15, atol=0)
    raw = torch.full((2, 4, 12, 16), 200.0, requires_grad=True)  # exp(200) is infinite in float32
    wild = _decode((raw, torch.zeros(2, 1, 12, 16), torch.zeros(2, CLASSES, 12, 16)), 8)
    sum(model.loss(wild, BOXES.float(), torch.full_like(KINDS, NONE)).values()).backward()
    assert raw.grad.isfinite().all()


def test_detections() -> None:
    """Decoding and suppression against torchvision's batched_nms on the same predictions."""
    model = M.yolox_nano(CLASSES, score_threshold=0.3, iou_threshold=0.5, max_detections=40).eval()
    p = fixed_predictions()
    found = model.detections(p)
    for b in range(2):
        best, kinds = p.classes[b].max(-1)
        scores = best.sigmoid() * p.objectness[b].sigmoid()
        there = (scores > 0.3).nonzero()[:, 0]
        kept = there[torchvision.ops.boxes._batched_nms_vanilla(p.boxes[b, there], scores[there], kinds[there], 0.5)]
        n = int(found.count[b])
        assert 5 < n == min(40, len(kept))
        assert torch.equal(found.boxes[b, :n], p.boxes[b, kept[:n]])
        assert torch.equal(found.scores[b, :n], scores[kept[:n]])
        assert torch.equal(found.classes[b, :n], kinds[kept[:n]])
        assert bool((found.classes[b, n:] == NONE).all())
        assert not found.boxes[b, n:].any()
        assert not found.scores[b, n:].any()


def test_half_precision_keeps_places_exact() -> None:
    """In bfloat16 numbers above 256 are two apart; boxes are not."""
    raw = torch.zeros(1, 4, 40, 40, dtype=torch.bfloat16)
    p = _decode((raw, raw[:, :1], raw[:, :2]), 8)
    assert p.boxes.dtype == torch.float32
    assert p.boxes[0, -1].tolist() == [39 * 8 - 4, 39 * 8 - 4, 39 * 8 + 4, 39 * 8 + 4]


# --- YOLO, the first --------------------------------------------------------------------------------------------------


def plain_yolo_loss(model: torch.nn.Module, p, boxes: torch.Tensor, classes: torch.Tensor) -> dict[str, float]:
    """Equation (3), sum by sum."""
    grid = model.grid
    total = {"boxes": 0.0, "objectness": 0.0, "classes": 0.0}
    for b in range(len(boxes)):
        objects: dict[int, int] = {}
        for m in range(boxes.shape[1]):
            if classes[b, m] >= 0:
                x, y = ((boxes[b, m, i] + boxes[b, m, i + 2]).item() / 128 for i in (0, 1))
                objects.setdefault(min(grid - 1, int(y)) * grid + min(grid - 1, int(x)), m)
        corners = model.corners(p.boxes)[b]
        for cell in range(grid * grid):
            responsible, overlap = -1, 0.0
            if cell in objects:
                m = objects[cell]
                overlaps = torchvision.ops.box_iou(boxes[b, m][None], corners[cell])[0]
                responsible = int(overlaps.argmax())
                overlap = float(overlaps[responsible])
                x1, y1, x2, y2 = boxes[b, m].tolist()
                want = [
                    (x1 + x2) / 128 - cell % grid, (y1 + y2) / 128 - cell // grid,
                    math.sqrt((x2 - x1) / (64 * grid)), math.sqrt((y2 - y1) / (64 * grid)),
                ]  # fmt: skip
                got = p.boxes[b, cell, responsible].tolist()
                total["boxes"] += 5 * sum((g - w) ** 2 for g, w in zip(got, want, strict=True))
                for c, value in enumerate(p.classes[b, cell].tolist()):
                    total["classes"] += (value - float(c == int(classes[b, m]))) ** 2
            for i, confidence in enumerate(p.confidences[b, cell].tolist()):
                total["objectness"] += (confidence - overlap) ** 2 if i == responsible else 0.5 * confidence**2
    return {name: value / len(boxes) for name, value in total.items()}


@pytest.mark.parametrize("seed", range(4))
def test_loss_of_yolo_v1(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = M.yolo_v1(3, grid=4, boxes=2, width=0.02, hidden=8).double()

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    p = YOLOv1Predictions(random(2, 16, 2, 4), random(2, 16, 2), random(2, 16, 3))
    size, centre = 5 + 100 * random(2, 6, 2), 256 * random(2, 6, 2)
    centre[:, 1] = centre[:, 0]  # two in one cell
    boxes = torch.cat([centre - size / 2, centre + size / 2], -1)
    classes = torch.randint(NONE, 3, (2, 6), generator=generator)
    classes[:, :2] = torch.tensor([2, 1])
    got = model.loss(p, boxes, classes)
    # Tens of terms of order 1 in float64.
    assert {k: float(v) for k, v in got.items()} == pytest.approx(plain_yolo_loss(model, p, boxes, classes), rel=1e-12)
    nothing = model.loss(p, torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64))
    assert float(nothing["objectness"]) == pytest.approx(float(p.confidences.square().sum()) / 4, rel=1e-12)
    assert float(nothing["boxes"]) == float(nothing["classes"]) == 0


def test_perfect_yolo_v1() -> None:
    """Predictions equal to the targets cost nothing, and are detected as they were given."""
    model = M.yolo_v1(3, grid=4, boxes=2, width=0.02, hidden=8).double().eval()
    boxes = torch.tensor([[[10.0, 20, 90, 100], [130, 140, 250, 200]]], dtype=torch.float64)
    classes = torch.tensor([[2, 0]])
    zeros = torch.zeros(1, 16, 2, 4, dtype=torch.float64)
    p = YOLOv1Predictions(zeros, zeros[..., 0].clone(), zeros[..., 0, :3].clone())
    for m, cell in ((0, 0), (1, 2 * 4 + 2)):
        x1, y1, x2, y2 = boxes[0, m].tolist()
        p.boxes[0, cell, 1] = torch.tensor(
            [(x1 + x2) / 128 % 1, (y1 + y2) / 128 % 1, math.sqrt((x2 - x1) / 256), math.sqrt((y2 - y1) / 256)]
        )
        p.confidences[0, cell, 1] = 1
        p.classes[0, cell, classes[0, m]] = 1
    assert all(float(v) < 1e-12 for v in model.loss(p, boxes, classes).values())
    found = model.detections(p)
    assert int(found.count) == 2
    order = found.boxes[0, :2, 0].argsort()
    torch.testing.assert_close(found.boxes[0, order], boxes[0], rtol=0, atol=1e-4)  # the model's roots are of float64
    assert found.classes[0, order].tolist() == [2, 0]


# --- both -------------------------------------------------------------------------------------------------------------

MAKE = {
    "yolox": (lambda **o: M.yolox_nano(**{"num_classes": 3, "in_channels": 2, "max_detections": 30, **o}), (64, 96)),
    "yolo_v1": (
        lambda **o: M.yolo_v1(
            **{"num_classes": 3, "in_channels": 2, "grid": 2, "width": 0.05, "hidden": 32, "batch_norm": True, **o}
        ),
        (128, 128),
    ),
}


@pytest.mark.parametrize("name", MAKE)
def test_training_and_arguments(name: str) -> None:
    make, size = MAKE[name]
    model = make().train()
    x = torch.randn(2, 2, *size)
    boxes = torch.tensor([[[4.0, 6, 40, 50]], [[0, 0, 0, 0]]])
    parts = model.loss(model(x), boxes, torch.tensor([[1], [NONE]]))
    sum(parts.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(float(p.grad.abs().sum()) > 0 for n, p in model.named_parameters() if "backbone" in n and p.ndim == 4)
    for bad, text in (
        ((torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)), r"expected boxes of shape \(2, M, 4\), got \(2, 4\)"),
        ((boxes, torch.zeros(2, 2, dtype=torch.int64)), r"expected classes of shape \(2, 1\), got \(2, 2\)"),
        ((boxes, torch.tensor([[3], [0]])), "expected classes from 0 to 2, or -1 for none, got 0 to 3"),
    ):
        with pytest.raises(ArgumentError, match=text):
            model.loss(model(x), *bad)
    with pytest.raises(ArgumentError, match="expected input of shape"):
        model(torch.zeros(1, 2, size[0] + 8, size[1]))
    for option, value, text in (
        ("score_threshold", 1.5, "expected score_threshold from 0 to 1, got 1.5"),
        ("iou_threshold", -1, "expected iou_threshold from 0 to 1, got -1"),
        ("max_detections", 0, "expected max_detections of at least 1, got 0"),
        ("num_classes", 0, "expected num_classes of at least 1, got 0"),
    ):
        with pytest.raises(ArgumentError, match=text):
            make(**{option: value})


@pytest.mark.parametrize("name", MAKE)
def test_graphs(name: str) -> None:
    """Compiled whole, exported and optimised, suppression inside: the same detections."""
    make, size = MAKE[name]
    torch.manual_seed(3)
    model = make(score_threshold=0.0, iou_threshold=0.4).eval()
    with torch.no_grad():  # untrained heads give equal scores
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var.uniform_(0.2, 0.5)
    x = torch.randn(2, 2, *size)
    with torch.no_grad():
        expected = model(x)
        assert int(expected.count.min()) > 0
        torch._dynamo.reset()
        for run in (
            torch.compile(model, fullgraph=True, backend="aot_eager"),
            torch.export.export(model, (x,)).module(),
            fastcnn.optimize(model, x),
        ):
            got = run(x)
            assert torch.equal(got.count, expected.count)
            assert torch.equal(got.classes, expected.classes)
            close(got.boxes, expected.boxes)
            close(got.scores, expected.scores)


def test_compiled_loss() -> None:
    """The loss has fixed shapes, so a training step is one graph."""
    model = M.yolox_nano(CLASSES)
    p = fixed_predictions()
    run = torch.compile(lambda p: model.loss(p, BOXES, KINDS), fullgraph=True, backend="aot_eager")
    for name, value in model.loss(p, BOXES, KINDS).items():
        assert torch.equal(run(p)[name], value)  # the same operations, traced


def test_errors_of_yolo_v1() -> None:
    for option in ("grid", "boxes", "hidden"):
        with pytest.raises(ArgumentError, match=f"yolo_v1: expected {option} of at least 1, got 0"):
            M.yolo_v1(**{option: 0})
    with pytest.raises(ArgumentError, match="yolo_v1: expected width above 0, got 0"):
        M.yolo_v1(width=0)
