"""Parameters measured from the image, for those that the caller leaves open."""

from __future__ import annotations

import math
from typing import Any

from fastcnn.pipelines._fronts import Front


def block_size(height: int, width: int) -> int:
    """A third of the smaller side, odd: wider than the objects, narrower than the unevenness of the light."""
    return 2 * max(1, min(height, width) // 6) + 1


def threshold(front: Front, image: Any, kind: str, block: int, offset: float | None) -> tuple[str, float]:
    """Measure the threshold of one image: what "auto" is, and the offset where it is None.

    The offset puts the local threshold where Otsu's method cuts the difference to the local mean.

    Uneven light is what a local mean takes away. So for "auto" both masks are made, and that with the greater
    separability wins: Otsu's own measure of a threshold, the share of the variance that lies between its two classes
    (N. Otsu, "A threshold selection method from gray-level histograms", 1979).
    """
    exponent = _exponent(front, image)
    image = _times_power(image, -exponent)
    above = image - front.ops.threshold_local(image, block, "mean")
    cut = float(front.ops.threshold_otsu(above))
    if kind == "auto":
        uniform = float(front.ops.threshold_otsu(image))
        better = _separability(front, above, above > cut) > _separability(front, image, image > uniform)
        kind = "local" if better else "otsu"
    return kind, -_rounded(math.ldexp(cut, exponent), 4) if offset is None else offset


def _exponent(front: Front, image: Any) -> int:
    """The power of two to divide by where squares of the pixels would overflow or vanish; otherwise 0."""
    exponent = math.frexp(front.magnitude(image))[1]
    return exponent if abs(exponent) > 30 else 0


def _times_power(image: Any, exponent: int) -> Any:
    """The image times 2**exponent, which loses no bit; in two steps, as float32 does not hold all powers."""
    return image * 2.0 ** (exponent // 2) * 2.0 ** (exponent - exponent // 2) if exponent else image


def _separability(front: Front, image: Any, mask: Any) -> float:
    mean = front.mean(image)
    variance = front.mean((image - mean) ** 2)
    share = front.mean(front.floating(mask))
    if variance == 0 or share in (0, 1):
        return 0.0
    between: float = share / (1 - share) * (front.mean_where(image, mask) - mean) ** 2
    return between / variance


def radius(front: Front, distance: Any, mask: Any) -> float:
    """Typical radius of the objects, 0 where there are none.

    The mean distance to the edge within a disk is a third of its radius, and it hardly changes when disks touch: no
    object need be told from another for this.
    """
    mean = front.mean_where(distance, mask)
    if math.isinf(mean):  # no background at all
        return float(min(mask.shape[-2:])) / 2
    return 0.0 if math.isnan(mean) else 3 * mean


def small_area(radius: float) -> int:
    """A tenth of the typical object: what is no larger is a speck, or a hole."""
    return int(math.pi * radius * radius / 10)


def smoothing(radius: float) -> float:
    """A tenth of the typical radius: enough against the steps of the pixel grid."""
    return _rounded(radius / 10, 2)


def separation(radius: float) -> int:
    """Half of the typical radius: the centres of two objects are farther apart, the maxima of one are not."""
    return max(1, round(radius / 2))


def _rounded(value: float, digits: int) -> float:
    """Few digits, so that what is reported is what was used."""
    return float(f"{value:.{digits}g}")
