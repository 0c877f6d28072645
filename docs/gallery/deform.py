"""
Deformable convolution
======================

A convolution whose samples are moved, each by an offset of its own.
"""

import matplotlib.pyplot as plt
import torch
from skimage import data

import fastcnn.ops as F


def show(pictures, columns=3):
    rows = -(-len(pictures) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(title)


# %%
# Offsets alone
# -------------
# With a kernel of one weight the offsets move the picture: by a constant, or by a wave. In a network another
# convolution predicts them.

image = torch.from_numpy(data.checkerboard())[None, None].float() / 255
height, width = image.shape[-2:]
rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
columns = torch.arange(width, dtype=torch.float32).expand(height, width)
one = torch.ones(1, 1, 1, 1)

constant = torch.stack([torch.full_like(rows, 30.0), torch.full_like(rows, 12.0)])[None]
wave = torch.stack([8 * torch.sin(columns / 12), 8 * torch.sin(rows / 12)])[None]
show(
    {
        "image": image[0, 0],
        "constant offsets": F.deform_conv2d(image, constant, one)[0, 0],
        "a wave": F.deform_conv2d(image, wave, one)[0, 0],
    }
)

# %%
# Nine samples that move apart
# ----------------------------
# The samples of a 3 x 3 mean lie the farther apart the farther the pixel is from the middle: the blur grows outwards. A
# mask multiplies each sample; here it fades the right half.

camera = torch.from_numpy(data.camera())[None, None].float() / 255
height, width = camera.shape[-2:]
y, x = torch.meshgrid(torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij")
spread = torch.hypot(y, x) / 40
taps = torch.stack([torch.tensor([i, j]) for i in (-1.0, 0.0, 1.0) for j in (-1.0, 0.0, 1.0)]).reshape(1, 18, 1, 1)
offsets = taps * spread
mean = torch.full((1, 1, 3, 3), 1 / 9)
fade = torch.where(x > 0, 0.4, 1.0).expand(1, 9, height, width).contiguous()
show(
    {
        "image": camera[0, 0],
        "offsets that grow": F.deform_conv2d(camera, offsets, mean, padding=1)[0, 0],
        "with a mask": F.deform_conv2d(camera, offsets, mean, padding=1, mask=fade)[0, 0],
    }
)
