"""
Distance
========

The exact Euclidean distance of every pixel to the background.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastcnn.ops as fi


def show(pictures, columns=3):
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture, cmap="magma", interpolation="nearest")
        axis.set_title(title)


# %%
# Distance and nearest pixel
# --------------------------
# The distance is greatest in the middle of thick parts. With ``return_indices`` the function also tells which
# background pixel is the nearest; its row is shown as a colour.

horse = ~data.horse()
distance, nearest = fi.distance_transform_edt(horse, return_indices=True)
show({"mask": horse, "distance": distance, "row of the nearest zero": np.where(horse, nearest[0], 0)})

# %%
# Level lines
# -----------
# Distances outside make a frame of any width; distances inside an erosion by any radius, not only by whole numbers.

outside = fi.distance_transform_edt(~horse)
show(
    {
        "up to 12 pixels outside": horse | (outside <= 12),
        "more than 7.5 pixels inside": distance > 7.5,
        "level lines, 10 apart": np.maximum(distance, outside) % 10 < 5,
    }
)

# %%
# Pixels that are not square
# --------------------------
# ``sampling`` is the extent of a pixel along each axis. Here rows are three times as far apart as columns.

point = np.ones((81, 81), bool)
point[40, 40] = False
show(
    {
        "sampling 1": fi.distance_transform_edt(point),
        "sampling (3, 1)": fi.distance_transform_edt(point, sampling=(3, 1)),
        "level lines, 20 apart": fi.distance_transform_edt(point, sampling=(3, 1)) % 20 < 10,
    }
)
