"""Find labelled objects in an image: the classical chain around the watershed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastcnn import ops
from fastcnn._dispatch import cast_to, is_float, is_tensor, is_tracing, library_of, zeros_like
from fastcnn._errors import ArgumentError
from fastcnn.ops._markers import number_padded_points, number_points
from fastcnn.pipelines import _automatic

_OP = "segment_instances"


class Settings(NamedTuple):
    """The parameters with which `segment_instances` made a result; see there."""

    threshold: str | float = "auto"
    block_size: int | None = None
    offset: float | None = None
    dark_objects: bool = False
    sigma: float = 1.0
    closing: int = 1
    opening: int = 1
    fill_holes: int | str | None = None
    min_size: int | None = None
    smooth_distance: float | None = None
    min_distance: int | None = None


class Instances(NamedTuple):
    """Labelled objects. Arrays or tensors, like the image; N is the largest count of the batch.

    Attributes:
        labels: int32 (..., H, W): 0 background, 1..count per image in raster order of the objects' markers.
        count: int32 (...): objects per image.
        regions: the `RegionTable` of area, bbox, centroid and intensity (of the image as given), each (..., N[, k]).
        mask: bool (..., H, W): objects against background, cleaned; labels > 0, unless max_objects removed objects.
        distance: float32 (..., H, W): smoothed distance to the background; the watershed floods its negative.
        markers: int32 (..., H, W): the maxima of the distance, one per label.
        settings: the parameters used. One entry per image if any parameter was measured, else one for all.
    """

    labels: Any
    count: Any
    regions: Any
    mask: Any
    distance: Any
    markers: Any
    settings: tuple[Settings, ...]


def segment_instances(
    image: Any,
    *,
    threshold: str | float = "auto",
    block_size: int | None = None,
    offset: float | None = None,
    dark_objects: bool = False,
    sigma: float = 1.0,
    closing: int = 1,
    opening: int = 1,
    fill_holes: int | str | None = None,
    min_size: int | None = None,
    smooth_distance: float | None = None,
    min_distance: int | None = None,
    max_objects: int | None = None,
) -> Instances:
    """Find the objects in an image, and separate touching ones.

    The chain: Gaussian blur; threshold; closing, filling of holes, opening, removal of small objects; exact distance
    to the background, smoothed; its local maxima as markers; watershed of the negative distance within the mask.

    Parameters that are None, and threshold "auto", are measured from each image: the threshold by Otsu's method,
    before or after subtraction of a local mean, whichever separates better; the rest from R, the typical radius of the
    objects, three times the mean distance to the background. See docs/segment.md.

    Args:
        image: grey, (..., H, W), any real dtype; NumPy array or torch tensor.
        threshold: "auto"; "otsu"; "local", the mean of a square of block_size minus offset; or an intensity. Objects
            are brighter than it.
        block_size: odd side of the local square in pixels. None: a third of the image's smaller side.
        offset: subtracted from the local mean; negative is stricter. None: Otsu's threshold of the difference to the
            local mean.
        dark_objects: objects are darker than the threshold; a negative offset is still stricter.
        sigma: sigma of the blur before the threshold, in pixels; 0 for none.
        closing: radius of the disk that closes gaps; 0 for none.
        opening: radius of the disk that removes thin parts; 0 for none.
        fill_holes: fill holes of at most this many pixels, or "all". None: a tenth of pi R^2.
        min_size: remove objects of at most this many pixels. None: a tenth of pi R^2.
        smooth_distance: sigma of the blur of the distance, in pixels. None: R / 10.
        min_distance: minimum distance of two maxima within one connected object, in pixels. None: R / 2.
        max_objects: N, for results of fixed shape. If an image has more objects, those with the largest distance are
            kept; the mask still contains the others. None: no limit.

    Returns:
        `Instances`.

    Raises:
        TypeError: for an image that is not an array, or is complex.
        ArgumentError: for fewer than two dimensions, NaN or infinite pixels, or a parameter out of its range.

    The result does not depend on the number of threads. Images of a batch do not influence each other. Only the
    intensities of the table have gradients. If every parameter is given, including `max_objects`, a torch call reads
    no data and has fixed shapes, so it can be compiled and exported; measuring parameters prevents this. Peak memory is
    about 40 bytes per pixel including the results, which take 13.

    Example:
        >>> from importlib.resources import files
        >>> from fastcnn.io import read_image
        >>> from fastcnn.pipelines import segment_instances
        >>> cells = segment_instances(read_image(files("fastcnn") / "data" / "cells.png").grey())
        >>> cells.labels.shape, cells.labels.dtype
        ((512, 512), dtype('int32'))
        >>> 75 <= int(cells.count) <= 85
        True
    """
    settings = Settings(
        threshold, block_size, offset, bool(dark_objects), sigma, closing, opening, fill_holes, min_size,
        smooth_distance, min_distance,
    )  # fmt: skip
    _check(settings)
    if max_objects is not None:
        _number("max_objects", max_objects, 0)
    if not is_tensor(image):
        image = np.asarray(image)
    pixels = _floating(image)
    if pixels is None:
        raise TypeError(f"{_OP}: expected image of bool, integer or float, got {image.dtype}")
    if image.ndim < 2:
        raise ArgumentError(f"{_OP}: expected image of shape (..., H, W), got {tuple(image.shape)}")
    if not _is_finite(image):
        raise ArgumentError(f"{_OP}: expected finite pixels in image, got NaN or infinity")

    if _is_open(settings):
        if is_tracing():
            raise ArgumentError(f"{_OP}: expected every parameter as a number in a graph; what is open needs the image")
        steps, used = _each(pixels, settings, max_objects)
    else:
        steps, one = _chain(pixels, settings, max_objects)
        used = (one,)
    regions = ops.region_table(steps.labels, pixels, max_objects)
    return Instances(steps.labels, steps.count, regions, steps.mask, steps.distance, steps.markers, used)


class _Steps(NamedTuple):
    labels: Any
    count: Any
    mask: Any
    distance: Any
    markers: Any


def _number(name: str, value: Any, low: float, kind: type = int) -> None:
    expected = "an int" if kind is int else "a number"
    allowed = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise TypeError(f"{_OP}: expected {name} to be {expected}, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ArgumentError(f"{_OP}: expected {name} to be finite, got {value}")
    if value < low:
        raise ArgumentError(f"{_OP}: expected {name} of at least {low}, got {value}")


def _check(s: Settings) -> None:
    if isinstance(s.threshold, str):
        if s.threshold not in ("auto", "otsu", "local"):
            raise ArgumentError(f'{_OP}: expected threshold "auto", "otsu", "local" or a number, got {s.threshold!r}')
    else:
        _number("threshold", s.threshold, -math.inf, float)
    if s.offset is not None:
        _number("offset", s.offset, -math.inf, float)
    if s.block_size is not None:
        _number("block_size", s.block_size, 1)
        if s.block_size % 2 == 0:
            raise ArgumentError(f"{_OP}: expected an odd block_size, got {s.block_size}")
    _number("sigma", s.sigma, 0, float)
    _number("closing", s.closing, 0)
    _number("opening", s.opening, 0)
    if isinstance(s.fill_holes, str):
        if s.fill_holes != "all":
            raise ArgumentError(f'{_OP}: expected fill_holes "all" or a number, got {s.fill_holes!r}')
    elif s.fill_holes is not None:
        _number("fill_holes", s.fill_holes, 0)
    if s.min_size is not None:
        _number("min_size", s.min_size, 0)
    if s.smooth_distance is not None:
        _number("smooth_distance", s.smooth_distance, 0, float)
    if s.min_distance is not None:
        _number("min_distance", s.min_distance, 1)


def _is_open(s: Settings) -> bool:
    """Return whether any parameter has to be measured."""
    local = s.threshold == "local" and (s.block_size is None or s.offset is None)
    return s.threshold == "auto" or local or None in (s.fill_holes, s.min_size, s.smooth_distance, s.min_distance)


def _each(pixels: Any, settings: Settings, max_objects: int | None) -> tuple[_Steps, tuple[Settings, ...]]:
    """Process each image separately, because each has its own parameters."""
    if 0 in pixels.shape:  # nothing to measure
        return _chain(pixels, _with_nothing(settings), max_objects)[0], ()
    lead, (height, width) = tuple(pixels.shape[:-2]), pixels.shape[-2:]
    done = [_chain(image, settings, max_objects) for image in pixels.reshape(-1, height, width)]
    parts = zip(*(steps for steps, _ in done), strict=True)
    stacked = (library_of(pixels).stack(list(images)) for images in parts)
    return _Steps(*(s.reshape(lead + tuple(s.shape[1:])) for s in stacked)), tuple(used for _, used in done)


def _chain(pixels: Any, s: Settings, max_objects: int | None) -> tuple[_Steps, Settings]:
    """Run the chain; open settings are measured from the intermediate results."""
    if s.dark_objects:
        pixels = -pixels
    if s.sigma:
        pixels = ops.gaussian_blur(pixels, s.sigma)
    s = _with_threshold(pixels, s)
    mask = _binarise(pixels, s)
    if s.closing:
        mask = ops.closing(mask, ops.disk(s.closing))
    s = _with_cleaning(mask, s)
    mask = ops.fill_holes(mask) if s.fill_holes == "all" else ops.remove_small_holes(mask, int(s.fill_holes or 0))
    if s.opening:
        mask = ops.opening(mask, ops.disk(s.opening))
    mask = ops.remove_small_objects(mask, int(s.min_size or 0))

    distance = ops.distance_transform_edt(mask)
    s = _with_splitting(mask, distance, s)
    if s.smooth_distance:
        distance = ops.gaussian_blur(distance, s.smooth_distance)
    distance = _with_central_peak(distance, mask)
    # Same connectivity as the flood, so that every component has a marker and is flooded completely.
    pieces = ops.label(mask, connectivity=1)
    if max_objects is None:
        points = ops.peak_local_max(distance, int(s.min_distance or 1), threshold_abs=0.0, labels=pieces)
        markers, count = number_points(points, distance)
    else:
        points, _ = ops.peak_local_max_padded(
            distance, max_objects, int(s.min_distance or 1), threshold_abs=0.0, labels=pieces
        )
        markers, count = number_padded_points(points, distance)
    labels = ops.watershed(-distance, markers, connectivity=1, mask=mask)
    return _Steps(labels, count, mask, distance, markers), s


def _floating(image: Any) -> Any:
    """Return the image in float32, in float64 if float32 would lose precision; None if it is not numeric."""
    if image.is_complex() if is_tensor(image) else image.dtype.kind not in "biuf":
        return None
    wide = image.dtype.itemsize > (4 if is_float(image) else 2)
    return cast_to(image, "float64" if wide else "float32")


def _is_finite(image: Any) -> bool:
    """Tell whether there is no NaN and no infinity; assumed while a graph is traced."""
    return not is_float(image) or is_tracing() or bool(library_of(image).isfinite(image).all())


def _with_central_peak(distance: Any, mask: Any) -> Any:
    """Replace the distances of images without background, which have none, by a single peak in the middle."""
    height, width = distance.shape[-2:]
    whole = mask.reshape(*mask.shape[:-2], height * width).all(-1)
    if not is_tracing() and not whole.any():
        return distance
    y, x = ((zeros_like(distance, [n]) + 1).cumsum(0) - (n // 2 + 1) for n in (height, width))
    cone = height + width - abs(y)[:, None] - abs(x)
    return library_of(distance).where(whole[..., None, None], cone, distance)


def _binarise(pixels: Any, s: Settings) -> Any:
    if s.threshold == "otsu":
        return pixels > ops.threshold_otsu(pixels)[..., None, None]
    if s.threshold == "local":
        return ops.binarize_local(pixels, int(s.block_size or 0), "mean", float(s.offset or 0))
    assert not isinstance(s.threshold, str)
    return pixels > (-s.threshold if s.dark_objects else s.threshold)


def _with_threshold(pixels: Any, s: Settings) -> Settings:
    if s.threshold not in ("auto", "local"):
        return s
    s = s._replace(block_size=s.block_size or _automatic.block_size(*pixels.shape[-2:]))
    if s.threshold == "local" and s.offset is not None:
        return s
    kind, offset = _automatic.threshold(pixels, str(s.threshold), int(s.block_size or 0), s.offset)
    return s._replace(threshold=kind, offset=offset)


def _with_cleaning(mask: Any, s: Settings) -> Settings:
    if s.fill_holes is not None and s.min_size is not None:
        return s
    small = _automatic.small_area(_automatic.radius(ops.distance_transform_edt(mask), mask))
    return s._replace(
        fill_holes=small if s.fill_holes is None else s.fill_holes,
        min_size=small if s.min_size is None else s.min_size,
    )


def _with_splitting(mask: Any, distance: Any, s: Settings) -> Settings:
    if s.smooth_distance is not None and s.min_distance is not None:
        return s
    radius = _automatic.radius(distance, mask)
    return s._replace(
        smooth_distance=_automatic.smoothing(radius) if s.smooth_distance is None else s.smooth_distance,
        min_distance=_automatic.separation(radius) if s.min_distance is None else s.min_distance,
    )


def _with_nothing(s: Settings) -> Settings:
    threshold = "otsu" if s.threshold == "auto" else s.threshold
    return s._replace(
        threshold=threshold, block_size=s.block_size or 3, offset=s.offset or 0.0, fill_holes=0, min_size=0,
        smooth_distance=0.0, min_distance=1,
    )  # fmt: skip
