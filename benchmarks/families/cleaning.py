"""Cleaning against scikit-image, SciPy, and what people write with OpenCV."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import scipy.ndimage as ndi
import skimage.morphology

import fastcnn.ops as fc
from benchmarks import masks
from benchmarks.harness import Case, load

SIZE = 64


def opencv_fill_holes(mask: np.ndarray) -> np.ndarray:
    """Flood the background from a frame of zeros around the image."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    return framed[1:-1, 1:-1] != 2


def opencv_remove_small_objects(mask: np.ndarray) -> np.ndarray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4, ltype=cv2.CV_32S)
    keep = stats[:, cv2.CC_STAT_AREA] > SIZE
    keep[0] = False
    return keep[labels]


def cases(size: int) -> Iterator[Case]:
    for case in load("cleaning"):
        mask = masks.make(case["mask"], size)
        byte = mask.astype(np.uint8)
        run: dict[str, Callable[[], np.ndarray]] = {
            "fill_holes": {
                "fastcnn": lambda mask=mask: fc.fill_holes(mask),
                "opencv, floodFill": lambda byte=byte: opencv_fill_holes(byte),
                "scipy": lambda mask=mask: ndi.binary_fill_holes(mask),
            },
            "remove_small_objects": {
                "fastcnn": lambda mask=mask: fc.remove_small_objects(mask, SIZE),
                "opencv, with statistics": lambda byte=byte: opencv_remove_small_objects(byte),
                "scikit-image": lambda mask=mask: skimage.morphology.remove_small_objects(mask, max_size=SIZE),
            },
            "remove_small_holes": {
                "fastcnn": lambda mask=mask: fc.remove_small_holes(mask, SIZE),
                "scikit-image": lambda mask=mask: skimage.morphology.remove_small_holes(mask, max_size=SIZE),
            },
        }[case["op"]]
        yield Case(f"{case['op']} {case['mask']}", run, bytes=2 * mask.nbytes, goal=case["goal"])
