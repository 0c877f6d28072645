"""Every op, on arrays, from several Python threads at once, with pools of several sizes, and forks meanwhile.

`python -m tests.race ROUNDS` needs neither torch nor pytest, so that it runs under ThreadSanitizer (scripts/race).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import fastcnn
from fastcnn import ops as F

CALLERS = 4
POOLS = (1, 2, 5)

_rng = np.random.default_rng(0)
GREY = _rng.integers(0, 255, (3, 130, 150), dtype=np.uint8)
FLOAT = GREY.astype(np.float32) / 255
MASK = GREY > 100
MARKERS = np.where(_rng.random(GREY.shape) < 0.01, GREY.astype(np.int32) + 1, 0)
LABELS = F.label(MASK)
BOXES = np.concatenate([corner := _rng.random((400, 2)) * 90, corner + _rng.random((400, 2)) * 30], 1).astype("float32")
ROTATED = np.concatenate([_rng.random((60, 4)) * 40 + 1, _rng.random((60, 1)) * 180], 1).astype("float32")
SCORES = _rng.random(400).astype(np.float32)
MAPS = _rng.standard_normal((2, 8, 40, 44)).astype(np.float32)
ROIS = np.concatenate([np.arange(400)[:, None] % 2, BOXES / 3], 1).astype(np.float32)
SQUARE, CUBE = (_rng.standard_normal((8, 8, *[3] * n)).astype(np.float32) for n in (2, 3))
SHIFTS = _rng.standard_normal((2, 18, 40, 44)).astype(np.float32)
PLANES = FLOAT[None]  # (1, C, H, W)
VOLUME = FLOAT.reshape(1, 1, 3, 130, 150)
LINES = FLOAT.reshape(1, 3, -1)

CALLS: dict[str, Callable[[], Any]] = {
    "batched_nms": lambda: F.batched_nms(BOXES, SCORES, np.arange(400) % 3, 0.5),
    "binarize_local": lambda: F.binarize_local(GREY, 15),
    "box_iou": lambda: F.box_iou(BOXES, BOXES),
    "box_iou_rotated": lambda: F.box_iou_rotated(ROTATED, ROTATED),
    "clear_border": lambda: F.clear_border(LABELS),
    "closing": lambda: F.closing(GREY, F.disk(4)),
    "complete_box_iou": lambda: F.complete_box_iou(BOXES, BOXES),
    "conv1d": lambda: F.conv1d(MAPS[0, :, 0][None], SQUARE[..., 0]),
    "conv2d": lambda: F.conv2d(MAPS, SQUARE, padding=1),
    "conv3d": lambda: F.conv3d(MAPS[None, 0][:, :, None].repeat(4, 2), CUBE, padding=1),
    "conv_transpose1d": lambda: F.conv_transpose1d(MAPS[0, :, 0][None], SQUARE[..., 0], stride=2),
    "conv_transpose2d": lambda: F.conv_transpose2d(MAPS, SQUARE, stride=2),
    "conv_transpose3d": lambda: F.conv_transpose3d(MAPS[None, 0][:, :, None].repeat(3, 2), CUBE, stride=2),
    "deform_conv2d": lambda: F.deform_conv2d(MAPS, SHIFTS, SQUARE, padding=1),
    "dilation": lambda: F.dilation(GREY, 9),
    "distance_box_iou": lambda: F.distance_box_iou(BOXES, BOXES),
    "distance_transform_edt": lambda: F.distance_transform_edt(MASK, return_indices=True),
    "erosion": lambda: F.erosion(FLOAT, F.disk(6)),
    "felzenszwalb": lambda: F.felzenszwalb(FLOAT[None]),
    "fill_holes": lambda: F.fill_holes(MASK),
    "gaussian_blur": lambda: F.gaussian_blur(FLOAT, 2.0),
    "generalized_box_iou": lambda: F.generalized_box_iou(BOXES, BOXES),
    "hog": lambda: F.hog(FLOAT),
    "label": lambda: F.label(MASK),
    "local_maxima": lambda: F.local_maxima(FLOAT),
    "local_minima": lambda: F.local_minima(FLOAT),
    "masks_to_boxes": lambda: F.masks_to_boxes(MASK),
    "matrix_nms": lambda: F.matrix_nms(BOXES, SCORES),
    "max_pool1d": lambda: F.max_pool1d(LINES, 3),
    "max_pool2d": lambda: F.max_pool2d(PLANES, 3, 2, 1, return_indices=True),
    "max_pool3d": lambda: F.max_pool3d(VOLUME, 3, 1, 1),
    "avg_pool1d": lambda: F.avg_pool1d(LINES, 3),
    "avg_pool2d": lambda: F.avg_pool2d(PLANES, 3, 2, 1),
    "avg_pool3d": lambda: F.avg_pool3d(VOLUME, 3, 1, 1),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(PLANES, 7),
    "adaptive_max_pool2d": lambda: F.adaptive_max_pool2d(PLANES, 7),
    "spatial_pyramid_pool": lambda: F.spatial_pyramid_pool(PLANES),
    "morphological_gradient": lambda: F.morphological_gradient(GREY, 5),
    "nms": lambda: F.nms(BOXES, SCORES, 0.5),
    "nms_padded": lambda: F.nms_padded(BOXES[None], SCORES[None], 0.5, 50),
    "nms_rotated": lambda: F.nms_rotated(ROTATED, SCORES[:60], 0.3),
    "opening": lambda: F.opening(GREY, 7),
    "peak_local_max": lambda: F.peak_local_max(FLOAT, 3),
    "peak_local_max_padded": lambda: F.peak_local_max_padded(FLOAT, 20, 3),
    "region_table": lambda: F.region_table(LABELS, FLOAT),
    "relabel_sequential": lambda: F.relabel_sequential(LABELS),
    "remove_small_holes": lambda: F.remove_small_holes(MASK, 5),
    "remove_small_objects": lambda: F.remove_small_objects(MASK, 5),
    "resize": lambda: F.resize(FLOAT, (70, 90), antialias=True),
    "ps_roi_align": lambda: F.ps_roi_align(MAPS, ROIS, 2),
    "ps_roi_pool": lambda: F.ps_roi_pool(MAPS, ROIS, 2),
    "roi_align": lambda: F.roi_align(MAPS, ROIS, 7),
    "roi_pool": lambda: F.roi_pool(MAPS, ROIS, 7),
    "selective_search": lambda: F.selective_search(FLOAT[:, :40, :40]),
    "soft_nms": lambda: F.soft_nms(BOXES, SCORES, 0.5),
    "threshold_local": lambda: F.threshold_local(FLOAT, 15),
    "threshold_otsu": lambda: F.threshold_otsu(FLOAT),
    "warp_affine": lambda: F.warp_affine(FLOAT, np.array([[0.9, 0.1, 2], [-0.1, 0.9, 3]])),
    "watershed": lambda: F.watershed(GREY, MARKERS),
}


def equal(a: Any, b: Any) -> bool:
    """Arrays, and tuples and dictionaries of them, bit for bit but for NaN."""
    if isinstance(a, dict):
        return all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))


def fork_once(expected: dict[str, Any]) -> bool:
    """A child of a process whose threads work has a pool of its own."""
    child = os.fork()
    if child == 0:
        good = all(equal(CALLS[name](), expected[name]) for name in ("erosion", "label", "conv2d"))
        os._exit(0 if good else 1)
    return os.waitpid(child, 0)[1] == 0


def run(rounds: int, calls: dict[str, Callable[[], Any]] = CALLS, fork: bool = True) -> list[str]:
    """Return the failures: a line for each op whose result differs from that of one thread."""
    threads, failures = fastcnn.get_num_threads(), []
    fastcnn.set_num_threads(1)
    expected = {name: call() for name, call in calls.items()}
    names = list(calls)

    def work(caller: int) -> None:
        for i in range(rounds * len(names)):
            name = names[(i * (2 * caller + 1) + caller) % len(names)]  # each caller in an order of its own
            try:
                if not equal(calls[name](), expected[name]):
                    failures.append(f"{name} differs")
            except Exception as error:  # a thread's error must not get lost
                failures.append(f"{name}: {error!r}")

    for pool in POOLS:
        fastcnn.set_num_threads(pool)
        callers = [threading.Thread(target=work, args=(k,)) for k in range(CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(3 if fork else 0):
            if not fork_once(expected):
                failures.append("a forked child fails")
        for caller in callers:
            caller.join()
    fastcnn.set_num_threads(threads)
    return failures


if __name__ == "__main__":
    found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print("\n".join(found) or f"{len(CALLS)} ops, {CALLERS} callers, pools of {POOLS}: passed")
    sys.exit(bool(found))
