"""Synthetic images with ground truth, for training and testing without a download."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcnn._errors import ArgumentError
from fastcnn.data._registry import Found, drawn
from fastcnn.data._rendering import Random, blur, render, smooth_noise
from fastcnn.data.coco import with_boxes
from fastcnn.data.sample import Sample, Samples

# Seed offset of validation images: nobody trains with such a seed by chance.
HELD_OUT_SEED = 1_000_003


class _Drawn(Samples):
    """Images that depend only on a seed and their index."""

    def __init__(self, length: int, size: int, seed: int, smallest: int) -> None:
        name = type(self).__name__
        if length < 0:
            raise ArgumentError(f"{name}: expected length of at least 0, got {length}")
        if size < smallest:
            raise ArgumentError(f"{name}: expected size of at least {smallest}, got {size}")
        if not 0 <= seed < 1 << 32:
            raise ArgumentError(f"{name}: expected seed from 0 to 2^32 - 1, got {seed}")
        self._length, self.size, self.seed = length, size, seed
        self._drawn: dict[int, Any] = {}

    def __len__(self) -> int:
        """Return the number of images."""
        return self._length

    @abstractmethod
    def _draw(self, index: int) -> Any:
        """Draw a sample as bytes, for the cache."""

    def _kept(self, index: int) -> tuple[int, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index not in self._drawn:
            self._drawn[index] = self._draw(index)
        return index, self._drawn[index]


class Cells(_Drawn):
    """Touching cells under a fluorescence microscope: elongated, bright and dim, noisy, unevenly lit.

    Args:
        length: how many images.
        size: width and height in pixels.
        seed: other seeds give other images; number i of a seed is always the same one.
        radius: minimum and maximum typical radius in pixels; each image has its own.
        density: approximate share of the image that cells cover.
        noise: scales the camera's noise; 1 is a good camera.
        background: scales the unevenness of the light.

    Samples have a grey `image`, and `mask` with a number for each cell, 0 for background. An image is drawn once and
    cached, in 3 bytes per pixel.

    Raises:
        ArgumentError: numbers out of range.

    Example:
        >>> from fastcnn.data import Cells
        >>> sample = Cells(3, size=64)[0]
        >>> sample.image.shape, sample.mask.shape
        (torch.Size([1, 64, 64]), torch.Size([64, 64]))
    """

    def __init__(
        self,
        length: int,
        size: int = 256,
        seed: int = 0,
        radius: tuple[float, float] = (10.0, 16.0),
        density: float = 0.3,
        noise: float = 4.0,
        background: float = 3.0,
    ) -> None:
        super().__init__(length, size, seed, 32)
        if not 3 <= radius[0] <= radius[1] <= size / 4:
            raise ArgumentError(f"Cells: expected 3 <= radius[0] <= radius[1] <= size / 4, got {radius}")
        if not 0 <= density <= 1:
            raise ArgumentError(f"Cells: expected density from 0 to 1, got {density}")
        self.radius, self.density, self.noise, self.background = radius, density, noise, background

    def _draw(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        seed = (self.seed << 32) + index
        radius = float(Random(seed + (1 << 64)).uniform(*self.radius))
        # An ellipse with these axes covers about 0.6 of the circle.
        count = round(self.density * self.size**2 / (0.6 * math.pi * radius**2))
        scene = render(
            seed, self.size, radius, count, self.background, self.noise,
            roundness=(0.35, 0.75), brightness=(30.0, 165.0), rim=0.4,
        )  # fmt: skip
        return scene.image, scene.labels.astype(np.uint16)

    def __getitem__(self, index: int) -> Sample:
        """Return image and mask."""
        index, (image, labels) = self._kept(index)
        return Sample(
            torch.from_numpy(image.astype(np.float32) / np.float32(255))[None],
            mask=torch.from_numpy(labels.astype(np.int64)),
            source=f"Cells({self.seed})[{index}]",
        )


def _polygon(corners: int, inner: float = 1.0) -> NDArray[Any]:
    """Return a regular polygon, or a star whose inner corners lie at that radius, within the unit circle."""
    turns = np.arange(corners if inner == 1 else 2 * corners)
    angles = 2 * np.pi * turns / len(turns)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.where(turns % 2, inner, 1.0)[:, None]


_OUTLINES = {
    "circle": _polygon(64),
    "square": _polygon(4),
    "triangle": _polygon(3),
    "star": _polygon(5, 0.45),
}


class Shapes(_Drawn):
    """Circles, squares, triangles and stars of any colour, size and rotation, with boxes, on a noisy uneven ground.

    Args:
        length: how many images.
        size: width and height in pixels.
        seed: other seeds give other images; number i of a seed is always the same one.
        max_objects: maximum number of shapes in an image; the minimum is 1.
        noise: standard deviation of each channel's noise; 1 is the range from black to white.

    Samples have a colour `image`, `boxes` around the visible parts, and `classes`. An image is drawn once and cached,
    in 3 bytes per pixel.

    Raises:
        ArgumentError: numbers out of range.

    Example:
        >>> from fastcnn.data import Shapes
        >>> sample = Shapes(3, size=96)[0]
        >>> sample.image.shape, sample.boxes.shape[1], len(sample.boxes) == len(sample.classes)
        (torch.Size([3, 96, 96]), 4, True)
    """

    class_names = tuple(_OUTLINES)

    def __init__(self, length: int, size: int = 160, seed: int = 0, max_objects: int = 8, noise: float = 0.05) -> None:
        super().__init__(length, size, seed, 32)
        if max_objects < 1:
            raise ArgumentError(f"Shapes: expected max_objects of at least 1, got {max_objects}")
        self.max_objects, self.noise = max_objects, noise

    def _draw(self, index: int) -> tuple[NDArray[np.uint8], list[Any], list[int]]:
        from PIL import Image, ImageDraw

        random = Random((self.seed << 32) + index)
        size = self.size
        ground = np.stack([smooth_noise(random, size, size / 6) for _ in range(3)], -1)
        picture = random.uniform(0.2, 0.8, (3,)) + 0.08 * ground
        boxes: list[Any] = []
        classes: list[int] = []
        wanted = 1 + int(random.uniform(0, self.max_objects))
        fine = 4  # subpixels of the outline's mask per pixel, along each axis
        for _ in range(20 * wanted):
            if len(boxes) == wanted:
                break
            kind = int(random.uniform(0, len(_OUTLINES)))
            radius = size * 0.04 * 5 ** float(random.uniform(0, 1))
            centre, turn = random.uniform(0.6 * radius, size - 0.6 * radius, (2,)), float(random.uniform(0, 2 * np.pi))
            colour = random.uniform(0, 1, (3,))
            outline = _OUTLINES[self.class_names[kind]] * radius
            rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
            corners = outline @ rotation.T + centre
            low, high = np.maximum(corners.min(0), 0), np.minimum(corners.max(0), size)
            box = (low[0], low[1], high[0], high[1])
            if any(_covered(box, other) > 0.15 for other in boxes):
                continue
            left, top = np.floor(low).astype(int)
            right, bottom = np.ceil(high).astype(int)
            # A shape whose colour is close to its background would be invisible.
            if np.abs(picture[top:bottom, left:right].mean((0, 1)) - colour).max() < 0.25:
                continue
            mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
            ImageDraw.Draw(mask).polygon([tuple(p) for p in ((corners - (left, top)) * fine).tolist()], fill=255)
            share = np.asarray(mask.reduce(fine), np.float64)[..., None] / 255
            shaded = colour * (1 + 0.1 * (np.arange(right - left) / (right - left) - 0.5))[:, None]
            picture[top:bottom, left:right] += share * (shaded - picture[top:bottom, left:right])
            boxes.append(box)
            classes.append(kind)
        picture = np.stack([blur(picture[..., c], 0.6) for c in range(3)], -1)
        picture = picture + self.noise * random.normal(picture.shape)
        return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), boxes, classes

    def __getitem__(self, index: int) -> Sample:
        """Return image, boxes and classes."""
        index, (picture, boxes, classes) = self._kept(index)
        image = torch.from_numpy(picture.astype(np.float32) / np.float32(255)).permute(2, 0, 1).contiguous()
        return with_boxes(image, boxes, classes, f"Shapes({self.seed})[{index}]")


@drawn("cells", "mask")
def _cells(number: int, size: int, seed: int) -> Found:
    number, size = number or 384, size or 256
    return Found(Cells(number, size, seed), Cells(max(1, number // 8), size, seed + HELD_OUT_SEED))


@drawn("shapes", "boxes")
def _shapes(number: int, size: int, seed: int) -> Found:
    number, size = number or 2000, size or 160
    return Found(Shapes(number, size, seed), Shapes(max(1, number // 8), size, seed + HELD_OUT_SEED))


def _covered(a: Any, b: Any) -> float:
    """Return the intersection as a share of the smaller box."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return float(max(0.0, width) * max(0.0, height) / max(smaller, 1e-9))
