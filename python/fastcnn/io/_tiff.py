"""TIFF, decoded by tifffile; by Pillow's libtiff where tifffile lacks the codec.

Damaged files are found before tifffile sees them: it fills what is missing with zeros, and drops the pages after a
broken link.
"""

from __future__ import annotations

import logging
import os
import struct
import warnings
import zlib
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from fastcnn.io.reading import Picture, Refusal, check_size, oriented

# tifffile's remarks on odd files would reach stderr where nobody listens; what matters is checked here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MAX_PAGES = 1 << 20
_NONE, _LZMA, _DEFLATE = 1, 34925, (8, 32946)
_OWN_CODECS = (_NONE, _LZMA, *_DEFLATE)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ORIENTATION = 274
_LIBTIFF_MODES = ("1", "L", "LA", "I;16", "I;16B", "I", "F", "RGB", "RGBA")


def decode(file: BinaryIO, max_pixels: int) -> Picture:
    """Decode every page of full size."""
    size = os.fstat(file.fileno()).st_size
    _check_links(file, size)
    file.seek(0)
    # A file object has no folder, so a multi-file OME-TIFF cannot send us to other files.
    with tifffile.TiffFile(file, _multifile=False) as tiff:
        full = [s for s in tiff.series if not s.keyframe.is_reduced]
        if not full:
            raise Refusal("has no pages")
        page = full[0].keyframe
        if any(_kind(s.keyframe) != _kind(page) for s in full[1:]):
            kinds = list(dict.fromkeys(_described(s.keyframe) for s in full))
            raise Refusal(f"has pages of different sizes or kinds ({', '.join(kinds[:3])}{', …' if kinds[3:] else ''})")
        pages = sum(_page_count(s) for s in full)
        check_size(page.imagewidth, page.imagelength, max_pixels, pages * page.imagedepth)
        own = page.compression in _OWN_CODECS and page.bitspersample in (1, 8, 16, 32, 64)
        _check_page(page, own)
        stored = [p if p is not None else s.keyframe for s in full for p in s.pages]
        for one in stored:
            _check_segments(one, file, size, own)
        if own:
            pixels = np.concatenate([_pages_first(s.asarray(), s.axes) for s in full])
        else:
            pixels = _by_libtiff(file, [one.index for one in stored], page)
        return _interpret(pixels, page, own)


def _kind(page: Any) -> tuple[Any, ...]:
    return page.shape, page.dtype, page.photometric, page.planarconfig, page.compression


def _described(page: Any) -> str:
    return f"{page.imagewidth} x {page.imagelength} {page.dtype}"


def _page_count(series: Any) -> int:
    return int(np.prod([n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in "YXS"], initial=1))


def _check_links(file: BinaryIO, size: int) -> None:
    """Walk the chain of pages: each link must lie within the file and lead on."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2] == 43 or head[3] == 43
    count_format, entry_size, link_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    if len(head) < (16 if big else 8):
        raise Refusal("is truncated")
    (link,) = struct.unpack(order + link_format, head[8:16] if big else head[4:8])
    seen: set[int] = set()
    while link:
        if link in seen or len(seen) == _MAX_PAGES:
            raise Refusal("is damaged (its pages form a loop, or are too many)")
        seen.add(link)
        file.seek(link)
        (entries,) = _unpack(file, order + count_format)
        end = link + struct.calcsize(count_format) + entries * entry_size
        if end > size:
            raise Refusal("is truncated")
        file.seek(end)
        (link,) = _unpack(file, order + link_format)
    if not seen:
        raise Refusal("has no pages")


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    data = file.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise Refusal("is truncated")
    return struct.unpack(layout, data)


def _check_page(page: Any, own: bool) -> None:
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise Refusal(f"has pixels of kind {page.dtype}, which is not supported")
    if page.imagedepth > 1:
        raise Refusal("holds volumes in tiles, which is not supported")
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE) and own:
        name = getattr(page.photometric, "name", page.photometric)
        raise Refusal(f"has the colour space {name}, which is not supported")


def _check_segments(page: Any, file: BinaryIO, size: int, own: bool) -> None:
    """Every strip or tile must lie within the file, and unpack to no more than its share of the pixels."""
    key = page.keyframe
    itemsize = max(1, key.bitspersample // 8)
    if key.is_tiled:
        most = key.tilewidth * key.tilelength * key.tiledepth
    else:
        most = key.imagewidth * (key.rowsperstrip or key.imagelength)
    most *= itemsize * (key.samplesperpixel if key.planarconfig == 1 else 1)
    # A strip's last row may be padded; an unpacked segment may not be larger by more than that.
    most = 2 * most + 65536
    if not page.dataoffsets or len(page.dataoffsets) != len(page.databytecounts):
        raise Refusal("is truncated")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if count <= 0 or offset <= 0 or offset + count > size:
            raise Refusal("is truncated")
        if own and key.compression != _NONE:
            file.seek(offset)
            _check_expansion(file.read(count), most, key.compression)


def _check_expansion(data: bytes, most: int, compression: int) -> None:
    # tifffile unpacks without a bound: a few kilobytes could fill the memory.
    if compression == _LZMA:
        import lzma

        if len(lzma.LZMADecompressor().decompress(data, max_length=most + 1)) > most:
            raise Refusal("unpacks to far more than its pixels")
    # deflate expands at most 1032 times: most segments need no trial
    elif len(data) * 1032 > most and len(zlib.decompressobj().decompress(data, most + 1)) > most:
        raise Refusal("unpacks to far more than its pixels")


def _pages_first(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Bring (..., Y, X), with samples S anywhere, to (pages, Y, X[, S])."""
    if not axes.replace("S", "").endswith("YX"):
        raise Refusal(f"has axes {axes}, which is not supported")
    if "S" in axes:
        pixels = np.moveaxis(pixels, axes.index("S"), -1)
        return pixels.reshape(-1, *pixels.shape[-3:])
    return pixels.reshape(-1, *pixels.shape[-2:])


def _by_libtiff(file: BinaryIO, indices: list[int], page: Any) -> NDArray[Any]:
    """Decode pages to (pages, H, W[, C]) by Pillow, which sees to palettes, white-is-zero and orientation too."""
    file.seek(0)
    frames = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on odd tags
        image = TiffImageFile(file)
        for index in indices:
            image.seek(index)
            frame = image.convert("RGB") if image.mode == "P" else image
            # Pillow has no deep colour: it would cut it to 8 bits.
            colour = frame.mode in ("RGB", "RGBA", "LA")
            if frame.mode not in _LIBTIFF_MODES or (colour and page.bitspersample > 8):
                name = getattr(page.compression, "name", page.compression)
                raise Refusal(f"has {page.bitspersample}-bit pixels packed by {name}, which is not supported")
            frame.load()  # before its size is used: loading turns it the way its orientation says
            frames.append(np.asarray(frame))
    return np.stack(frames)


def _interpret(pixels: NDArray[Any], page: Any, own: bool) -> Picture:
    """From samples (pages, H, W[, S]) to grey, RGB or RGBA."""
    if own and page.photometric == _PALETTE and page.colormap is not None:
        pixels = np.moveaxis(page.colormap[:, pixels], 0, -1)
    elif own and page.photometric == _WHITE_IS_ZERO:
        if pixels.dtype.kind not in "bu":
            raise Refusal(f"has white-is-zero pixels of {pixels.dtype}, which is not supported")
        pixels = ~pixels
    channels = None
    if pixels.ndim == 4:
        pixels, channels = _channels(pixels, page, own)
    if own:
        pixels = oriented(pixels, getattr(page.tags.get(_ORIENTATION), "value", 1), lead=1)
    pages = len(pixels)
    pixels = np.ascontiguousarray(pixels if pages > 1 else pixels[0])
    return Picture(pixels, channels, pages if pages > 1 else None)


def _channels(pixels: NDArray[Any], page: Any, own: bool) -> tuple[NDArray[Any], int | None]:
    # Pillow's frames are grey with alpha, or RGB with or without.
    colours = 3 if page.photometric in (_RGB, _PALETTE) or (not own and pixels.shape[-1] > 2) else 1
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
        return pixels[..., :3], 3  # further samples of no stated meaning
    raise Refusal(f"has {found} channels a pixel; expected grey, RGB or RGBA")


def _unmultiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    """Divide premultiplied colours by their alpha, to the nearest value."""
    alpha = pixels[..., -1:].astype(np.float64)
    white = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = np.where(alpha > 0, pixels[..., :-1] * (white / alpha), 0)
    if pixels.dtype.kind != "f":
        colours = np.rint(np.minimum(colours, white))
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., -1:]], axis=-1)
