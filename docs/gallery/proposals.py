"""
Proposals
=========

Where an object may be: segments, selective search, sliding windows.
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


# %%
# Segments without strong borders within
# --------------------------------------
# Felzenszwalb's graph of pixels. A larger scale makes larger segments.

coffee = data.coffee()
mean = {}
for scale in (50, 200, 800):
    segments = fi.felzenszwalb(coffee / 255, scale=scale, sigma=0.8, min_size=50, channel_axis=-1)
    area = np.bincount(segments.ravel())
    sums = [np.bincount(segments.ravel(), coffee[..., c].ravel()) for c in range(3)]
    mean[f"scale {scale}: {len(area)} segments"] = (np.stack(sums, 1) / area[:, None] / 255)[segments]
show(mean)

# %%
# Selective search
# ----------------
# Similar neighbours are joined again and again; the box of every set on the way is a proposal. R-CNN looks at up to
# 2000 of them. Here are the twelve that fit the cup and the saucer best.

boxes, scores = fi.selective_search(coffee, channel_axis=-1)
wanted = np.float32([[100, 55, 490, 345], [210, 75, 460, 270]])
best = np.argsort(-fi.box_iou(boxes, wanted).max(1), kind="stable")[:12]
_, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for axis, chosen, title in zip(axes, (boxes, boxes[best]), (f"all {len(boxes)} boxes", "twelve of them"), strict=True):
    axis.imshow(coffee)
    for x1, y1, x2, y2 in chosen:
        axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="orange", lw=0.7))
    axis.set_title(title)
    axis.axis("off")

# %%
# Sliding windows
# ---------------
# ``sliding_windows`` is a view: every window of one size, and its box. The darkest window and the brightest one:

grey = np.ascontiguousarray(coffee.mean(-1))
windows, places = fi.sliding_windows(grey, 96, 16)
level = windows.mean((-2, -1))
low = np.unravel_index(level.argmin(), level.shape)
high = np.unravel_index(level.argmax(), level.shape)
show(
    {
        "mean of each window": level,
        "darkest": windows[low],
        "brightest": windows[high],
    }
)
