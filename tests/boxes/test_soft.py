"""Suppression that lowers scores, and that of rotated boxes, against loops by definition and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops as F
from tests.boxes.samples import KINDS, order, spread


def ious(boxes: np.ndarray) -> np.ndarray:
    b = boxes.astype(np.float64)
    with np.errstate(all="ignore"):
        x1, y1 = (np.maximum(b[:, None, c], b[None, :, c]) for c in (0, 1))
        x2, y2 = (np.minimum(b[:, None, c], b[None, :, c]) for c in (2, 3))
        shared = np.clip(x2 - x1, 0, None) * np.clip(y2 - y1, 0, None)
        area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
        return np.nan_to_num(shared / (area[:, None] + area[None] - shared))


def soft(boxes, scores, threshold, sigma, method, smallest):
    overlap, s = ious(boxes), scores.astype(np.float64).copy()
    left, taken, values = [i for i in range(len(s)) if s[i] >= smallest], [], []
    while left:
        best = max(left, key=lambda i: (s[i], -i))
        taken.append(best)
        values.append(s[best])
        left.remove(best)
        for i in left:
            o = overlap[best, i]
            s[i] *= np.exp(-o * o / sigma) if method == "gaussian" else 1 - o if o > threshold else 1
        left = [i for i in left if s[i] >= smallest]
    return taken, values


def matrix(boxes, scores, sigma, method, smallest):
    taken = [i for i in order(scores) if scores[i] >= smallest]
    overlap = np.triu(ious(boxes)[np.ix_(taken, taken)], 1)
    worst = overlap.max(0, initial=0)
    f = (lambda x: np.exp(-(x**2) / sigma)) if method == "gaussian" else (lambda x: 1 - x)
    decay = np.ones(len(taken))
    for j in range(len(taken)):
        for i in range(j):
            if overlap[i, j] > 0:
                decay[j] = min(decay[j], f(overlap[i, j]) / f(worst[i]))
    values = scores[taken].astype(np.float64) * decay
    ranks = [k for k in np.argsort(-values, kind="stable") if values[k] >= smallest]
    return [taken[k] for k in ranks], values[ranks]


@pytest.mark.parametrize("method", ["gaussian", "linear"])
@pytest.mark.parametrize("kind", ["spread", "clusters", "every_size", "nested"])
def test_soft(kind: str, method: str) -> None:
    rng = np.random.default_rng(1)
    for n in (0, 1, 60, 200):
        boxes, _ = KINDS[kind](rng, n, "float64")
        scores = rng.permutation(n) / max(1, n)
        expected, values = soft(boxes, scores, 0.3, 0.4, method, 0.01)
        got, lowered = F.soft_nms(boxes, scores, 0.3, 0.4, method, 0.01)
        assert got.tolist() == expected
        np.testing.assert_allclose(lowered, values, rtol=1e-12)  # 200 factors, each of some roundings of a difference
        again, narrow = F.soft_nms(torch.from_numpy(boxes).float(), torch.from_numpy(scores).float(), 0.3, 0.4, method)
        assert again.dtype == torch.int64
        assert narrow.dtype == torch.float32
        assert (narrow.diff() <= 0).all()


def test_soft_opencv() -> None:
    rng = np.random.default_rng(2)
    boxes, _ = spread(rng, 80, "float64", extent=100)
    boxes = np.round(boxes)
    scores = ((rng.permutation(80) + 1) / 80).astype(np.float32)
    rects = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype(int)
    values, expected = cv2.dnn.softNMSBoxes(rects.tolist(), scores.tolist(), 0.05, 0.3, sigma=0.5)
    got, lowered = F.soft_nms(boxes, scores, sigma=0.5, min_score=0.05)
    assert got.tolist() == np.asarray(expected).ravel().tolist()
    np.testing.assert_allclose(lowered, np.asarray(values).ravel(), rtol=1e-4)


@pytest.mark.parametrize("method", ["gaussian", "linear"])
@pytest.mark.parametrize("kind", ["spread", "clusters", "every_size", "nested"])
def test_matrix(kind: str, method: str) -> None:
    rng = np.random.default_rng(3)
    before = fastcnn.get_num_threads()
    try:
        for n, threads in ((0, 1), (1, 1), (60, 2), (200, 5)):
            fastcnn.set_num_threads(threads)
            boxes, scores = KINDS[kind](rng, n, "float64")
            expected, values = matrix(boxes, scores, 0.5, method, 0.05)
            got, lowered = F.matrix_nms(boxes, scores, 0.5, method, 0.05)
            np.testing.assert_allclose(lowered, values, rtol=1e-9)  # over 1 - IoU, which cancels
            # Values that differ by rounding only may change places.
            np.testing.assert_allclose(sorted(got), sorted(expected))
    finally:
        fastcnn.set_num_threads(before)


def test_strange_boxes_are_dropped_or_kept_whole() -> None:
    boxes, scores = KINDS["strange"](np.random.default_rng(4), 200)
    for method in ("gaussian", "linear"):
        for run in (
            lambda m=method: F.soft_nms(boxes, scores, method=m),
            lambda m=method: F.matrix_nms(boxes, scores, method=m),
        ):
            indices, values = run()
            assert len(set(indices.tolist())) == len(indices)
            assert not np.isnan(values).any()
            assert not np.isnan(scores[indices]).any()


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_rotated(threshold: float) -> None:
    rng = np.random.default_rng(5)
    for n in (0, 1, 50, 400):
        boxes = np.concatenate(
            [rng.random((n, 2)) * 40, 1 + rng.random((n, 2)) ** 3 * 30, rng.uniform(-400, 400, (n, 1))], 1
        )
        boxes[rng.random(n) < 0.05, 3] = np.nan
        scores = rng.integers(0, 50, n) / 50
        overlap, expected = F.box_iou_rotated(boxes, boxes), []
        for j in order(scores):
            if not (overlap[expected, j] > threshold).any():
                expected.append(int(j))
        assert F.nms_rotated(boxes, scores, threshold).tolist() == expected
        assert F.nms_rotated(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).tolist() == expected
