"""Boxes of every kind, and suppression by definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Sample = tuple[np.ndarray, np.ndarray]


def spread(rng: np.random.Generator, n: int, dtype: str = "float32", extent: float = 300, side: float = 40) -> Sample:
    corner = rng.random((n, 2)) * extent
    return np.concatenate([corner, corner + 1 + rng.random((n, 2)) * side], 1).astype(dtype), scores(rng, n, dtype)


def scores(rng: np.random.Generator, n: int, dtype: str) -> np.ndarray:
    """Few distinct values: ties are common."""
    return (rng.integers(0, max(2, n // 2), n) / max(2, n // 2)).astype(dtype)


def clusters(rng: np.random.Generator, n: int, dtype: str = "float32") -> Sample:
    centers, size = rng.random((max(1, n // 50), 2)) * 1000, 5 + rng.random((max(1, n // 50), 2)) * 100
    which = rng.integers(0, len(centers), n)
    center, half = centers[which] + rng.normal(0, 4, (n, 2)), size[which] * (0.4 + 0.2 * rng.random((n, 2)))
    return np.concatenate([center - half, center + half], 1).astype(dtype), scores(rng, n, dtype)


def integers(rng: np.random.Generator, n: int, dtype: str = "float32") -> Sample:
    """IoUs that are equal to the threshold are common."""
    corner = rng.integers(0, 12, (n, 2))
    return np.concatenate([corner, corner + rng.integers(0, 9, (n, 2))], 1).astype(dtype), scores(rng, n, dtype)


def every_size(rng: np.random.Generator, n: int, dtype: str = "float32") -> Sample:
    """From a thousandth of a pixel to a thousand, thin and thick."""
    side = np.exp(rng.uniform(-7, 7, (n, 2)))
    corner = rng.normal(0, 1, (n, 2)) * np.exp(rng.uniform(-2, 6, (n, 1)))
    return np.concatenate([corner, corner + side], 1).astype(dtype), scores(rng, n, dtype)


def nested(rng: np.random.Generator, n: int, dtype: str = "float32") -> Sample:
    """All around one point."""
    half = 1 + rng.random((n, 2)) * 50
    return np.concatenate([-half, half], 1).astype(dtype), scores(rng, n, dtype)


def strange(rng: np.random.Generator, n: int, dtype: str = "float32") -> Sample:
    """Inverted, empty, NaN, infinite, huge and tiny ones among others."""
    boxes, score = spread(rng, n, "float64", extent=30)
    values = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e19, 1e-30, 1e-45, -0.0, 0.0]
    odd = rng.random((n, 4)) < 0.15
    boxes[odd] = rng.choice(values, odd.sum())
    flat = rng.random(n) < 0.1
    boxes[flat, 2] = boxes[flat, 0]
    score[rng.random(n) < 0.2] = np.nan
    score[rng.random(n) < 0.1] = np.inf
    score[rng.random(n) < 0.1] = -np.inf
    score[rng.random(n) < 0.1] = -0.0
    with np.errstate(over="ignore"):
        return boxes.astype(dtype), score.astype(dtype)


KINDS: dict[str, Callable[..., Sample]] = {
    f.__name__: f for f in (spread, clusters, integers, every_size, nested, strange)
}


def order(scores: np.ndarray) -> np.ndarray:
    """By falling value, NaN first, equal ones by index."""
    values = np.where(np.isnan(scores), np.inf, scores.astype(np.float64))
    return np.lexsort((np.arange(len(scores)), -values, ~np.isnan(scores)))


def plain_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, classes: np.ndarray | None = None) -> list[int]:
    """Return what greedy suppression keeps, in the boxes' own precision (float32 for half)."""
    b = boxes if boxes.dtype == np.float64 else boxes.astype(np.float32)
    kept: list[int] = []
    with np.errstate(all="ignore"):
        area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
        for j in order(scores):
            k = np.array([i for i in kept if classes is None or classes[i] == classes[j]], int)
            zero = b.dtype.type(0)
            # Comparisons, not np.minimum, which would spread NaN where C++'s std::min does not.
            x1, y1 = (np.where(b[k, c] < b[j, c], b[j, c], b[k, c]) for c in (0, 1))
            x2, y2 = (np.where(b[j, c] < b[k, c], b[j, c], b[k, c]) for c in (2, 3))
            w, h = x2 - x1, y2 - y1
            shared = np.where(zero < w, w, zero) * np.where(zero < h, h, zero)
            overlap = shared / (area[k] + area[j] - shared)
            if not (overlap.astype(np.float64) > threshold).any():
                kept.append(int(j))
    return kept
