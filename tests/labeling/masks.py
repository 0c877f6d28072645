"""Masks that labelling finds hard."""

import numpy as np


def random_mask(rng, shape, dtype, density=0.5):
    """Zero or not, with every kind of non-zero value that the dtype has."""
    mask = rng.random(shape) < density
    if dtype == "bool":
        return mask
    if dtype.startswith("float"):
        tiny = np.finfo(dtype).smallest_subnormal
        values = rng.choice(np.array([1, -1, np.nan, np.inf, -np.inf, tiny, -tiny], dtype), shape)
        zeros = rng.choice(np.array([0.0, -0.0], dtype), shape)
        return np.where(mask, values, zeros)
    info = np.iinfo(dtype)
    values = rng.choice(np.array([1, 2, info.max, info.min or 1], dtype), shape)
    return np.where(mask, values, np.array(0, dtype))


def spiral(n, pitch=4):
    """One arm, a pixel wide."""
    mask = np.zeros((n, n), bool)
    low, high = 0, n - 1
    half = pitch // 2
    while low < high:
        mask[low, low : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + half : high + 1, low] = True
        if low + half <= high:
            mask[low + half, low : low + half + 1] = True
        low, high = low + half, high - half
    return mask


def comb(height, width):
    """Teeth that meet in the last row only: every column pair is its own component until then."""
    mask = np.zeros((height, width), bool)
    mask[:, ::2] = True
    mask[-1] = True
    return mask


def late_first_pixel(n):
    """Pairs of rows in which the component that begins further left begins a row later."""
    mask = np.zeros((n, n), bool)
    mask[1::4, ::4] = True
    mask[0::4, 2::4] = True
    return mask
