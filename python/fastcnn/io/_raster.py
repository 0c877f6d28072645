"""PNG and JPEG, decoded by Pillow. 16-bit colour PNG, which Pillow reduces to 8 bits, is read without that loss."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from fastcnn.io import _jpeg
from fastcnn.io.picture import Picture, UnreadableImage, check_size, oriented

_ORIENTATION = 0x0112
_DIRECT = ("1", "L", "I;16", "LA", "RGB", "RGBA")
# Pillow drops the low bytes of these raw modes of 16-bit colour; the mode on the right reads them. Reading the same
# bytes as little-endian yields the low ones; grey with alpha fits into 8-bit RGBA as high, low, high, low.
_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


# Grey of fewer than 8 bits, which Pillow stretches to 8, and its original value of white.
_SHALLOW = {"1": 1, "L;2": 3, "L;4": 15}


def decode_png(file: BinaryIO, max_pixels: int, stored: bool) -> Picture:
    """Decode the first frame."""
    start = file.read(24)
    if start[12:16] == b"IHDR" and 0 in struct.unpack(">II", start[16:24].rjust(8, b"\1")):
        raise UnreadableImage("has no pixels")
    image = _png(file)
    # Use the classes directly: Image.open would apply Pillow's own, lower size limit.
    check_size(*image.size, max_pixels)
    raw, key = _raw_mode(image), image.info.get("transparency")
    white = _SHALLOW.get(raw)
    if raw in _DEEP:
        pixels = _deep(file, image, raw)
    elif stored and image.mode == "P":
        image.load()
        pixels = np.asarray(image)
    else:
        pixels = np.asarray(_displayable(image))
        if pixels.dtype == np.int32:  # Pillow's "I" of older versions: 16 bits in a wider mode
            pixels = pixels.astype(np.uint16)
        if stored and white in (3, 15):
            pixels = pixels // np.uint8(255 // white)
    if not stored:
        pixels = _keyed(pixels, key, white)
    return _picture(pixels, image)


def decode_jpeg(file: BinaryIO, max_pixels: int) -> Picture:
    """Decode a JPEG twice, to verify that no data is missing."""
    image = JpegImageFile(file)
    check_size(*image.size, max_pixels)
    file.seek(0)
    # Upper bound of the data for this many pixels: 4 components, 27 bits per coefficient, every byte stuffed.
    data = file.read(32 * image.width * image.height + (1 << 26))
    stream = _jpeg.examine(data)
    if stream.bits != 8:
        raise UnreadableImage(f"is a JPEG of {stream.bits} bits, which is not supported (8 are)")
    image = JpegImageFile(io.BytesIO(data))
    pixels = np.asarray(_displayable(image))
    if not np.array_equal(pixels, np.asarray(_displayable(JpegImageFile(io.BytesIO(stream.noisy))))):
        raise UnreadableImage("is truncated")
    return _picture(pixels, image)


def _picture(pixels: NDArray[Any], image: ImageFile.ImageFile) -> Picture:
    pixels = oriented(pixels, _orientation(image))
    return Picture(np.array(pixels), pixels.shape[2] if pixels.ndim == 3 else None)


def _png(file: BinaryIO) -> PngImageFile:
    file.seek(0)
    return PngImageFile(file)


def _raw_mode(image: ImageFile.ImageFile) -> str:
    if not image.tile:
        raise UnreadableImage("has no pixels")
    args = image.tile[0].args
    return str(args if isinstance(args, str) else args[0]) if args else ""


def _deep(file: BinaryIO, image: ImageFile.ImageFile, raw: str) -> NDArray[Any]:
    low = _png(file)
    low.tile = [low.tile[0]._replace(args=_DEEP[raw])]
    low_bytes = np.asarray(low).astype(np.uint16)
    if raw == "LA;16B":
        return low_bytes[..., 0::2] << 8 | low_bytes[..., 1::2]
    return np.asarray(_png(file)).astype(np.uint16) << 8 | low_bytes


def _displayable(image: Image.Image) -> Image.Image:
    if image.mode in _DIRECT or image.mode == "I":
        image.load()
        return image
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("CMYK", "YCbCr"):
        return image.convert("RGB")
    raise UnreadableImage(f"has pixels of kind {image.mode}, which is not supported")


def _keyed(pixels: NDArray[Any], key: Any, white: int | None) -> NDArray[Any]:
    """Turn PNG's transparent colour into an alpha channel; `white` is the original white of stretched grey."""
    grey = pixels.ndim == 2 and isinstance(key, int)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and isinstance(key, tuple)
    if not (grey or colour):
        return pixels
    full = 1 if pixels.dtype == bool else int(np.iinfo(pixels.dtype).max)
    white = white or full
    # The file stores 16 bits for it; only as many as a sample has are significant.
    keys = (np.asarray(key) & white) * (full // white)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    alpha = np.where((pixels == keys).all(-1), 0, full).astype(pixels.dtype)
    return np.concatenate([pixels, alpha[..., None]], axis=-1)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
