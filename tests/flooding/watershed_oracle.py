"""The watershed by its definition (cpp/src/ops/flooding/watershed.cpp): fix points of whole-array steps in NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

FAR = np.iinfo(np.int64).max // 2


def neighbors_of(array: np.ndarray, connectivity: int, outside: Any) -> list[np.ndarray]:
    """The array seen from each neighbour, in raster order of the neighbours."""
    padded = np.pad(array, 1, constant_values=outside)
    views = []
    for step in itertools.product((-1, 0, 1), repeat=array.ndim):
        if 0 < sum(map(abs, step)) <= connectivity:
            views.append(padded[tuple(slice(1 + s, 1 + s + n) for s, n in zip(step, array.shape, strict=True))])
    return views


def watershed(
    image: np.ndarray,
    markers: np.ndarray,
    connectivity: int = 1,
    mask: np.ndarray | None = None,
    watershed_line: bool = False,
) -> np.ndarray:
    """One image of any dimension. NaN floods last."""
    inside = np.ones(image.shape, bool) if mask is None else mask.astype(bool)
    root = inside & (markers != 0)
    free = inside & ~root
    # Ranks have the values' order: ±0 is one, NaN the last.
    value = np.unique(image, return_inverse=True, equal_nan=True)[1].reshape(image.shape).astype(np.int64)

    level = np.where(root, value, FAR)
    while True:
        smallest = np.min(neighbors_of(level, connectivity, FAR), axis=0)
        new = np.where(free & (smallest < FAR), np.minimum(level, np.maximum(value, smallest)), level)
        if np.array_equal(new, level):
            break
        level = new
    reached = level < FAR

    levels = neighbors_of(level, connectivity, FAR)
    generation = np.where(root | (reached & (np.min(levels, axis=0) < level)), 0, FAR)
    while True:
        beside = zip(levels, neighbors_of(generation, connectivity, FAR), strict=True)
        smallest = np.min([np.where(at == level, g, FAR) for at, g in beside], axis=0)
        new = np.where(reached, np.minimum(generation, smallest + 1), FAR)
        if np.array_equal(new, generation):
            break
        generation = new

    index = np.arange(image.size, dtype=np.int64).reshape(image.shape)
    parent, best = index.copy(), (np.full_like(level, FAR), np.full_like(level, FAR))
    around = [neighbors_of(a, connectivity, FAR) for a in (level, generation, index)]
    for at, g, i in zip(*around, strict=True):  # raster order: the first of equals has the least index
        less = free & reached & ((at < best[0]) | ((at == best[0]) & (g < best[1])))
        parent = np.where(less, i, parent)
        best = np.where(less, at, best[0]), np.where(less, g, best[1])
    parent = parent.ravel()
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    labels = np.where(reached, markers.ravel()[parent].reshape(image.shape), 0).astype(markers.dtype)

    if watershed_line:
        line = np.zeros(image.shape, bool)
        beside = (neighbors_of(a, connectivity, outside) for a, outside in [(labels, 0), (root, False)])
        for at, g, i, label, marker in zip(*around, *beside, strict=True):
            smaller = (at < level) | ((at == level) & ((g < generation) | ((g == generation) & (i < index))))
            line |= free & reached & (smaller | marker) & (label != labels)
        labels[line] = 0
    return labels
