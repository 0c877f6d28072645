"""The watershed against scikit-image and OpenCV."""

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.segmentation

import fastcnn.ops as fc
from benchmarks import masks
from benchmarks.harness import Case, load


def scatter(inside: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Numbered single-pixel markers: about one in 250 pixels is 17,000 in 2048 x 2048."""
    rng = np.random.default_rng(seed)
    at = inside & (rng.random(inside.shape) < share)
    markers = np.zeros(inside.shape, np.int32)
    markers[at] = np.arange(1, at.sum() + 1)
    return markers


def opencv(image: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """It takes three 8-bit channels and floods into the markers."""
    labels = markers.copy()
    return cv2.watershed(image, labels)


def cases(size: int) -> Iterator[Case]:
    rng = np.random.default_rng(1)
    for case in load("flooding"):
        if case["relief"].startswith("uint8"):
            smooth = cv2.GaussianBlur(rng.random((size, size), np.float32), (0, 0), case["sigma"])
            low, high = np.percentile(smooth, [0.1, 99.9])
            image = np.clip((smooth - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
            if case["relief"] == "uint8 gradient":
                image = fc.morphological_gradient(image)
            markers, mask = scatter(np.ones(image.shape, bool), 1 / 250, 2), None
            colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        else:
            mask = masks.make("blobs", size)
            image = -fc.distance_transform_edt(mask)
            markers = scatter(mask, 1 / 125, 2)
        run = {
            "fastcnn": lambda image=image, markers=markers, mask=mask: fc.watershed(image, markers, mask=mask),
            "scikit-image": lambda image=image, markers=markers, mask=mask: skimage.segmentation.watershed(
                image, markers, mask=mask
            ),
        }
        if mask is None:
            run["opencv"] = lambda colour=colour, markers=markers: opencv(colour, markers)
        yield Case(
            f"watershed, {case['name']}, {markers.max()} markers",
            run,
            bytes=image.nbytes + 2 * markers.nbytes,
            goal=case["goal"],
            notes={"opencv": "floods by the steps between pixels: other labels"},
        )
