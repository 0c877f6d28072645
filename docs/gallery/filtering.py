"""
Filtering
=========

Gaussian blur: less noise, less detail.
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
# One number for both axes, or one for each
# -----------------------------------------

camera = data.camera()
show(
    {
        "photograph": camera,
        "sigma 2": fi.gaussian_blur(camera, 2.0),
        "sigma 8": fi.gaussian_blur(camera, 8.0),
        "sigma (0, 8)": fi.gaussian_blur(camera, (0.0, 8.0)),
        "sigma (8, 0)": fi.gaussian_blur(camera, (8.0, 0.0)),
        "difference of sigma 1 and 4": fi.gaussian_blur(camera * 1.0, 1.0) - fi.gaussian_blur(camera * 1.0, 4.0),
    }
)

# %%
# Noise
# -----
# The mean over a neighbourhood reduces noise, and blurs edges with it: the best sigma is a compromise.

rng = np.random.default_rng(0)
noisy = np.clip(camera + rng.normal(0, 30, camera.shape), 0, 255).astype(np.uint8)
part = np.s_[60:260, 150:350]
show(
    {
        f"{title}: error {np.abs(result.astype(float) - camera).mean():.1f}": result[part]
        for title, result in {
            "noisy": noisy,
            "sigma 1.5": fi.gaussian_blur(noisy, 1.5),
            "sigma 4": fi.gaussian_blur(noisy, 4.0),
        }.items()
    }
)
