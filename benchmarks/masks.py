"""Binary images for the benchmarks, by name."""

import cv2
import numpy as np


def make(name: str, shape: int | tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return a bool image, square where the shape is one number. Volumes are there of noise and of random zeros."""
    rng = np.random.default_rng(seed)
    shape = (shape, shape) if isinstance(shape, int) else shape
    if name.startswith("noise"):
        return rng.random(shape) >= float(name.split()[1]) / 100
    if name.endswith("random zeros"):
        mask = np.ones(shape, bool)
        mask.flat[rng.integers(mask.size, size=int(name.split()[0]))] = False
        return mask
    size = shape[0]
    y, x = np.ogrid[:size, :size]
    if name == "blobs":
        noise = cv2.GaussianBlur(rng.random((size, size), np.float32), (0, 0), 12)
        return noise > np.median(noise)
    if name == "large disk":
        return (y - size / 2) ** 2 + (x - size / 2) ** 2 < (0.45 * size) ** 2
    if name == "zero top row":
        return np.broadcast_to(y > 0, shape).copy()
    if name == "ones":
        return np.ones((size, size), bool)
    if name == "spirals":
        # Two arms, some pixels wide, from the middle to the corners.
        radius, angle = np.hypot(y - size / 2, x - size / 2), np.arctan2(y - size / 2, x - size / 2)
        return (radius / 12 + angle / np.pi) % 2 < 1
    if name == "fine spiral":
        return fine_spiral(size)
    zeros = {"one zero": [(size // 3, size // 5)], "two zeros": [(3, 5), (size - 9, size - 20)]}[name]
    mask = np.ones((size, size), bool)
    for p in zeros:
        mask[p] = False
    return mask


def fine_spiral(size: int) -> np.ndarray:
    """One arm, a pixel wide, and a gap as wide."""
    mask = np.zeros((size, size), bool)
    for low in range(0, (size - 1) // 2, 2):
        high = size - 1 - low
        mask[low, low : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + 2 : high + 1, low] = mask[low + 2, low : low + 3] = True
    return mask
