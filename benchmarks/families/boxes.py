"""Suppression and overlaps of boxes against torchvision, in an environment of its own (remote.py)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import fastcnn.ops as F
from benchmarks.harness import Case, load, wanted
from benchmarks.remote import worker


def make(kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    scores = rng.random(n).astype(np.float32)
    if kind == "spread":  # as a detector's raw boxes in an image of 1280
        corner, size = rng.random((n, 2)) * 1280, 10 + 90 * rng.random((n, 2))
    elif kind == "clusters":
        center, side = rng.random((100, 2)) * 1280, 30 + 150 * rng.random((100, 2))
        which = rng.integers(0, 100, n)
        size = side[which] * rng.uniform(0.8, 1.25, (n, 2))
        corner = center[which] + rng.normal(0, 6, (n, 2)) - size / 2
    else:  # all around one point
        size = rng.uniform(200, 600, (n, 2))
        corner = 600 - size * rng.uniform(0.3, 0.7, (n, 2))
    return np.concatenate([corner, corner + size], 1).astype(np.float32), scores


def cases(size: int) -> Iterator[Case]:
    peer = worker("TORCHVISION")
    for case in load("boxes"):
        op, n = case["op"], case["n"]
        name = f"{op}, {n} boxes, {case['boxes']}" + (f", {case['classes']} classes" if "classes" in case else "")
        threshold = case.get("iou_threshold", 0.5)
        name += f", threshold {threshold}" if op != "box_iou" else ""
        if not wanted(name):
            continue
        boxes, scores = make(case["boxes"], n)
        arrays, options = {"boxes": boxes, "scores": scores}, {"iou_threshold": threshold}
        if "classes" in case:
            arrays["idxs"] = np.random.default_rng(1).integers(0, case["classes"], n)
        if op == "box_iou":
            arrays, options = {"boxes1": boxes, "boxes2": boxes.copy()}, {}
        tensors = [torch.from_numpy(a) for a in arrays.values()]
        function = getattr(F, op)
        run = {"fastcnn": lambda f=function, t=tensors, o=options: f(*t, **o).numpy()}
        if peer:
            run["torchvision"] = peer.prepare(op, arrays, torch.get_num_threads(), **options)
        yield Case(name, run, goal=case["goal"])
