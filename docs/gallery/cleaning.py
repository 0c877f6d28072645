"""
Cleaning
========

Removal of small objects and holes from a mask.
"""

import matplotlib.pyplot as plt
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
# A threshold leaves specks and holes
# -----------------------------------
# Bright coins on an uneven ground. A local threshold finds them, and with them specks of the ground. The relief of the
# coins leaves holes.

coins = data.coins()
mask = fi.binarize_local(coins, 101, "mean", -10)
without_specks = fi.remove_small_objects(mask, 300)
without_holes = fi.remove_small_holes(without_specks, 60)
show(
    {
        "photograph": coins,
        "local threshold": mask,
        "remove_small_objects": without_specks,
        "remove_small_holes": without_holes,
        "fill_holes": fi.fill_holes(without_specks),
        "clear_border": fi.clear_border(fi.label(without_holes)) > 0,
    }
)

# %%
# The differences
# ---------------
# ``remove_small_holes`` fills what is at most as large as its argument, at the border too. ``fill_holes`` fills every
# hole that is closed, whatever its size.

print("specks:", int((mask & ~without_specks).sum()), "pixels")
print("holes:", int((without_holes & ~without_specks).sum()), "pixels")
