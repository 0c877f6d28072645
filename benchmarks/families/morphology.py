"""Flat dilation and erosion against OpenCV."""

from collections.abc import Iterator

import cv2
import numpy as np

import fastcnn.ops as fc
from benchmarks.harness import Case, load


def cases(size: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    image = {
        "uint8": rng.integers(0, 256, (size, size), dtype=np.uint8),
        "float32": rng.random((size, size), np.float32),
    }
    for case in load("morphology"):
        src, k = image[case["dtype"]], case["size"]
        if case["shape"] == "rectangle":
            footprint, element = k, np.ones((k, k), np.uint8)
        else:
            y, x = np.ogrid[-k : k + 1, -k : k + 1]
            element = (x * x + y * y <= k * k).astype(np.uint8)
            footprint = element.astype(bool)
        ours, theirs = getattr(fc, case["op"]), {"dilation": cv2.dilate, "erosion": cv2.erode}[case["op"]]
        yield Case(
            f"{case['op']} {case['dtype']} {case['shape']} {k}",
            {
                "fastcnn": lambda src=src, f=footprint, op=ours: op(src, f),
                "opencv": lambda src=src, e=element, op=theirs: op(src, e),
            },
            bytes=2 * src.nbytes,
            goal=case["goal"],
        )
