"""Felzenszwalb's segments against scikit-image, selective search against OpenCV's ximgproc (remote.py)."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.data
import skimage.segmentation

import fastcnn.ops as fc
from benchmarks.harness import Case, load, wanted
from benchmarks.remote import worker

ALL = 10**6  # boxes: OpenCV returns all
# OpenCV's scales and its size of the smallest segment, which it does not let one change in this mode.
OPENCV = {"scales": (150, 300, 450), "min_size": 100}


def picture(name: str) -> np.ndarray:
    """512 x 512 pixels, RGB."""
    if name == "astronaut":
        return skimage.data.astronaut()
    rng = np.random.default_rng(0)
    image = np.full((512, 512, 3), 90, np.uint8)
    for _ in range(60):
        center, axes = tuple(map(int, rng.integers(0, 512, 2))), tuple(map(int, rng.integers(8, 60, 2)))
        cv2.ellipse(
            image, center, axes, float(rng.uniform(0, 180)), 0, 360, tuple(map(int, rng.integers(0, 256, 3))), -1
        )
    return (image + rng.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def cases(size: int) -> Iterator[Case]:
    peer = worker("OPENCV4")
    for case in load("proposals"):
        name = f"{case['op']} {case['image']} 512x512"
        if not wanted(name):
            continue
        image = picture(case["image"])
        if case["op"] == "felzenszwalb":
            options = {"scale": case["scale"], "min_size": case["min_size"], "channel_axis": -1}
            run = {
                "fastcnn": lambda i=image, o=options: fc.felzenszwalb(i, **o),
                "scikit-image": lambda i=image, o=options: skimage.segmentation.felzenszwalb(i, **o),
            }
            yield Case(name, run, bytes=image.nbytes, goal=case["goal"])
            continue
        run = {"fastcnn": lambda i=image: fc.selective_search(i, max_boxes=ALL, channel_axis=-1, **OPENCV)}
        if peer:
            run["OpenCV 4"] = peer.prepare("selective_search", {"image": image}, cv2.getNumThreads())
        counts = {contender: f"{len(f()[0] if contender == 'fastcnn' else f())} boxes" for contender, f in run.items()}
        yield Case(name, run, bytes=image.nbytes, goal=case["goal"], compare=False, notes=counts)
