"""Compressed strips and tiles of TIFF pages, decoded by tifffile and imagecodecs.

Each is decoded into a buffer of exactly the size of its pixels, and must fill it. Codecs with an image header of their
own must declare the segment's size before they run.
"""

from __future__ import annotations

import math
import os
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from fastcnn.io import _jpeg
from fastcnn.io.picture import UnreadableImage

_JPEG = (6, 7)
_JPEG_2000, _WEBP = (33003, 33004, 33005, 34712), (34927, 50001)
# Codecs that declare size and type of pixels, and check both against the output array; also LERC, PNG, JPEG XL.
_PICTURES = (*_JPEG_2000, *_WEBP, 34887, 34933, 50002, 52546)
# CCITT, LZW, deflate, PackBits, LZMA, Zstandard.
_STREAMS = (2, 3, 4, 5, 8, 32946, 32773, 34925, 34926, 50000)
_PREDICTED_BITS = (8, 16, 24, 32, 64)


def check_packing(key: Any) -> None:
    """Refuse compression schemes that cannot be decoded."""
    name = getattr(key.compression, "name", f"compression {int(key.compression)}")
    if key.compression not in (*_STREAMS, *_JPEG, *_PICTURES):
        raise UnreadableImage(
            f"is packed by {name}, which is not supported (LZW, deflate, PackBits, Zstandard, LZMA, JPEG, JPEG 2000, "
            "JPEG XL, WebP, PNG, LERC and CCITT are)"
        )
    if key.compression not in tifffile.TIFF.DECOMPRESSORS:
        raise UnreadableImage(
            f"is packed by {name}, which needs newer versions of tifffile and imagecodecs "
            "(pip install --upgrade tifffile imagecodecs)"
        )
    if key.compression in _STREAMS and key.predictor != 1 and key.bitspersample not in _PREDICTED_BITS:
        raise UnreadableImage(
            f"has {key.bitspersample}-bit pixels packed by {name} with a predictor, which is not supported"
        )


def unpack(pages: Sequence[Any], file: BinaryIO) -> NDArray[Any]:
    """Decode pages of one kind to (pages, H, W[, samples])."""
    planes, _, height, width, samples = pages[0].keyframe.shaped
    result = np.empty((len(pages), planes, height, width, samples), pages[0].keyframe.dtype)
    lock = threading.Lock()
    decoders = [page.keyframe.decode for page in pages]  # created here: tifffile does not create them thread-safely

    def one(at: tuple[int, int]) -> None:
        page = pages[at[0]]
        key = page.keyframe
        with lock:
            file.seek(page.dataoffsets[at[1]])
            data = file.read(page.databytecounts[at[1]])
        plane, y, x, rows, columns = _place(key, at[1])
        there = result[at[0], plane, y : y + rows, x : x + columns]
        if key.compression in _PICTURES:
            found = _picture(key, data, rows, columns)
        else:
            found = _stream(decoders[at[0]], page, at[1], data)
        found = found[: there.shape[0], : there.shape[1]]
        if found.shape != there.shape:
            raise UnreadableImage("is truncated")
        there[...] = found

    segments = [(page, i) for page in range(len(pages)) for i in range(math.prod(pages[page].keyframe.chunked))]
    # Threads cost more than they save for little data.
    workers = min(8, os.cpu_count() or 1, len(segments)) if result.nbytes > 1 << 20 else 1
    try:
        if workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(one, segments))
        else:
            list(map(one, segments))
    except ImportError as error:
        raise UnreadableImage(f"needs a codec that the installed imagecodecs lacks ({error})") from None
    pixels = np.moveaxis(result, 1, -1).reshape(len(pages), height, width, planes * samples)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _place(key: Any, index: int) -> tuple[int, int, int, int, int]:
    """A segment's plane, top, left, height and width."""
    _, _, height, width, _ = key.shaped
    rows, columns = (key.tilelength, key.tilewidth) if key.is_tiled else (key.rowsperstrip, width)
    across, down = -(-width // columns), -(-height // rows)
    plane, within = divmod(index, across * down)
    y, x = within // across * rows, within % across * columns
    return plane, y, x, rows if key.is_tiled else min(rows, height - y), columns


def _stream(decode: Any, page: Any, index: int, data: bytes) -> NDArray[Any]:
    options = {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}
    if page.keyframe.compression not in _JPEG:
        return _flat(decode(data, index, **options))
    # A stream without tables of its own is completed with those of its page.
    stream = _jpeg.examine(data)
    _, _, _, rows, columns = _place(page.keyframe, index)
    maximum = page.keyframe.tilelength if page.keyframe.is_tiled else page.keyframe.rowsperstrip
    if stream.width != columns or not rows <= stream.height <= maximum:
        raise UnreadableImage(
            f"holds a JPEG of {stream.width} x {stream.height} where {columns} x {rows} were expected"
        )
    found = _flat(decode(data, index, **options))
    if not np.array_equal(found, _flat(decode(stream.noisy, index, **options))):
        raise UnreadableImage("is truncated")
    return found


def _flat(decoded: tuple[Any, ...]) -> NDArray[Any]:
    """Remove the depth axis of segments that tifffile decodes to (depth, rows, columns, samples)."""
    if decoded[0] is None:
        raise UnreadableImage("is truncated")
    pixels: NDArray[Any] = decoded[0][0]
    return pixels


def _picture(key: Any, data: bytes, rows: int, columns: int) -> NDArray[Any]:
    samples = key.shaped[-1]
    pixels = np.empty((rows, columns, samples) if samples > 1 else (rows, columns), key.dtype)
    if key.compression in _JPEG_2000:
        _check_jpeg_2000(data, rows, columns, samples)
    # WebP omits an alpha channel that is opaque everywhere.
    options = {"hasalpha": True} if key.compression in _WEBP and samples == 4 else {}
    tifffile.TIFF.DECOMPRESSORS[key.compression](data, out=pixels, **options)
    return pixels.reshape(rows, columns, samples)


def _check_jpeg_2000(data: bytes, rows: int, columns: int, samples: int) -> None:
    # OpenJPEG decodes before imagecodecs compares sizes. ITU-T T.800: A.5.1 (SIZ), I.4 (boxes).
    at = 0
    while data[at : at + 2] != b"\xff\x4f":
        if at + 8 > len(data):
            raise UnreadableImage("is truncated")
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        at += head if kind == b"jp2c" else max(size, head) if size else len(data)
    if data[at + 2 : at + 4] != b"\xff\x51" or at + 42 > len(data):
        raise UnreadableImage("is truncated")
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    (found,) = struct.unpack_from(">H", data, at + 40)
    if (right - left, bottom - top, found) != (columns, rows, samples):
        raise UnreadableImage(
            f"holds a JPEG 2000 picture of {right - left} x {bottom - top} where {columns} x {rows} is expected"
        )
