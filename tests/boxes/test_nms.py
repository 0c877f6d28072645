"""Suppression against plain loops, OpenCV, and the properties that define it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastcnn
import fastcnn.ops as F
from fastcnn import ArgumentError, _core
from tests.boxes.samples import KINDS, plain_nms, spread

SIZES = (0, 1, 2, 17, 128, 129, 300, 900)
THRESHOLDS = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_by_definition(kind: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    for n in SIZES:
        boxes, scores = KINDS[kind](rng, n, dtype)
        for threshold in THRESHOLDS if n < 300 else (0.0, 0.5):
            expected = plain_nms(boxes, scores, threshold)
            assert F.nms(boxes, scores, threshold).tolist() == expected
            assert F.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_classes(kind: str) -> None:
    rng = np.random.default_rng(4)
    for n in SIZES:
        boxes, scores = KINDS[kind](rng, n)
        for values in ([0], [3, -7, 1 << 40], range(50)):
            classes = rng.choice(list(values), n).astype(np.int64)
            expected = plain_nms(boxes, scores, 0.4, classes)
            assert F.batched_nms(boxes, scores, classes, 0.4).tolist() == expected
            got = F.batched_nms(*map(torch.from_numpy, (boxes, scores, classes)), 0.4)
            assert got.tolist() == expected


def test_no_offset_on_large_images() -> None:
    """A class times the largest coordinate, added to a coordinate, would round these boxes onto each other."""
    boxes = np.array([[1e7, 0, 1e7 + 2, 2], [1e7 + 1, 0, 1e7 + 3, 2]], np.float32)
    classes = np.array([90, 90])
    assert F.batched_nms(boxes, np.array([0.9, 0.8], np.float32), classes, 0.34).tolist() == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_many(kind: str) -> None:
    """Through the grid in blocks, one thread and several, against the reference."""
    rng = np.random.default_rng(5)
    n = 6000
    for dtype in ("float32", "float64"):
        boxes, scores = KINDS[kind](rng, n, dtype)
        classes = np.where(rng.random(n) < 0.8, 0, rng.integers(0, 30, n))
        before = fastcnn.get_num_threads()
        try:
            for threshold in (0.2, 0.6):
                expected = _core.nms_ref(boxes, scores, None, threshold)
                by_class = _core.nms_ref(boxes, scores, classes, threshold)
                for threads in (1, 2, 5):
                    fastcnn.set_num_threads(threads)
                    np.testing.assert_array_equal(F.nms(boxes, scores, threshold), expected)
                    np.testing.assert_array_equal(F.batched_nms(boxes, scores, classes, threshold), by_class)
        finally:
            fastcnn.set_num_threads(before)


def test_reference_by_definition() -> None:
    rng = np.random.default_rng(6)
    for make in KINDS.values():
        boxes, scores = make(rng, 150)
        classes = rng.integers(0, 3, 150)
        assert _core.nms_ref(boxes, scores, classes, 0.3).tolist() == plain_nms(boxes, scores, 0.3, classes)


def test_opencv() -> None:
    rng = np.random.default_rng(7)
    for n in (50, 500):
        boxes, _ = spread(rng, n, "float64")
        scores = rng.permutation(n) / n + 0.5
        rects = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        expected = cv2.dnn.NMSBoxes(rects.tolist(), scores.tolist(), 0.0, 0.4)
        assert F.nms(boxes, scores.astype(np.float32), 0.4).tolist() == np.asarray(expected).ravel().tolist()


coordinates = st.one_of(
    st.integers(-4, 4).map(float), st.floats(-8, 8, width=32), st.floats(width=32), st.just(float("nan"))
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), n=st.integers(0, 40), threshold=st.floats(0, 1))
def test_any_boxes(data: st.DataObject, n: int, threshold: float) -> None:
    boxes = data.draw(hnp.arrays(np.float32, (n, 4), elements=coordinates))
    scores = data.draw(hnp.arrays(np.float32, n, elements=coordinates))
    assert F.nms(boxes, scores, threshold).tolist() == plain_nms(boxes, scores, threshold)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), threshold=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_any_boxes_in_a_grid(data: st.DataObject, threshold: float) -> None:
    """Enough ordinary boxes that the grid is built, with any others among them."""
    extra = data.draw(hnp.arrays(np.float32, (20, 4), elements=coordinates))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    boxes = np.concatenate([spread(rng, 200)[0], extra])
    scores = rng.permutation(220).astype(np.float32)
    assert F.nms(boxes, scores, threshold).tolist() == plain_nms(boxes, scores, threshold)


def test_strides() -> None:
    rng = np.random.default_rng(8)
    boxes, scores = spread(rng, 300)
    expected = plain_nms(boxes, scores, 0.5)
    wide = np.zeros((300, 9), np.float32)
    wide[:, 1:9:2] = boxes
    assert F.nms(wide[:, 1:9:2], scores[::-1].copy()[::-1], 0.5).tolist() == expected
    assert F.nms(np.asfortranarray(boxes), np.repeat(scores, 3)[::3], 0.5).tolist() == expected
    assert F.nms(torch.from_numpy(wide)[:, 1:9:2], torch.from_numpy(scores), 0.5).tolist() == expected


def test_bfloat16() -> None:
    boxes, scores = (torch.from_numpy(a).bfloat16() for a in spread(np.random.default_rng(9), 400))
    assert F.nms(boxes, scores, 0.5).tolist() == F.nms(boxes.float(), scores.float(), 0.5).tolist()


def test_isas(isa_runner) -> None:
    rng = np.random.default_rng(10)
    for make in KINDS.values():
        for dtype in ("float32", "float64"):
            boxes, scores = make(rng, 700, dtype)
            expected = _core.nms_ref(boxes, scores, None, 0.5)
            for (got,) in isa_runner("nms", (boxes, scores), {"iou_threshold": 0.5}):
                np.testing.assert_array_equal(got, expected)


def test_memory() -> None:
    """Never a matrix of pairs."""
    boxes, scores = spread(np.random.default_rng(11), 50_000, extent=3000)
    _core.take_peak_scratch()
    F.nms(boxes, scores, 0.5)
    assert _core.take_peak_scratch() <= 120 * len(boxes) + (1 << 16)


class TestPadded:
    @pytest.mark.parametrize("kind", KINDS)
    def test_by_definition(self, kind: str) -> None:
        rng = np.random.default_rng(12)
        for batch, n, maximum in ((1, 40, 60), (3, 200, 20), (7, 150, 0), (0, 5, 3), (2, 0, 4)):
            samples = [KINDS[kind](rng, n) for _ in range(batch)]
            boxes = np.array([b for b, _ in samples], np.float32).reshape(batch, n, 4)
            scores = np.array([s for _, s in samples], np.float32).reshape(batch, n)
            for classes in (None, rng.integers(-1, 4, (batch, n)).astype(np.int32)):
                for minimum in (None, 0.3):
                    indices, counts = F.nms_padded(boxes, scores, 0.45, maximum, minimum, classes)
                    assert indices.shape == (batch, maximum)
                    for i in range(batch):
                        taken = np.flatnonzero(scores[i] > np.float32(minimum)) if minimum is not None else np.arange(n)
                        keys = None if classes is None else classes[i][taken]
                        kept = taken[plain_nms(boxes[i][taken], scores[i][taken], 0.45, keys)][:maximum].tolist()
                        assert counts[i] == len(kept)
                        assert indices[i].tolist() == kept + [-1] * (maximum - len(kept))
                    given = [torch.from_numpy(a) for a in (boxes, scores)]
                    keys = None if classes is None else torch.from_numpy(classes)
                    for got, expected in zip(
                        F.nms_padded(*given, 0.45, maximum, minimum, keys), (indices, counts), strict=True
                    ):
                        np.testing.assert_array_equal(got.numpy(), expected)

    def test_threads(self) -> None:
        rng = np.random.default_rng(13)
        boxes, scores = (np.stack(a) for a in zip(*(spread(rng, 5000, extent=900) for _ in range(5)), strict=True))
        before, results = fastcnn.get_num_threads(), []
        try:
            for n in (1, 2, 7):
                fastcnn.set_num_threads(n)
                results.append(F.nms_padded(boxes, scores, 0.5, 300))
        finally:
            fastcnn.set_num_threads(before)
        for other in results[1:]:
            np.testing.assert_array_equal(results[0][0], other[0])

    def test_graphs(self) -> None:
        class Module(torch.nn.Module):
            def forward(self, boxes, scores, classes):
                return F.nms_padded(boxes, scores, 0.5, 10, 0.1, classes)

        def example(batch: int, n: int):
            rng = np.random.default_rng(batch)
            boxes, scores = (np.stack(a) for a in zip(*(spread(rng, n, extent=60) for _ in range(batch)), strict=True))
            return torch.from_numpy(boxes), torch.from_numpy(scores), torch.randint(3, (batch, n))

        dynamic = {0: torch.export.Dim("b"), 1: torch.export.Dim("n")}
        program = torch.export.export(Module(), example(2, 30), dynamic_shapes=(dynamic,) * 3)
        compiled = torch.compile(Module(), fullgraph=True, backend="aot_eager", dynamic=True)
        for shape in ((2, 30), (3, 41)):
            given = example(*shape)
            expected = Module()(*given)
            for got in (program.module()(*given), compiled(*given)):
                assert all(torch.equal(g, e) for g, e in zip(got, expected, strict=True))

    def test_vmap(self) -> None:
        rng = np.random.default_rng(14)
        boxes = torch.from_numpy(np.stack([np.stack([spread(rng, 30)[0] for _ in range(2)]) for _ in range(3)]))
        scores = torch.rand(3, 2, 30)
        got = torch.vmap(lambda b, s: F.nms_padded(b, s, 0.5, 9))(boxes, scores)
        for i in range(3):
            for g, e in zip(got, F.nms_padded(boxes[i], scores[i], 0.5, 9), strict=True):
                assert torch.equal(g[i], e)


def test_opcheck() -> None:
    boxes, scores = map(torch.from_numpy, spread(np.random.default_rng(15), 20))
    rotated = torch.rand(20, 5)
    ops = torch.ops.fastcnn
    for op, args in (
        (ops.nms, (boxes, scores, 0.5)),
        (ops.batched_nms, (boxes, scores, torch.randint(3, (20,)), 0.5)),
        (ops.nms_padded, (boxes[None], scores[None], 0.5, 7, 0.1, torch.randint(3, (1, 20)))),
        (ops.nms_rotated, (rotated, scores, 0.5)),
        (ops.soft_nms, (boxes, scores, 0.5, 0.5, True, 1e-3)),
        (ops.matrix_nms, (boxes, scores, 0.5, True, 1e-3)),
        (ops.box_overlaps, (boxes, boxes[:7], 3, 1e-7)),
        (ops.box_iou_rotated, (rotated, rotated[:7])),
        (ops.masks_to_boxes, (torch.rand(3, 5, 6) > 0.5,)),
    ):
        torch.library.opcheck(op.default, args)


def test_no_gradient() -> None:
    boxes, scores = (torch.from_numpy(a).requires_grad_() for a in spread(np.random.default_rng(16), 20))
    assert not F.nms(boxes, scores, 0.5).requires_grad
    assert not any(r.requires_grad for r in F.nms_padded(boxes[None], scores[None], 0.5, 4))


B, R, S = (np.zeros(shape, np.float32) for shape in ((3, 4), (3, 5), 3))
ERRORS = [
    ("nms", (R, S, 0.5), ArgumentError, r"nms: expected boxes of shape \(N, 4\), got \(3, 5\)"),
    ("nms", (B, np.zeros(4, np.float32), 0.5), ArgumentError, r"nms: expected scores of shape \(3,\), got \(4,\)"),
    ("nms", (B, S, 1.5), ArgumentError, "nms: expected iou_threshold from 0 to 1, got 1.5"),
    ("nms", (B, S, float("nan")), ArgumentError, "expected iou_threshold from 0 to 1, got nan"),
    ("nms", (B.astype(int), S, 0.5), TypeError, "nms: expected boxes of dtype"),
    ("nms", (B, S.astype(int), 0.5), TypeError, "nms: expected scores of dtype"),
    ("batched_nms", (B, S, S, 0.5), TypeError, "batched_nms: expected idxs of dtype"),
    ("batched_nms", (B, S, np.zeros(2, int), 0.5), ArgumentError, r"batched_nms: expected idxs of shape \(3,\)"),
    ("nms_padded", (B, S, 0.5, 3), ArgumentError, r"nms_padded: expected boxes of shape \(B, N, 4\), got \(3, 4\)"),
    ("nms_padded", (B[None], S, 0.5, 3), ArgumentError, r"nms_padded: expected scores of shape \(1, 3\)"),
    ("nms_padded", (B[None], S[None], 0.5, -3), ArgumentError, "expected max_output of at least 0, got -3"),
    ("nms_padded", (B[None], S[None], 0.5, 3, 0.1, S[None]), TypeError, "nms_padded: expected classes of dtype"),
    ("soft_nms", (B, S, 0.5, 0.0), ArgumentError, "soft_nms: expected sigma above 0, got 0"),
    ("soft_nms", (B, S, 0.5, 0.5, "cubic"), ArgumentError, "soft_nms: expected method to be one of gaussian, linear"),
    ("matrix_nms", (B, S, -1.0), ArgumentError, "matrix_nms: expected sigma above 0, got -1"),
    ("nms_rotated", (B, S, 0.5), ArgumentError, r"nms_rotated: expected boxes of shape \(N, 5\), got \(3, 4\)"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "args", "error", "text"), ERRORS)
def test_errors(op: str, args, error, text: str) -> None:
    with pytest.raises(error, match=text):
        getattr(F, op)(*args)
    with pytest.raises(error, match=text):
        getattr(F, op)(*(torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args))
