"""
Watershed
=========

From a picture of touching objects to one label for each.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastcnn.image as fi


def show(pictures, columns=3):
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title)


# %%
# The chain, step by step
# -----------------------
# Blur and threshold; clean; measure distances; take their peaks as markers; flood the negative distance from there.

coins = data.coins()
mask = fi.binarize_local(fi.gaussian_blur(coins, 1.0), 101, "mean", -5)
mask = fi.remove_small_objects(fi.opening(fi.closing(mask, fi.disk(3)), fi.disk(5)), 300)
distance = fi.gaussian_blur(fi.distance_transform_edt(mask), 2.0)
peaks = fi.peak_local_max(distance, min_distance=15, labels=fi.label(mask))
markers = np.zeros(mask.shape, np.int32)
markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
labels = fi.watershed(-distance, markers, mask=mask)

show(
    {
        "photograph": coins,
        "mask": mask,
        "distance": distance,
        f"components: {fi.label(mask).max()}": np.ma.masked_equal(fi.label(mask), 0),
        "markers": fi.dilation(markers, fi.disk(4)),
        f"watershed: {labels.max()}": np.ma.masked_equal(labels, 0),
    }
)

# %%
# Touching cells, in one call
# ---------------------------
# ``fastcnn.pipelines.segment_instances`` is the whole chain, with settings that are measured from the picture. The
# cells of the sample that comes with fastcnn touch; the flood parts them.

from pathlib import Path

import fastcnn
from fastcnn.io import read_image
from fastcnn.pipelines import draw_outlines, segment_instances

cells = read_image(Path(fastcnn.__file__).parent / "data" / "cells.png").grey()
found = segment_instances(cells)
show({"cells": cells, f"{int(found.count)} objects": draw_outlines(cells, found.labels)}, columns=2)

# %%
# Lines, and compact basins
# -------------------------
# ``watershed_line`` leaves a line of zeros between labels. ``compactness`` makes basins of similar size and shape,
# whatever the relief: superpixels.

camera = data.camera()
relief = fi.morphological_gradient(fi.gaussian_blur(camera, 1.0))
grid = np.zeros(camera.shape, np.int32)
grid[16::32, 16::32] = np.arange(1, 257).reshape(16, 16)
lines = fi.watershed(relief, grid, watershed_line=True)
compact = fi.watershed(relief.astype(np.float32), grid, compactness=0.1)
show(
    {
        "gradient": relief,
        "watershed_line": np.where(lines == 0, 255, camera),
        "compactness": np.where(fi.morphological_gradient(compact) > 0, 255, camera),
    }
)
