"""
Thresholding
============

One threshold for an image, or one for every pixel.
"""

import matplotlib.pyplot as plt
from skimage import data

import fastcnn.ops as fi


def show(pictures, columns=2):
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(9, 2.5 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title)


# %%
# Uneven light
# ------------
# Otsu's method finds the threshold that separates the values best. No single threshold separates this page, whose
# left side lies in the shadow. A threshold for every pixel, the mean around it less an offset, does.

page = data.page()
otsu = fi.threshold_otsu(page)
local = fi.threshold_local(page, 35, "gaussian", 10)
show(
    {
        "page": page,
        f"above Otsu's threshold, {otsu}": page > otsu,
        "threshold_local": local,
        "binarize_local": fi.binarize_local(page, 35, "gaussian", 10),
    }
)

# %%
# The size of the block
# ---------------------
# The block has to be larger than what is to be found: within a letter's stroke a smaller one sees nothing but ink. A
# much larger one no longer follows the shadow.

show({f"block_size={n}": fi.binarize_local(page, n, "mean", 10) for n in (5, 15, 51, 151)})
