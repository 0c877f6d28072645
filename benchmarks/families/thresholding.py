"""Thresholds against OpenCV and scikit-image. Local ones are timed to the binary mask."""

from collections.abc import Iterator

import cv2
import numpy as np
from skimage import filters

import fastcnn.ops as fc
from benchmarks.harness import Case, load

FLAGS = {"mean": cv2.ADAPTIVE_THRESH_MEAN_C, "gaussian": cv2.ADAPTIVE_THRESH_GAUSSIAN_C}


def cases(size: int) -> Iterator[Case]:
    blobs = cv2.GaussianBlur(np.random.default_rng(0).random((size, size), np.float32), (0, 0), 4)
    blobs = (blobs - blobs.min()) / (blobs.max() - blobs.min())
    for case in load("thresholding"):
        dtype = case["dtype"]
        src = (blobs * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)
        run, notes = {}, {}
        if case["op"] == "threshold_otsu":
            name, written = f"threshold_otsu {dtype}", 0
            run["fastcnn"] = lambda src=src: fc.threshold_otsu(src)
            if dtype != "float32":  # OpenCV's largest bin count is that of 16 bits
                run["opencv"] = lambda src=src: cv2.threshold(src, 0, 1, cv2.THRESH_OTSU)[0]
                notes["opencv"] = "and the mask"
            run["scikit-image"] = lambda src=src: filters.threshold_otsu(src)
        else:
            method, block = case["method"], case["block"]
            name, written = f"binarize_local {dtype} {method} {block}", src.size
            run["fastcnn"] = lambda src=src, b=block, m=method: fc.binarize_local(src, b, m)
            if dtype == "uint8":
                run["opencv"] = lambda src=src, b=block, f=FLAGS[method]: cv2.adaptiveThreshold(
                    src, 255, f, cv2.THRESH_BINARY, b, 0
                )
                notes["opencv"] = "threshold rounded to a byte"
            run["scikit-image"] = lambda src=src, b=block, m=method: src > filters.threshold_local(src, b, m)
        yield Case(name, run, bytes=src.nbytes + written, goal=case["goal"], notes=notes)
