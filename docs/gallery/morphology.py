"""
Morphology
==========

The minimum and the maximum over a neighbourhood, and what is made of them.
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
# Five operations on a mask
# -------------------------
# Erosion takes a layer off every object, dilation adds one. An opening is an erosion and then a dilation: what is too
# thin for the footprint disappears, the rest keeps its size. A closing does the same to the background.

horse = ~data.horse()
disk = fi.disk(9)
show(
    {
        "mask": horse,
        "erosion": fi.erosion(horse, disk),
        "dilation": fi.dilation(horse, disk),
        "opening": fi.opening(horse, disk),
        "closing": fi.closing(horse, disk),
        "morphological gradient": fi.morphological_gradient(horse, 3),
    }
)

# %%
# The same on grey values
# -----------------------
# The functions take every dtype. On a photograph an opening removes bright details, a closing dark ones, and the
# gradient marks edges.

camera = data.camera()
show(
    {
        "photograph": camera,
        "opening": fi.opening(camera, fi.disk(6)),
        "closing": fi.closing(camera, fi.disk(6)),
        "erosion": fi.erosion(camera, 9),
        "dilation": fi.dilation(camera, 9),
        "morphological gradient": fi.morphological_gradient(camera, 3),
    }
)

# %%
# The footprint decides
# ---------------------
# A footprint is an int (a square), sizes, or any mask. The maximum over a hexagon is the lecture's bokeh: every point
# of light takes the shape of the aperture.

night = data.hubble_deep_field()[280:430, 380:530, 1]
show(
    {
        "points of light": night,
        "square(15)": fi.dilation(night, fi.square(15)),
        "disk(7)": fi.dilation(night, fi.disk(7)),
        "diamond(7)": fi.dilation(night, fi.diamond(7)),
        "hexagon(7)": fi.dilation(night, fi.hexagon(7)),
        "line(15, 45)": fi.dilation(night, fi.line(15, 45)),
    }
)
