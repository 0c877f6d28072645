"""
Convolution
===========

Filters by hand, and the layer that learns them.
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
# Filters by hand
# ---------------
# ``conv2d`` takes images (N, C, H, W) and filters (K, C, kh, kw); six filters of size 5 are one call. Like a layer of a
# network it is a cross-correlation: the kernel is not flipped. Sobel's kernel as it stands here is negative where the
# picture becomes brighter to the right; under a true convolution, which flips the kernel, it is positive.

kernels = {
    "Sobel, horizontal": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "Sobel, vertical": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "Laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box": np.full((3, 3), 1 / 9),
    "Gaussian": np.outer([1, 4, 7, 4, 1], [1, 4, 7, 4, 1]) / 289,
}
filters = np.stack([np.pad(np.float32(k), (5 - len(k)) // 2) for k in kernels.values()])[:, None]

camera = np.float32(data.camera()) / 255
results = fi.conv2d(camera[None, None], filters, padding=2)[0]
show({title: np.clip(result, *np.percentile(result, (1, 99))) for title, result in zip(kernels, results, strict=True)})

# %%
# Padding, stride, dilation
# -------------------------
# Without padding the result is smaller than the image. A stride leaves out positions, a dilation widens the kernel.

box = np.full((1, 1, 9, 9), 1 / 81, np.float32)
show(
    {
        f"{title}: {result.shape[-2]} x {result.shape[-1]}": result[0, 0]
        for title, result in {
            "no padding": fi.conv2d(camera[None, None], box),
            "stride 8": fi.conv2d(camera[None, None], box, stride=8),
            "dilation 4, padding 16": fi.conv2d(camera[None, None], box, dilation=4, padding=16),
        }.items()
    }
)

# %%
# A hexagonal aperture
# --------------------
# The mean over a hexagon blurs as a lens with six blades does.

rocket = np.float32(data.rocket()[180:420, 200:440]) / 255
hexagon = np.float32(fi.hexagon(7))
hexagon = (hexagon / hexagon.sum())[None, None]
blurred = fi.conv2d(np.ascontiguousarray(rocket.transpose(2, 0, 1))[:, None], hexagon, padding=(6, 7))
show({"photograph": rocket, "kernel": hexagon[0, 0], "blurred": blurred[:, 0].transpose(1, 2, 0).clip(0, 1)})

# %%
# A layer that learns a filter
# ----------------------------
# ``fastcnn.nn.Conv2d`` is torch's layer on our kernels. Shown pictures and their Sobel edges, it finds Sobel's filter.

import torch

import fastcnn.nn as fnn

torch.manual_seed(0)
layer = fnn.Conv2d(1, 1, 3, padding=1, bias=False)
image = torch.from_numpy(camera[::2, ::2].copy())[None, None]
wanted = torch.nn.functional.conv2d(image, torch.tensor(kernels["Sobel, horizontal"])[None, None].float(), padding=1)
before = layer.weight.detach().clone()[0, 0]
optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")


def loss():
    optimizer.zero_grad()
    error = torch.nn.functional.mse_loss(layer(image), wanted)
    error.backward()
    return error


optimizer.step(loss)
after = layer.weight.detach()[0, 0]
print(after.numpy().round(2))
show({"filter at the start": before, "learned filter": after, "its edges": layer(image).detach()[0, 0]})
