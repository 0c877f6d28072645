"""Parameters measured from the image if the caller does not set them."""

from __future__ import annotations

import math
from typing import Any

from fastcnn import ops
from fastcnn._dispatch import cast_to, dtype_like


def block_size(height: int, width: int) -> int:
    """A third of the smaller side, odd: wider than the objects, narrower than variations of the illumination."""
    return 2 * max(1, min(height, width) // 6) + 1


def threshold(image: Any, kind: str, block: int, offset: float | None) -> tuple[str, float]:
    """Measure the threshold of one image: choose the kind for "auto", and the offset if it is None.

    The offset is the threshold of Otsu's method on the difference to the local mean.

    Subtracting a local mean removes uneven illumination. So "auto" computes both masks and takes the one with the
    greater separability, Otsu's own measure of a threshold: the share of the variance between its two classes
    (N. Otsu, "A threshold selection method from gray-level histograms", 1979).
    """
    exponent = _exponent(image)
    image = _times_power(image, -exponent)
    above = image - ops.threshold_local(image, block, "mean")
    cut = float(ops.threshold_otsu(above))
    if kind == "auto":
        uniform = float(ops.threshold_otsu(image))
        better = _separability(above, above > cut) > _separability(image, image > uniform)
        kind = "local" if better else "otsu"
    return kind, -_rounded(math.ldexp(cut, exponent), 4) if offset is None else offset


def _exponent(image: Any) -> int:
    """The exponent of the power of two to divide by if squared pixels would overflow or underflow; otherwise 0."""
    exponent = math.frexp(max(float(image.max()), -float(image.min())))[1]
    return exponent if abs(exponent) > 30 else 0


def _times_power(image: Any, exponent: int) -> Any:
    """The image times 2**exponent, exactly; in two steps, because float32 cannot represent all these powers."""
    return image * 2.0 ** (exponent // 2) * 2.0 ** (exponent - exponent // 2) if exponent else image


def _separability(image: Any, mask: Any) -> float:
    mean = _mean(image)
    variance = _mean((image - mean) ** 2)
    share = _mean(cast_to(mask, "float32"))
    if variance == 0 or share in (0, 1):
        return 0.0
    between: float = share / (1 - share) * (_mean(image[mask]) - mean) ** 2
    return between / variance


def _mean(values: Any) -> float:
    """Mean in float64; NaN of nothing."""
    return float(values.mean(dtype=dtype_like(values, "float64"))) if 0 not in values.shape else math.nan


def radius(distance: Any, mask: Any) -> float:
    """Typical radius of the objects, 0 if there are none.

    The mean distance to the edge within a disk is a third of its radius, and hardly changes when disks touch, so
    objects need not be separated first.
    """
    mean = _mean(distance[mask])
    if math.isinf(mean):  # no background at all
        return float(min(mask.shape[-2:])) / 2
    return 0.0 if math.isnan(mean) else 3 * mean


def small_area(radius: float) -> int:
    """A tenth of the typical object's area: smaller regions are specks or holes."""
    return int(math.pi * radius * radius / 10)


def smoothing(radius: float) -> float:
    """A tenth of the typical radius: enough to smooth out the steps of the pixel grid."""
    return _rounded(radius / 10, 2)


def separation(radius: float) -> int:
    """Half of the typical radius: the centres of two objects are farther apart, the maxima of one are not."""
    return max(1, round(radius / 2))


def _rounded(value: float, digits: int) -> float:
    """Round to few digits, so that the reported value is exactly the one used."""
    return float(f"{value:.{digits}g}")
