#!/usr/bin/env python3
"""Draw the strip of pictures in README.md: six steps on scikit-image's coins and fastcnn's drawn shapes.

    PYTHONPATH=python python scripts/readme_strip.py

Needs scikit-image and matplotlib, whose colour maps it uses.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image
from skimage import data

import fastcnn.ops as F
from fastcnn.data import Shapes
from fastcnn.pipelines import detect, draw_boxes

TILE = 176
TARGET = Path(__file__).parents[1] / "docs" / "images" / "strip.png"


def coloured(values: np.ndarray, name: str) -> np.ndarray:
    """Return RGB of values from their minimum to their maximum."""
    values = values.astype(np.float64)
    scaled = (values - values.min()) / max(np.ptp(values), 1e-9)
    return np.uint8(255 * matplotlib.colormaps[name](scaled)[..., :3])


def labelled(labels: np.ndarray) -> np.ndarray:
    """Return RGB in which neighbours have unlike colours, on black."""
    colours = matplotlib.colormaps["tab20"](labels * 7 % 20)[..., :3]
    return np.uint8(255 * colours * (labels > 0)[..., None])


def tiles() -> list[np.ndarray]:
    """Return the pictures, RGB, of any size."""
    coins = data.coins()[20:260, 60:300]
    mask = F.binarize_local(F.gaussian_blur(coins, 1.0), 101, "mean", -5)
    mask = F.remove_small_objects(F.opening(F.closing(mask, F.disk(3)), F.disk(5)), 300)
    distance = F.distance_transform_edt(mask)
    smooth = F.gaussian_blur(distance, 2.0)
    peaks = F.peak_local_max(smooth, min_distance=15)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = F.watershed(-smooth, markers, mask=mask)
    edges = F.morphological_gradient(F.gaussian_blur(coins, 1.0), 3)
    turned = F.warp_affine(coins, [[0.94, -0.34, 48], [0.34, 0.94, -28]])
    shapes = np.asarray(Shapes(1, 160, seed=5)[0].image.permute(1, 2, 0).mul(255).byte())
    found = detect(shapes)
    return [
        coloured(coins, "gray"),
        coloured(mask, "gray"),
        coloured(distance, "magma"),
        labelled(labels),
        np.hstack([coloured(np.minimum(edges, 120)[:, :120], "gray"), coloured(turned[:, 120:], "gray")]),
        draw_boxes(shapes, found.boxes, found.classes, thickness=2),
    ]


def main() -> None:
    """Write the strip."""
    torch.manual_seed(0)
    pictures = [Image.fromarray(t).resize((TILE, TILE), Image.Resampling.LANCZOS) for t in tiles()]
    strip = Image.new("RGB", (TILE * len(pictures) + 4 * (len(pictures) - 1), TILE), "white")
    for i, picture in enumerate(pictures):
        strip.paste(picture, (i * (TILE + 4), 0))
    strip.quantize(256).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
