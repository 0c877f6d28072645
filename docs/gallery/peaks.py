"""
Peaks
=====

Local maxima, and peaks that keep a distance from one another.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastcnn.ops as fi


def mark(axis, image, peaks, title):
    axis.imshow(image, cmap="magma")
    axis.plot(peaks[:, 1], peaks[:, 0], "c+", markersize=9, markeredgewidth=2)
    axis.set_title(f"{title}: {len(peaks)}")
    axis.axis("off")


# %%
# The centres of touching objects
# -------------------------------
# The distance to the background has a maximum near the middle of each object. Every bump of the outline makes more of
# them. A minimal distance, or a smoother relief, leaves one for each object.

image = data.coins()
mask = fi.binarize_local(fi.gaussian_blur(image, 1.0), 101, "mean", -5)
mask = fi.remove_small_objects(fi.opening(fi.closing(mask, fi.disk(3)), fi.disk(5)), 300)
distance = fi.distance_transform_edt(mask)
smooth = fi.gaussian_blur(distance, 2.0)

_, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
mark(axes[0], distance, np.argwhere(fi.local_maxima(distance) & mask), "local_maxima")
mark(axes[1], distance, fi.peak_local_max(distance, min_distance=5), "min_distance=5")
mark(axes[2], smooth, fi.peak_local_max(smooth, min_distance=15), "smoothed, min_distance=15")

# %%
# Bright spots of a photograph
# ----------------------------
# Peaks come by falling height. ``threshold_abs`` leaves out the faint ones.

sky = data.hubble_deep_field()[..., 1][400:700, 300:600]
blurred = fi.gaussian_blur(sky, 1.5)
_, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(sky, cmap="gray")
axes[0].set_title("galaxies")
axes[0].axis("off")
mark(axes[1], blurred, fi.peak_local_max(blurred, min_distance=8, threshold_abs=40), "above 40")
mark(axes[2], blurred, fi.peak_local_max(blurred, min_distance=8, threshold_abs=90), "above 90")
