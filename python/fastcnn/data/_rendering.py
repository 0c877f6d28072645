"""Render cells as a fluorescence microscope shows them, with ground truth.

Stained nuclei: clusters of touching, slightly lobed ellipses of varying brightness with mottled chromatin, blurred by
the optics, on an uneven background, with photon and read-out noise.

The result depends only on the arguments: uniform random numbers come from the raw PCG64 stream, which NumPy guarantees
never to change; normal ones are computed from them here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scene(NamedTuple):
    """A rendered image (uint8) and its ground truth (int32, 0 background, 1..N nuclei)."""

    image: NDArray[Any]
    labels: NDArray[Any]


class Random:
    """Uniform and normal numbers from the raw PCG64 stream."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, low: float, high: float, shape: tuple[int, ...] = ()) -> NDArray[Any]:
        """Return values from low to high."""
        raw = np.asarray(self._bits.random_raw(shape or None), np.uint64)
        result: NDArray[Any] = low + (high - low) * (raw >> np.uint64(11)) / float(1 << 53)
        return result

    def normal(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return normal values by the Box-Muller method."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(0, 1, shape)))
        result: NDArray[Any] = radius * np.cos(self.uniform(0, 2 * np.pi, shape))
        return result


def blur(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Gaussian blur with mirrored borders, in plain NumPy, so that the image does not depend on an op's version."""
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        width = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(image, width, mode="symmetric")
        image = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
    return image


def smooth_noise(random: Random, size: int, sigma: float) -> NDArray[Any]:
    """Noise with structures of about `sigma` pixels, mean 0 and standard deviation 1."""
    # Coarse structures are drawn small and enlarged: a blur as wide as the image would be slow.
    step = max(1, int(sigma / 4))
    small = blur(random.normal((size // step + 2,) * 2), sigma / step)
    at = np.arange(size) / step
    low, part = at.astype(int), at - at.astype(int)
    rows = small[low] * (1 - part)[:, None] + small[low + 1] * part[:, None]
    field = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    result: NDArray[Any] = (field - field.mean()) / field.std()
    return result


class Shape(NamedTuple):
    """An ellipse whose outline is modulated by three low harmonics."""

    axes: NDArray[Any]
    lobes: NDArray[Any]
    phases: NDArray[Any]
    turn: float

    def distance(self, dy: NDArray[Any], dx: NDArray[Any]) -> NDArray[Any]:
        """Distance from the centre relative to the outline: below 1 inside, 1 on it."""
        angle = np.arctan2(dy, dx) - self.turn
        outline = self.axes.prod() / np.hypot(self.axes[1] * np.cos(angle), self.axes[0] * np.sin(angle))
        for k in range(3):
            outline = outline * (1 + self.lobes[k] * np.cos((k + 2) * angle + self.phases[k]))
        relative: NDArray[Any] = np.hypot(dy, dx) / outline
        return relative


def random_shape(random: Random, radius: float, roundness: tuple[float, float]) -> Shape:
    """Return a random shape of about this radius."""
    long = radius * random.uniform(0.85, 1.25)
    axes = np.array([long, long * random.uniform(*roundness)])
    return Shape(axes, random.uniform(-0.05, 0.05, (3,)), random.uniform(0, 6.28, (3,)), float(random.uniform(0, 6.28)))


def place(random: Random, size: int, radius: float, count: int, roundness: tuple[float, float]) -> NDArray[Any]:
    """Place `count` nuclei in the image. Most touch an earlier one; none may cover much of another."""
    labels = np.zeros((size, size), np.int32)
    centres: list[tuple[float, float]] = []
    y, x = np.mgrid[:size, :size]
    for _ in range(60 * count):
        if len(centres) == count:
            break
        if centres and random.uniform(0, 1) < 0.75:
            # Slightly less than two radii from an earlier one, so that they touch.
            cy, cx = centres[int(random.uniform(0, len(centres)))]
            angle = random.uniform(0, 2 * np.pi)
            away = radius * random.uniform(1.5, 2.0)
            cy, cx = cy + away * np.sin(angle), cx + away * np.cos(angle)
        else:
            cy, cx = random.uniform(0, size, (2,))
        margin = 0.5 * radius  # the border cuts some nuclei, but leaves no slivers
        if not (margin < cy < size - margin and margin < cx < size - margin):
            continue
        if labels[int(cy), int(cx)]:
            continue
        shape = random_shape(random, radius, roundness)
        reach = int(2 * radius)
        box = np.s_[max(0, int(cy) - reach) : int(cy) + reach, max(0, int(cx) - reach) : int(cx) + reach]
        body = shape.distance(y[box] - cy, x[box] - cx) < 1
        if (labels[box][body] > 0).mean() > 0.04:
            continue
        centres.append((float(cy), float(cx)))
        labels[box][body & (labels[box] == 0)] = len(centres)
    return labels


def spots(random: Random, size: int, radius: float, count: int) -> NDArray[Any]:
    """The sum of `count` round spots of height 1 at random places."""
    image = np.zeros((size, size))
    at = random.uniform(0, size, (2, count)).astype(int)
    np.add.at(image, (at[0], at[1]), 1.0)
    return blur(image, radius) * (2 * np.pi * radius * radius)


def render(
    seed: int = 4,
    size: int = 512,
    radius: float = 21.0,
    count: int = 80,
    background: float = 1.0,
    noise: float = 1.0,
    roundness: tuple[float, float] = (0.68, 0.97),
    brightness: tuple[float, float] = (90.0, 165.0),
    rim: float = 0.0,
) -> Scene:
    """Render an image.

    Args:
        seed: for all random numbers.
        size: width and height in pixels.
        radius: typical radius of a nucleus.
        count: number of nuclei; fewer if they do not fit.
        background: scales the unevenness of the light.
        noise: scales the camera's noise.
        roundness: minimum and maximum ratio of the short to the long axis.
        brightness: minimum and maximum.
        rim: relative darkening of a nucleus at its edge.
    """
    random = Random(seed)
    labels = place(random, size, radius, count, roundness)
    found = int(labels.max())
    bright = np.concatenate([[0.0], random.uniform(*brightness, (found,))])[labels]
    if rim:
        bright = bright * (1 - rim * _edges(labels))
    # Chromatin, mottled at a fifth of a radius, with dark nucleoli.
    texture = 1 + 0.08 * smooth_noise(random, size, radius / 5)
    nucleoli = spots(random, size, radius / 9, int(3 * (size / (2 * radius)) ** 2))
    body = blur(bright * np.maximum(texture - 0.35 * np.minimum(nucleoli, 1), 0.2), radius / 13)
    y, x = np.mgrid[:size, :size] / size
    light = 14 + background * (48 * (0.2 + 0.8 * x) * (0.3 + 0.7 * y) + 5 * smooth_noise(random, size, size / 8))
    # Out-of-focus light around the clusters, and a few specks of debris.
    haze = 0.18 * blur(body, radius)
    debris = 60 * np.minimum(spots(random, size, radius / 12, found // 5), 1)
    signal = np.maximum(body + light + haze + debris, 0)
    # Photon noise grows with the square root of the signal; then add the camera's read-out noise.
    signal = signal + noise * (0.35 * np.sqrt(signal) * random.normal(signal.shape) + 1.5 * random.normal(signal.shape))
    return Scene(np.clip(np.rint(signal), 0, 255).astype(np.uint8), labels)


def _edges(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels next to another label."""
    edges = np.zeros(labels.shape, bool)
    for values, marks in ((labels, edges), (labels.T, edges.T)):  # transposed views: rows, then columns
        other = values[:-1] != values[1:]
        marks[:-1] |= other
        marks[1:] |= other
    return edges
