"""The exact Euclidean distance transform against OpenCV's precise one and SciPy's."""

from collections.abc import Iterator

import cv2
import numpy as np

import fastcnn.image as fc
from benchmarks import masks
from benchmarks.harness import Case, load


def cases(size: int) -> Iterator[Case]:
    for case in load("distance"):
        mask = masks.make(case["mask"], size).astype(np.uint8)
        yield Case(
            case["mask"],
            {
                "fastcnn": lambda mask=mask: fc.distance_transform_edt(mask),
                "opencv": lambda mask=mask: cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
            },
            bytes=mask.nbytes * 5,
            goal=case["goal"],
        )
