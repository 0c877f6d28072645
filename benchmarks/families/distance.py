"""The exact Euclidean distance transform against OpenCV's precise one, and SciPy's where OpenCV has none."""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import scipy.ndimage as ndi

import fastcnn.ops as fc
from benchmarks import masks
from benchmarks.harness import Case, load


def opencv(mask: np.ndarray) -> Any:
    return cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def scipy(mask: np.ndarray, options: dict[str, Any]) -> Any:
    # Coordinates are not compared: SciPy takes another of equally near zeros.
    result = ndi.distance_transform_edt(mask, **options)
    return result[0] if options.get("return_indices") else result


def fastcnn(mask: np.ndarray, options: dict[str, Any]) -> Any:
    result = fc.distance_transform_edt(mask, spatial_dims=mask.ndim, **options)
    return result[0] if options.get("return_indices") else result


def cases(size: int) -> Iterator[Case]:
    for case in load("distance"):
        options = case.get("options", {})
        # A volume has a quarter of a plane's pixels.
        shape = (round((size * size / 4) ** (1 / 3)),) * 3 if case.get("volume") else (size, size)
        mask = masks.make(case["mask"], shape).astype(np.uint8)
        run: dict[str, Callable[[], Any]] = {"fastcnn": lambda mask=mask, options=options: fastcnn(mask, options)}
        if "opencv" in case["peers"]:
            run["opencv"] = lambda mask=mask: opencv(mask)
        if "scipy" in case["peers"]:
            run["scipy"] = lambda mask=mask, options=options: scipy(mask, options)
        moved = 5 + (8 * mask.ndim if options.get("return_indices") else 0)
        name = ", ".join([case["mask"], *(["volume"] if case.get("volume") else []), *options])
        yield Case(name, run, bytes=mask.nbytes * moved, goal=case["goal"])
