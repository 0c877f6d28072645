"""
Watershed
=========

From a picture of touching objects to one label for each.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastcnn
import fastcnn.ops as fi
from fastcnn.io import read_image
from fastcnn.pipelines import draw_outlines, segment_instances


def show(pictures, columns=3):
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title)


def in_colours(labels):
    """Neighbouring numbers in different colours, the background black."""
    colours = np.random.default_rng(3).uniform(0.25, 1, (labels.max() + 1, 3))
    colours[0] = 0
    return colours[labels]


# %%
# The chain, step by step
# -----------------------
# Blur and threshold; measure distances; take their peaks as markers; flood the negative distance from there. These
# cells touch: the mask has fewer components than there are cells, and the flood parts them.

cells = read_image(Path(fastcnn.__file__).parent / "data" / "cells.png").grey()
smooth = fi.gaussian_blur(cells, 1.0)
mask = fi.remove_small_objects(smooth > fi.threshold_otsu(smooth), 40)
components = fi.label(mask)
distance = fi.gaussian_blur(fi.distance_transform_edt(mask), 1.5)
peaks = fi.peak_local_max(distance, min_distance=8, labels=components)
markers = np.zeros(mask.shape, np.int32)
markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
labels = fi.watershed(-distance, markers, mask=mask)

show(
    {
        "cells": cells,
        "mask": mask,
        f"components: {components.max()}": in_colours(components),
        "distance": distance,
        f"markers: {len(peaks)}": in_colours(fi.dilation(markers, fi.disk(5))),
        f"watershed: {labels.max()}": in_colours(labels),
    }
)

# %%
# The same in one call
# --------------------
# ``fastcnn.pipelines.segment_instances`` is the whole chain, with settings that are measured from the picture.

coins = data.coins()
found = segment_instances(coins)
show({"coins": coins, f"{int(found.count)} objects": draw_outlines(coins, found.labels)}, columns=2)

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
