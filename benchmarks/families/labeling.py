"""Labelling against OpenCV; what follows on labels against scikit-image and SciPy."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import scipy.ndimage as ndi
import skimage.measure
import skimage.segmentation

import fastcnn.ops as fc
from benchmarks import masks
from benchmarks.harness import Case, load


def region_means(labels: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """What SciPy can say of all labels at once: one of the table's columns."""
    return ndi.mean(intensity, labels, np.arange(1, labels.max() + 1))


def contenders(case: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    if case["op"] == "label":
        n = case["connectivity"]
        return {
            "fastcnn": lambda: fc.label(mask, n),
            "opencv": lambda: cv2.connectedComponents(mask, connectivity=n, ltype=cv2.CV_32S)[1],
        }
    labels = fc.label(mask)
    if case["op"] == "clear_border":
        return {
            "fastcnn": lambda: fc.clear_border(labels),
            "scikit-image": lambda: skimage.segmentation.clear_border(labels),
        }
    if case["op"] == "relabel_sequential":
        sparse = labels * 3
        return {
            "fastcnn": lambda: fc.relabel_sequential(sparse).labels,
            "scikit-image": lambda: skimage.segmentation.relabel_sequential(sparse)[0],
        }
    intensity = np.random.default_rng(0).random(mask.shape, np.float32)
    properties = ("area", "bbox", "centroid", "intensity_mean", "intensity_min", "intensity_max")
    return {
        "fastcnn": lambda: fc.region_table(labels, intensity).intensity_mean,
        "scikit-image": lambda: skimage.measure.regionprops_table(labels, intensity, properties=properties)[
            "intensity_mean"
        ],
        "scipy, mean only": lambda: region_means(labels, intensity),
    }


def cases(size: int) -> Iterator[Case]:
    for case in load("labeling"):
        mask = masks.make(case["mask"], size).astype(np.uint8)
        extra = f", {case['connectivity']} neighbours" if "connectivity" in case else ""
        opencv = case["op"] == "label"
        yield Case(
            f"{case['op']} {case['mask']}{extra}",
            contenders(case, mask),
            bytes=mask.nbytes * (5 if opencv else 8),
            goal=case["goal"],
            compare=not opencv,
            notes={"opencv": "its own numbering"} if opencv else {},
        )
