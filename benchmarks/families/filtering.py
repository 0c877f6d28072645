"""Gaussian blur against OpenCV, with the same taps and border, and SciPy."""

from collections.abc import Iterator

import cv2
import numpy as np
import scipy.ndimage as ndi

import fastcnn.ops as fc
from benchmarks.harness import Case, load


def cases(size: int) -> Iterator[Case]:
    noise = np.random.default_rng(0).random((size, size), np.float32)
    for case in load("filtering"):
        top = 1 if case["dtype"].startswith("float") else np.iinfo(case["dtype"]).max
        src, sigma = (noise * top).astype(case["dtype"]), case["sigma"]
        taps = 2 * int(4 * sigma + 0.5) + 1
        yield Case(
            f"gaussian_blur {case['dtype']} sigma {sigma}",
            {
                "fastcnn": lambda src=src, s=sigma: fc.gaussian_blur(src, s),
                "opencv": lambda src=src, s=sigma, k=taps: cv2.GaussianBlur(
                    src, (k, k), s, borderType=cv2.BORDER_REFLECT
                ),
                "scipy": lambda src=src, s=sigma: ndi.gaussian_filter(src, s),
            },
            bytes=2 * src.nbytes,
            flops=4.0 * taps * src.size,
            goal=case["goal"],
        )
