"""
Geometry
========

Other sizes, affine maps, pyramids.
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
# Larger: three ways to interpolate
# ---------------------------------

camera = data.camera()
eye = data.chelsea()[104:128, 165:201]
show(
    {mode: fi.resize(eye, (320, 480), mode=mode, channel_axis=-1) for mode in ("nearest-exact", "bilinear", "bicubic")}
)

# %%
# Smaller: with and without antialiasing
# --------------------------------------
# Fine stripes turn into coarse ones where pixels are left out. With ``antialias`` every pixel counts.

brick = data.brick()
y, x = np.mgrid[0:256, 0:256]
rings = (127.5 + 127.5 * np.cos(np.hypot(y - 128, x - 128) ** 2 / 160)).astype(np.uint8)
show(
    {
        "256 x 256": rings,
        "64 x 64": fi.resize(rings, 64),
        "64 x 64, antialias": fi.resize(rings, 64, antialias=True),
        "bricks, 512 x 512": brick,
        "bricks, 64 x 64": fi.resize(brick, 64),
        "bricks, 64 x 64, antialias": fi.resize(brick, 64, antialias=True),
    }
)

# %%
# Affine maps
# -----------
# A matrix (2, 3) says where each pixel goes, in (x, y). A rotation about the middle is a shift, a rotation and the
# shift back.


def about_the_middle(matrix):
    middle = np.array([255.5, 255.5])
    return np.column_stack([matrix, middle - matrix @ middle])


turn = np.radians(30)
rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
show(
    {
        "rotated by 30 degrees": fi.warp_affine(camera, about_the_middle(rotation)),
        "sheared": fi.warp_affine(camera, about_the_middle(np.array([[1, 0.4], [0, 1]]))),
        "scaled, fill=128": fi.warp_affine(camera, about_the_middle(np.diag([0.5, 0.8])), fill=128),
    }
)

# %%
# A pyramid
# ---------
# A detector that knows one size looks for larger objects in smaller versions. Each level comes with the factors that
# bring its boxes back.

levels = fi.image_pyramid(camera, factor=1.6, min_size=64)
sheet = np.full((512, sum(level.shape[1] for level, _ in levels)), 255, np.uint8)
left = 0
for level, scale in levels:
    sheet[512 - level.shape[0] :, left : left + level.shape[1]] = level
    left += level.shape[1]
    print(level.shape, "factors", scale.round(2))
show({"image_pyramid": sheet}, columns=1)
