"""`segment_instances` against the same chain in scikit-image, parameter for parameter."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.ndimage as ndi
import skimage.data
from skimage import feature, filters, measure, morphology, segmentation

from benchmarks.harness import Case, load
from fastcnn.pipelines import segment_instances


def scikit_image(image: np.ndarray, p: dict[str, Any]) -> np.ndarray:
    blurred = filters.gaussian(image, p["sigma"], preserve_range=True)
    if p["threshold"] == "local":
        mask = blurred > filters.threshold_local(blurred, p["block_size"], "mean", offset=p["offset"])
    else:
        mask = blurred > filters.threshold_otsu(blurred)
    mask = morphology.closing(mask, morphology.disk(p["closing"]))
    mask = ndi.binary_fill_holes(mask)
    mask = morphology.opening(mask, morphology.disk(p["opening"]))
    mask = morphology.remove_small_objects(mask, max_size=p["min_size"])
    distance = filters.gaussian(ndi.distance_transform_edt(mask), p["smooth_distance"])
    peaks = feature.peak_local_max(
        distance, min_distance=p["min_distance"], labels=measure.label(mask), exclude_border=False
    )
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, markers, mask=mask)
    measure.regionprops_table(labels, image, properties=("area", "bbox", "centroid", "intensity_mean"))
    return labels


def cases(size: int) -> Iterator[Case]:
    coins = skimage.data.coins()
    repeats = [-(-size // n) for n in coins.shape]
    # Every second tile turned, so that the copies are not one picture.
    tiled = np.block([[np.rot90(coins, 2 * ((i + j) % 2)) for j in range(repeats[1])] for i in range(repeats[0])])
    image = np.ascontiguousarray(tiled[:size, :size])
    for case in load("pipelines"):
        p = case["parameters"]
        yield Case(
            f"segment_instances, {case['name']}",
            {
                "fastcnn": lambda p=p: segment_instances(image, **p, fill_holes="all").labels,
                "scikit-image": lambda p=p: scikit_image(image, p),
            },
            goal=case["goal"],
            notes={"scikit-image": "differs: labels, numbered otherwise"},
        )
