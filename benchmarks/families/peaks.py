"""Local maxima and peaks against scikit-image."""

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.feature
import skimage.morphology

import fastcnn.ops as fc
from benchmarks import masks
from benchmarks.harness import Case, load


def cases(size: int) -> Iterator[Case]:
    distance = cv2.GaussianBlur(fc.distance_transform_edt(masks.make("blobs", size)), (0, 0), 1)
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8), (0, 0), 2)
    images = {"distance": distance, "uint8 noise": noise}
    for case in load("peaks"):
        image = images[case["image"]]
        if case["op"] == "local_maxima":
            run = {
                "fastcnn": lambda image=image: fc.local_maxima(image),
                "scikit-image": lambda image=image: skimage.morphology.local_maxima(image),
            }
            name = f"local_maxima, {case['image']}"
        else:
            d = case["min_distance"]
            run = {
                "fastcnn": lambda image=image, d=d: fc.peak_local_max(image, d),
                "scikit-image": lambda image=image, d=d: skimage.feature.peak_local_max(
                    image, min_distance=d, exclude_border=False
                ),
            }
            name = f"peak_local_max {d}, {case['image']}"
        yield Case(name, run, bytes=image.nbytes, goal=case["goal"])
