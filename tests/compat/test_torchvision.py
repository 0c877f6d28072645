"""torchvision, timm and segmentation-models-pytorch on a torch that torchvision's library was not built for."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcnn.compat.torchvision as compat
from fastcnn.compat import _torchvision_kernels
from tests.boxes.samples import KINDS, plain_nms
from tests.package.test_import import run
from tests.roi import loops
from tests.roi.test_roi import SIZE, channels_of, example

import torchvision  # isort: skip

needs_rotated = pytest.mark.skipif(
    "cxcywhr" not in inspect.getsource(torchvision.ops.box_iou), reason="a release without rotated boxes"
)
# Where torchvision's library loads, it is there once, and of its own release.
needs_none = pytest.mark.skipif(compat.is_native(), reason="torchvision's own library loads")


@pytest.fixture(autouse=True)
def fastcnn_kernels() -> Iterator[None]:
    """Whether torchvision's library loads or not."""
    compat.accelerate()
    yield
    compat.restore()


def test_is_whole() -> None:
    assert torchvision.extension._has_ops()
    assert compat.is_native() == (compat._definitions is None)


def test_nms() -> None:
    rng = np.random.default_rng(1)
    for make in KINDS.values():
        boxes, scores = make(rng, 200)
        got = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4)
        assert got.tolist() == plain_nms(boxes, scores, 0.4)
    boxes, scores = map(torch.from_numpy, KINDS["spread"](rng, 50))
    assert len(torchvision.ops.nms(boxes, scores, 3.0)) == 50
    idxs = torch.randint(3, (50,))
    assert set(torchvision.ops.batched_nms(boxes, scores, idxs, 0.4).tolist()) == set(
        plain_nms(boxes.numpy(), scores.numpy(), 0.4, idxs.numpy())
    )


@pytest.mark.parametrize("op", ["roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"])
def test_regions(op: str) -> None:
    input, rois = example(channels_of(op))
    x = torch.from_numpy(input).requires_grad_()
    rois = torch.from_numpy(rois)
    call = getattr(torchvision.ops, op)
    # Means of some hundred samples of values below 5, places up to 30 rounded a few times.
    got, expected = call(x, rois, SIZE, 0.5).detach().numpy(), getattr(loops, op)(input, rois.numpy(), SIZE, 0.5)
    np.testing.assert_allclose(got, expected, rtol=0, atol=5 * (300 + 2 * 4 * 30) * 2.0**-53)
    small = x[:1, : channels_of(op) // 2 if op.startswith("ps") else 3, :5, :6].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda i: call(i, rois[2:6] * torch.tensor([0, 0.2, 0.2, 0.2, 0.2]), SIZE), small)
    last = call(x.to(memory_format=torch.channels_last), rois, SIZE, 0.5)
    assert last.is_contiguous()


def test_deform() -> None:
    torch.manual_seed(1)
    tensors = [
        torch.randn(1, 4, 5, 6, dtype=torch.float64, requires_grad=True),
        torch.randn(1, 18, 5, 6, dtype=torch.float64, requires_grad=True),
        torch.randn(6, 2, 3, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(6, dtype=torch.float64, requires_grad=True),
    ]
    mask = torch.rand(1, 9, 5, 6, dtype=torch.float64, requires_grad=True)
    call = torchvision.ops.deform_conv2d
    assert torch.autograd.gradcheck(lambda *t: call(*t, padding=1), tensors)
    assert torch.autograd.gradcheck(lambda m, *t: call(*t, padding=1, mask=m), [mask, *tensors])


def test_every_operator_that_torchvision_names_is_there() -> None:
    """Whatever the release: its own sources say which."""
    folder = Path(torchvision.__file__).parent
    texts = [path.read_text() for path in folder.rglob("*.py")]
    names = {name for text in texts for name in re.findall(r"torch\.ops\.torchvision\.(\w+)|torchvision::(\w+)", text)}
    names = {first or second for first, second in names}
    assert {"nms", "roi_align", "deform_conv2d", "_cuda_version"} <= names
    assert not {name for name in names if not hasattr(torch.ops.torchvision, name)}


# Centre, width, height and angle of two boxes, and their IoU by hand.
ROTATED = [
    ((0, 0, 2, 2, 0), (0, 0, 2, 2, 45), 2**-0.5),  # a regular octagon of area 8 (sqrt(2) - 1)
    ((0, 0, 4, 2, 0), (0, 0, 4, 2, 90), 4 / 12),
    ((5, 5, 3, 2, 30), (5, 5, 3, 2, 210), 1.0),
    ((0, 0, 3, 2, 10), (9, 0, 3, 2, 10), 0.0),
    # 4 along the first one's length: counter-clockwise as seen, where y points down.
    ((0, 0, 10, 2, 30), (4 * 3**0.5 / 2, -2, 1, 1, 30), 1 / 20),
    ((0, 0, 10, 2, 30), (4 * 3**0.5 / 2, 2, 1, 1, 30), 0.0),
]


@needs_rotated
def test_rotated_overlaps() -> None:
    first, second = (torch.tensor([row[i] for row in ROTATED], dtype=torch.float32) for i in (0, 1))
    iou = torchvision.ops.box_iou
    expected = torch.tensor([row[2] for row in ROTATED], dtype=torch.float32)
    for dtype in (torch.float32, torch.float64):
        got = iou(first.to(dtype), second.to(dtype), fmt="cxcywhr")
        assert (got.dtype, got.shape) == (torch.float32, (6, 6))
        torch.testing.assert_close(got.diagonal(), expected, atol=1e-5, rtol=0)
    for fmt in ("xywhr", "xyxyxyxy"):
        other = [torchvision.ops.box_convert(boxes, "cxcywhr", fmt) for boxes in (first, second)]
        torch.testing.assert_close(iou(*other, fmt=fmt).diagonal(), expected, atol=1e-5, rtol=0)
    assert iou(first[:0], second, fmt="cxcywhr").shape == (0, 6)
    with pytest.raises(RuntimeError):
        iou(first[:, :4], second, fmt="cxcywhr")


@needs_rotated
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_rotated_overlaps_in_graphs() -> None:
    iou, boxes = torchvision.ops.box_iou, torch.rand(4, 5)
    scripted = torch.jit.script(iou)
    assert torch.equal(scripted(boxes, boxes, "cxcywhr"), iou(boxes, boxes, "cxcywhr"))
    corners = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2]])
    assert scripted(corners, corners)[0, 1].item() == pytest.approx(1 / 3)
    torch._dynamo.reset()
    compiled = torch.compile(lambda b: iou(b, b, "cxcywhr"), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(boxes), iou(boxes, boxes, "cxcywhr"))


QUANTISED = [torch.quint8, torch.qint8, torch.qint32]


def quantised(values: torch.Tensor, scale: float, zero: int, dtype: torch.dtype) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates quantised tensors
        return torch.quantize_per_tensor(values, scale, zero, dtype)


def kept_in_single_precision(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """Greedy suppression as torchvision's kernel of integers: each step rounded to float32."""
    x1, y1, x2, y2 = boxes.astype(np.float32).T
    areas = (x2 - x1) * (y2 - y1)
    left, kept = np.argsort(-scores.astype(np.int64), kind="stable"), []
    while len(left):
        i, rest = left[0], left[1:]
        kept.append(int(i))
        w = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
        h = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
        shared = np.maximum(w, np.float32(0)) * np.maximum(h, np.float32(0))
        overlap = shared / (areas[i] + areas[rest] - shared)
        assert overlap.dtype == np.float32
        left = rest[overlap.astype(np.float64) <= threshold]
    return kept


@pytest.mark.parametrize("dtype", QUANTISED)
def test_quantised_suppression(dtype: torch.dtype) -> None:
    """An IoU of 1/5 rounds up in float32, and is above the 0.2 that rounds up less in float64."""
    boxes = torch.tensor([[0.0, 0, 3, 1], [2, 0, 5, 1]])
    q = quantised(boxes, 1.0, 0, dtype), quantised(torch.tensor([9.0, 8.0]), 1.0, 0, dtype)
    assert torchvision.ops.nms(*q, 0.2).tolist() == [0]
    assert torch.ops.torchvision.nms(*q, 0.2).tolist() == [0]  # as older releases call it
    assert torchvision.ops.nms(*q, 0.21).tolist() == [0, 1]
    rng = np.random.default_rng(0)
    for threshold in (0.2, 1 / 3, 0.25, 0.6):
        corners = rng.integers(0, 12, (80, 2))
        numbers = np.concatenate([corners, corners + rng.integers(1, 6, (80, 2))], 1)
        scores = rng.permutation(80)
        made = [quantised(torch.from_numpy(n * 0.5).float(), 0.5, 3, dtype) for n in (numbers, scores)]
        expected = kept_in_single_precision(*(m.int_repr().numpy() for m in made), threshold)
        assert torchvision.ops.nms(*made, threshold).tolist() == expected


def test_quantised_suppression_of_large_scores() -> None:
    """Scores that float32 cannot tell apart."""
    boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 4]], dtype=torch.int32)
    scores = torch.tensor([2**30, 2**30 + 1], dtype=torch.int32)
    assert _torchvision_kernels.qnms(boxes, scores, 0.5).tolist() == [1]


@pytest.mark.parametrize("dtype", QUANTISED[:2])
def test_quantised_regions(dtype: torch.dtype) -> None:
    x = quantised(torch.rand(1, 3, 8, 9), 0.01, 0, dtype)
    rois = quantised(torch.tensor([[0.0, 0, 0, 6, 6], [0, 1, 2, 8, 7]]), 1.0, 0, dtype)
    got = torchvision.ops.roi_align(x, rois, 2)
    expected = torchvision.ops.roi_align(x.dequantize(), rois.dequantize(), 2)
    torch.testing.assert_close(got.dequantize(), expected, atol=0.00501, rtol=0)  # half a step
    again = torch.ops.torchvision.roi_align(x, rois, 1.0, 2, 2, -1, False)  # as older releases call it
    assert torch.equal(again.int_repr(), got.int_repr())
    with pytest.raises(RuntimeError, match="one image"):
        torchvision.ops.roi_align(quantised(torch.rand(2, 3, 8, 9), 0.01, 0, dtype), rois, 2)


def test_autocast_and_graphs() -> None:
    x = torch.rand(1, 3, 8, 9)
    rois = torch.tensor([[0.0, 0, 0, 6, 6]])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(torchvision.ops.roi_align(x.bfloat16(), rois, 2)).all()
    torch._dynamo.reset()

    def run(i):
        return torchvision.ops.roi_align(i, rois, 2).sin()

    torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(x), run(x))


def test_faster_rcnn() -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None, weights_backbone=None, box_score_thresh=0.0, box_detections_per_img=20
        )
    image = torch.rand(3, 160, 200)
    target = {"boxes": torch.tensor([[20.0, 20, 120, 110]]), "labels": torch.tensor([3])}
    losses = model([image], [target])
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    with torch.no_grad():
        found = model.eval()([image])[0]
    assert len(found["boxes"]) == 20
    assert (found["scores"].diff() <= 0).all()
    assert (found["boxes"][:, 2] <= 200).all()


def test_timm_and_smp() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp
        import timm

        classifier = timm.create_model("efficientnet_b0", num_classes=7).eval()
        segmenter = smp.Unet("resnet18", encoder_weights=None, classes=2).eval()
    with torch.no_grad():
        assert classifier(torch.rand(1, 3, 64, 64)).shape == (1, 7)
        assert segmenter(torch.rand(1, 3, 64, 64)).shape == (1, 2, 64, 64)


# Define the ops that torchvision's own library would define, without its kernels.
ACCELERATE = """
import torch
from fastcnn.compat import _torchvision_kernels as kernels
library = torch.library.Library("torchvision", "DEF")
for schema in kernels.SCHEMAS:
    library.define(schema)
library.impl("nms", lambda dets, scores, threshold: torch.tensor([-7]), "CPU")
library.impl("_cuda_version", lambda: -1, "CompositeImplicitAutograd")
import fastcnn.compat.torchvision as compat
boxes, scores = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]]), torch.tensor([0.5, 0.9])
found = []
for step in (lambda: None, compat.accelerate, compat.accelerate, compat.restore, compat.restore, compat.accelerate):
    step()
    found.append(torch.ops.torchvision.nms(boxes, scores, 0.5).tolist())
print(compat.is_native(), found)
"""


@needs_none
def test_accelerate() -> None:
    done = run(ACCELERATE)
    assert done.stdout.strip() == "True [[-7], [1], [1], [-7], [-7], [1]]", done.stderr


# A release whose library brings autograd: nothing in Python registers it.
OLD = """
import sys, types, importlib.util
import torch
import fastcnn.compat.torchvision as compat
from fastcnn.compat import _torchvision_kernels as kernels
for name, (context, gradient) in kernels.AUTOGRAD.items():
    library = torch.library.Library("old", "FRAGMENT")
    schema = next(s for s in kernels.SCHEMAS if s.startswith(name + "("))
    library.define(schema)
    library.impl(name, kernels.KERNELS["CPU"][name], "CPU")
    torch.library.register_autograd(f"old::{name}", gradient, setup_context=context, lib=library)
    globals()[name] = library
torch.manual_seed(0)
for name in kernels.AUTOGRAD:
    if name == "deform_conv2d":
        args = [torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3), torch.randn(1, 18, 3, 3), torch.rand(1, 9, 3, 3),
                torch.randn(3)]
        rest = (1, 1, 0, 0, 1, 1, 1, 1, True)
    else:
        args = [torch.randn(1, 8, 9, 9), torch.tensor([[0.0, 1, 1, 6, 7]])]
        rest = {"roi_align": (1.0, 2, 2, 2, True), "ps_roi_align": (1.0, 2, 2, 2)}.get(name, (1.0, 2, 2))
    grads = []
    for space in (torch.ops.old, torch.ops.torchvision):
        leaves = [a.clone().requires_grad_(i != 1 or name == "deform_conv2d") for i, a in enumerate(args)]
        out = getattr(space, name)(*leaves, *rest)
        out = out[0] if isinstance(out, tuple) else out
        grads.append(torch.autograd.grad(out.sin().sum(), [l for l in leaves if l.requires_grad]))
    assert all(torch.equal(a, b) for a, b in zip(*grads)), name
print("equal")
"""


@needs_none
def test_autograd_of_old_releases() -> None:
    done = run(OLD)
    assert done.stdout.strip() == "equal", done.stderr


MISSING = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torchvision" else find(name, *rest)
try:
    import fastcnn.compat.torchvision
except ModuleNotFoundError as error:
    print(error)
"""


def test_not_installed() -> None:
    assert run(MISSING).stdout.strip() == "fastcnn.compat.torchvision: torchvision is not installed"
