"""Histograms of gradients against scikit-image, and against OpenCV 4 in an environment of its own (remote.py)."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.feature

import fastcnn.ops as fc
from benchmarks.harness import Case, load, wanted
from benchmarks.remote import worker


def cases(size: int) -> Iterator[Case]:
    peer = worker("OPENCV4")
    for case in load("features"):
        n, variant = case["size"], case["variant"]
        name = f"hog {n}x{n}, {variant}"
        if not wanted(name):
            continue
        image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (n, n), dtype=np.uint8), (0, 0), 2) * 4
        run = {"fastcnn": lambda i=image, v=variant: fc.hog(i, variant=v)}
        if variant == "skimage":
            run["scikit-image"] = lambda i=image: skimage.feature.hog(i, cells_per_block=(2, 2), feature_vector=False)
        elif peer:
            run["OpenCV 4"] = peer.prepare("hog", {"image": image}, cv2.getNumThreads())
        yield Case(name, run, bytes=image.nbytes, goal=case["goal"])
