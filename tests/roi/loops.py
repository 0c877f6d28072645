"""Pooling of regions by definition, value after value; checked by hand against torchvision 0.29's kernels."""

from __future__ import annotations

import math

import numpy as np


def rounded(x: float) -> int:
    """C's round: halves away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    y0, x0 = min(int(y), height - 1), min(int(x), width - 1)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    fy, fx = (0.0 if y0 == height - 1 else y - y0), (0.0 if x0 == width - 1 else x - x0)
    top = (1 - fx) * plane[y0, x0] + fx * plane[y0, x1]
    return (1 - fy) * top + fy * ((1 - fx) * plane[y1, x0] + fx * plane[y1, x1])


def sampled_bin(plane, top, left, bin_h, bin_w, i, j, rows, columns):
    values = [
        bilinear(plane, top + i * bin_h + (a + 0.5) * bin_h / rows, left + j * bin_w + (b + 0.5) * bin_w / columns)
        for a in range(rows)
        for b in range(columns)
    ]
    return sum(values) / len(values) if values else 0.0


def samples(size: float, bins: int, ratio: int) -> int:
    return ratio if ratio > 0 else max(0, math.ceil(size / bins))


def roi_align(input, rois, size, scale=1.0, ratio=-1, aligned=False):
    height, width = size
    out = np.zeros((len(rois), input.shape[1], height, width))
    offset = 0.5 if aligned else 0.0
    for k, (n, x1, y1, x2, y2) in enumerate(rois):
        left, top = x1 * scale - offset, y1 * scale - offset
        w, h = x2 * scale - offset - left, y2 * scale - offset - top
        if not aligned:
            w, h = max(w, 1.0), max(h, 1.0)
        rows, columns = samples(h, height, ratio), samples(w, width, ratio)
        for c, i, j in np.ndindex(out.shape[1:]):
            plane = input[int(n), c]
            out[k, c, i, j] = sampled_bin(plane, top, left, h / height, w / width, i, j, rows, columns)
    return out


def ps_roi_align(input, rois, size, scale=1.0, ratio=-1):
    height, width = size
    out = np.zeros((len(rois), input.shape[1] // (height * width), height, width))
    for k, (n, x1, y1, x2, y2) in enumerate(rois):
        left, top = x1 * scale - 0.5, y1 * scale - 0.5
        w, h = (x2 - x1) * scale, (y2 - y1) * scale
        rows, columns = samples(h, height, ratio), samples(w, width, ratio)
        for c, i, j in np.ndindex(out.shape[1:]):
            plane = input[int(n), (c * height + i) * width + j]
            out[k, c, i, j] = sampled_bin(plane, top, left, h / height, w / width, i, j, rows, columns)
    return out


def runs(first: float, last: float, bins: int, pixels: int, inclusive: bool) -> list[tuple[int, int]]:
    start, end = rounded(first), rounded(last)
    size = max(end - start + int(inclusive), 1) / bins
    limit = pixels if inclusive else pixels - 1
    clip = lambda v: min(max(v + start, 0), limit)  # noqa: E731
    return [(clip(math.floor(b * size)), clip(math.ceil((b + 1) * size))) for b in range(bins)]


def roi_pool(input, rois, size, scale=1.0):
    height, width = size
    out = np.zeros((len(rois), input.shape[1], height, width))
    for k, (n, x1, y1, x2, y2) in enumerate(rois):
        rows = runs(y1 * scale, y2 * scale, height, input.shape[2], True)
        columns = runs(x1 * scale, x2 * scale, width, input.shape[3], True)
        for c, i, j in np.ndindex(out.shape[1:]):
            part = input[int(n), c, slice(*rows[i]), slice(*columns[j])]
            out[k, c, i, j] = part.max() if part.size else 0.0
    return out


def ps_roi_pool(input, rois, size, scale=1.0):
    height, width = size
    out = np.zeros((len(rois), input.shape[1] // (height * width), height, width))
    for k, (n, x1, y1, x2, y2) in enumerate(rois):
        rows = runs(y1 * scale, y2 * scale, height, input.shape[2], False)
        columns = runs(x1 * scale, x2 * scale, width, input.shape[3], False)
        for c, i, j in np.ndindex(out.shape[1:]):
            part = input[int(n), (c * height + i) * width + j, slice(*rows[i]), slice(*columns[j])]
            out[k, c, i, j] = part.mean() if part.size else 0.0
    return out
