"""TIFF, decoded by tifffile and its codecs, imagecodecs.

Damaged files are detected before tifffile reads them: tifffile fills missing data with zeros, and drops the pages
after a broken link.
"""

from __future__ import annotations

import logging
import math
import os
import struct
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from fastcnn.io._segments import check_packing, unpack
from fastcnn.io.picture import Picture, UnreadableImage, check_size, oriented

# Keep tifffile's log messages on unusual files off stderr; all relevant checks are made here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MAX_PAGES = 1 << 20
_NONE, _JPEG = 1, (6, 7)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ORIENTATION = 274
# Samples of fewer than 8 bits, stretched to 8 as in other libraries: [bits][sample].
_STRETCHED = {bits: np.rint(np.arange(1 << bits) * (255 / ((1 << bits) - 1))).astype(np.uint8) for bits in range(2, 8)}
# Limit of samples per pixel: those beyond colour and alpha are dropped, but use memory until then.
_MAX_SAMPLES = 16


def decode(file: BinaryIO, max_pixels: int, stored: bool) -> Picture:
    """Decode every page of full size."""
    size = os.fstat(file.fileno()).st_size
    _check_links(file, size)
    file.seek(0)
    # A file object has no folder, so a multi-file OME-TIFF cannot make us read other files.
    with tifffile.TiffFile(file, _multifile=False) as tiff:
        full = [s for s in tiff.series if not s.keyframe.is_reduced]
        if not full:
            raise UnreadableImage("has no pages")
        page = full[0].keyframe
        if any(_kind(s.keyframe) != _kind(page) for s in full[1:]):
            kinds = list(dict.fromkeys(_described(s.keyframe) for s in full))
            raise UnreadableImage(
                f"has pages of different sizes or kinds ({', '.join(kinds[:3])}{', …' if kinds[3:] else ''})"
            )
        pages = sum(_page_count(s) for s in full)
        check_size(page.imagewidth, page.imagelength, max_pixels, pages * page.imagedepth)
        _check_page(page)
        # Missing pages are None; so are pages without tags of their own, whose pixels follow those of the first one.
        if any(p is None and s.dataoffset is None for s in full for p in s.pages):
            raise UnreadableImage("is truncated (pages are missing)")
        all_pages = [p if p is not None else s.keyframe for s in full for p in s.pages]
        for one in all_pages:
            _check_segments(one, size)
        if page.compression == _NONE:
            pixels = np.concatenate([_pages_first(s.asarray(), s.axes) for s in full])
        else:
            pixels = unpack(all_pages, file)
        return _interpret(pixels, page, stored)


def _kind(page: Any) -> tuple[Any, ...]:
    colours = page.photometric, page.planarconfig
    return page.shaped, page.dtype, page.bitspersample, colours, page.compression


def _described(page: Any) -> str:
    return f"{page.imagewidth} x {page.imagelength} {page.dtype}"


def _page_count(series: Any) -> int:
    return int(np.prod([n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in "YXS"], initial=1))


def _check_links(file: BinaryIO, size: int) -> None:
    """Follow the chain of pages: each link must lie within the file and not repeat."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2] == 43 or head[3] == 43
    count_format, entry_size, link_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    if len(head) < (16 if big else 8):
        raise UnreadableImage("is truncated")
    (link,) = struct.unpack(order + link_format, head[8:16] if big else head[4:8])
    seen: set[int] = set()
    while link:
        if link in seen or len(seen) == _MAX_PAGES:
            raise UnreadableImage("is damaged (its pages form a loop, or are too many)")
        seen.add(link)
        file.seek(link)
        (entries,) = _unpack(file, order + count_format)
        end = link + struct.calcsize(count_format) + entries * entry_size
        if end > size:
            raise UnreadableImage("is truncated")
        file.seek(end)
        (link,) = _unpack(file, order + link_format)
    if not seen:
        raise UnreadableImage("has no pages")


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    data = file.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise UnreadableImage("is truncated")
    return struct.unpack(layout, data)


def _check_page(page: Any) -> None:
    if not isinstance(page.bitspersample, int):
        raise UnreadableImage(f"has samples of different depths {page.bitspersample}, which is not supported")
    if page.dtype is None or page.dtype.kind not in "biuf":
        kind = page.dtype or f"{page.bitspersample} bits (sample format {page.sampleformat})"
        raise UnreadableImage(f"has pixels of kind {kind}, which is not supported")
    if page.dtype.kind in "iu" and 16 < page.bitspersample < 32:
        # tifffile 2026 swaps their bytes wrongly in big-endian files; libtiff stores them in the file's byte order.
        raise UnreadableImage(f"has whole numbers of {page.bitspersample} bits, which are not supported")
    if page.imagedepth > 1:
        raise UnreadableImage("holds volumes in tiles, which is not supported")
    # YCbCr of JPEG is converted to RGB during decoding.
    known = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, *((_YCBCR,) if page.compression in _JPEG else ()))
    if page.photometric not in known:
        name = getattr(page.photometric, "name", page.photometric)
        raise UnreadableImage(f"has the colour space {name}, which is not supported")
    if page.photometric == _PALETTE and (page.samplesperpixel > 1 or page.colormap is None or page.dtype.kind != "u"):
        raise UnreadableImage("has a palette with more than one sample a pixel, or none, which is not supported")
    if page.samplesperpixel > _MAX_SAMPLES:
        raise UnreadableImage(f"has {page.samplesperpixel} channels a pixel; expected grey, RGB or RGBA")
    if page.photometric == _WHITE_IS_ZERO and page.dtype.kind not in "bu":
        raise UnreadableImage(f"has white-is-zero pixels of {page.dtype}, which is not supported")
    if page.compression != _NONE:
        check_packing(page)


def _check_segments(page: Any, size: int) -> None:
    """Every strip or tile must exist and lie within the file."""
    if len(page.dataoffsets) != len(page.databytecounts) or len(page.dataoffsets) < math.prod(page.keyframe.chunked):
        raise UnreadableImage("is truncated")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if count <= 0 or offset <= 0 or offset + count > size:
            raise UnreadableImage("is truncated")


def _pages_first(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Reshape (..., Y, X), with the sample axis S anywhere, to (pages, Y, X[, S])."""
    if not axes.replace("S", "").endswith("YX"):
        raise UnreadableImage(f"has axes {axes}, which is not supported")
    if "S" in axes:
        pixels = np.moveaxis(pixels, axes.index("S"), -1)
        return pixels.reshape(-1, *pixels.shape[-3:])
    return pixels.reshape(-1, *pixels.shape[-2:])


def _interpret(pixels: NDArray[Any], page: Any, stored: bool) -> Picture:
    """Convert samples (pages, H, W[, S]) to grey, RGB or RGBA."""
    bits, channels = page.bitspersample, None
    if pixels.ndim == 4:
        pixels, channels = _channels(pixels, page)
    if page.photometric == _PALETTE and not stored:
        pixels, channels = np.moveaxis(page.colormap[:, pixels], 0, -1), 3
    elif pixels.dtype.kind in "bu" and not stored:
        if page.photometric == _WHITE_IS_ZERO:
            pixels = ~pixels if pixels.dtype.kind == "b" else pixels.dtype.type((1 << bits) - 1) - pixels
        if 1 < bits < 8:
            pixels = _STRETCHED[bits][pixels]
    significant = bits if pixels.dtype.kind == "u" and 8 < bits < 8 * pixels.dtype.itemsize else None
    pixels = oriented(pixels, getattr(page.tags.get(_ORIENTATION), "value", 1), lead=1)
    pages = len(pixels)
    pixels = np.ascontiguousarray(pixels if pages > 1 else pixels[0])
    return Picture(pixels, channels, pages if pages > 1 else None, significant)


def _channels(pixels: NDArray[Any], page: Any) -> tuple[NDArray[Any], int | None]:
    colours = 3 if page.photometric in (_RGB, _YCBCR) else 1
    found = pixels.shape[-1]
    alpha = page.extrasamples[:1]
    if found == 1:
        return pixels[..., 0], None
    if found == colours:
        return pixels, found
    if found == colours + 1 and alpha and alpha[0] == _UNASSOCIATED:
        return pixels, found
    if found == colours + 1 and alpha and alpha[0] == _ASSOCIATED:
        return _unmultiplied(pixels), found
    if found > colours == 3:
        return pixels[..., :3], 3  # further samples without a declared meaning
    raise UnreadableImage(f"has {found} channels a pixel; expected grey, RGB or RGBA")


def _unmultiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    """Divide premultiplied colours by their alpha, to the nearest value."""
    alpha = pixels[..., -1:].astype(np.float64)
    white = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = np.where(alpha > 0, pixels[..., :-1] * (white / alpha), 0)
    if pixels.dtype.kind != "f":
        colours = np.rint(np.minimum(colours, white))
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., -1:]], axis=-1)
