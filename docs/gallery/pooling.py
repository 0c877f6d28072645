"""
Pooling
=======

Smaller maps: the maximum or the mean of each window.
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
# Maximum and mean
# ----------------
# ``max_pool2d`` keeps the brightest pixel of each window, ``avg_pool2d`` the mean. Windows may overlap: AlexNet's are 3
# wide, 2 apart. The adaptive pools, ``adaptive_avg_pool2d`` and ``adaptive_max_pool2d``, take the size of the result
# instead of that of the windows.

camera = np.float32(data.camera())[None, None] / 255
part = camera[..., 60:220, 160:320]
show(
    {
        f"{title}: {result.shape[-2]} x {result.shape[-1]}": result[0, 0]
        for title, result in {
            "image": part,
            "max_pool2d(8)": fi.max_pool2d(part, 8),
            "avg_pool2d(8)": fi.avg_pool2d(part, 8),
            "max_pool2d(3, 2)": fi.max_pool2d(part, 3, 2),
            "adaptive mean": fi.adaptive_avg_pool2d(part, (20, 10)),
            "adaptive maximum": fi.adaptive_max_pool2d(part, (20, 10)),
        }.items()
    }
)

# %%
# There and back
# --------------
# With ``return_indices`` the maxima can be put back where they were found.

pooled, indices = fi.max_pool2d(part, 4, return_indices=True)
show({"image": part[0, 0], "maxima": pooled[0, 0], "max_unpool2d": fi.max_unpool2d(pooled, indices, 4)[0, 0]})

# %%
# As many numbers for any image
# -----------------------------
# ``spatial_pyramid_pool`` puts the maxima on grids of 1, 2 x 2 and 4 x 4 side by side: 21 numbers for each channel,
# whatever the size of the image.

for size in (160, 90, 37):
    print(size, "->", fi.spatial_pyramid_pool(part[..., :size, :size]).shape)
