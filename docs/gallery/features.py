"""
Features
========

Histograms of oriented gradients: what the classical detector looks at.
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
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title)


def brighter(picture):
    return np.minimum(picture, np.percentile(picture, 98))


# %%
# A picture of the histograms
# ---------------------------
# Each cell of 8 x 8 pixels counts the directions of its gradients. With ``visualize`` the function draws a line for
# each direction, across the gradient: along the edge.

astronaut = data.astronaut()[0:240, 100:340]
features, picture = fi.hog(astronaut, channel_axis=-1, visualize=True)
print("blocks, cells in a block, orientations:", features.shape)
show({"photograph": astronaut, "histograms of 8 x 8 cells": brighter(picture)}, columns=2)

# %%
# Larger cells see less
# ---------------------

show(
    {
        f"cells of {n} x {n}": brighter(fi.hog(astronaut, pixels_per_cell=(n, n), channel_axis=-1, visualize=True)[1])
        for n in (6, 12, 24)
    }
)

# %%
# How alike are two windows?
# --------------------------
# A classifier compares such vectors. Even the plain product of one coin's features with those of every window of the
# photograph is high where another coin lies. `examples/detect_hog_svm.py` in the repository trains a linear SVM
# instead.

coins = data.coins()
blocks = fi.hog(coins)  # (rows, columns, 2, 2, 9)
coin = blocks[1:7, 4:10]
windows = np.lib.stride_tricks.sliding_window_view(blocks, coin.shape[:2], (0, 1))
likeness = np.einsum("ijabcyx,yxabc->ij", windows, coin) / np.sqrt((windows**2).sum((2, 3, 4, 5, 6)))
show({"photograph": coins, "likeness to the window at the top left": likeness}, columns=2)
