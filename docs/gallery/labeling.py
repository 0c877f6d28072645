"""
Labels and measurements
=======================

Connected components, and a table of their sizes, positions and intensities.
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
        axis.imshow(picture, cmap="nipy_spectral", interpolation="nearest")
        axis.set_title(title)


# %%
# Components
# ----------
# Every connected set of pixels gets a number. ``clear_border`` drops what the image cuts off; ``relabel_sequential``
# closes the gaps in the numbers.

coins = data.coins()
mask = fi.binarize_local(fi.gaussian_blur(coins, 1.0), 101, "mean", -5)
mask = fi.remove_small_objects(fi.opening(fi.closing(mask, fi.disk(3)), fi.disk(5)), 300)
labels = fi.label(mask)
inner = fi.relabel_sequential(fi.clear_border(labels)).labels
hidden = np.ma.masked_equal
show({"mask": mask, f"label: {labels.max()}": hidden(labels, 0), f"clear_border: {inner.max()}": hidden(inner, 0)})

# %%
# The table
# ---------
# ``region_table`` measures all labels in one pass. Each column is an array; row 0 belongs to label 1.

table = fi.region_table(labels, coins)
for row in range(5):
    y, x = table.centroid[row]
    print(f"label {row + 1}: {table.area[row]} pixels at ({y:.1f}, {x:.1f}), mean {table.intensity_mean[row]:.1f}")

# %%
# The box of each label is a column too.

_, axis = plt.subplots(figsize=(7, 5.5), layout="constrained")
axis.imshow(coins, cmap="gray")
for x1, y1, x2, y2 in table.bbox:
    axis.add_patch(plt.Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, edgecolor="orange"))
axis.set_title("bounding boxes")
axis.axis("off")

# %%
# A batch in one call
# -------------------
# All dimensions before the last two are a batch: the labels of each image start at 1 again.

batch = np.stack([coins > level for level in (90, 130, 170)])
found = fi.label(batch)
show({f"above {level}: {one.max()}": hidden(one, 0) for level, one in zip((90, 130, 170), found, strict=True)})
