"""
Regions
=======

Regions of a map, cut out and brought to one size.
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
# Average or maximum
# ------------------
# ``roi_align`` averages bilinear samples within each bin, at the box's exact place. ``roi_pool`` takes the maximum over
# whole pixels. Both give every box the same size, as the head of a two-stage detector needs it.

cat = np.ascontiguousarray(np.float32(data.chelsea()).transpose(2, 0, 1))[None] / 255
boxes = np.float32([[0, 120, 70, 245, 160], [0, 265, 85, 370, 170]])  # image, x1, y1, x2, y2
names = ("one eye", "the other")

_, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.imshow(cat[0].transpose(1, 2, 0))
for _, x1, y1, x2, y2 in boxes:
    axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="orange", lw=2))
axis.set_title("two regions")
axis.axis("off")

# %%

aligned = fi.roi_align(cat, boxes, 48, aligned=True).transpose(0, 2, 3, 1)
pooled = fi.roi_pool(cat, boxes, 48).transpose(0, 2, 3, 1)
coarse = fi.roi_align(cat, boxes, 7, aligned=True).transpose(0, 2, 3, 1)
show(
    {
        f"{kind}, {name}": result
        for i, name in enumerate(names)
        for kind, result in {"roi_align 48": aligned[i], "roi_pool 48": pooled[i], "roi_align 7": coarse[i]}.items()
    }
)
