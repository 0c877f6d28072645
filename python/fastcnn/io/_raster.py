"""PNG and JPEG, decoded by Pillow; 16-bit colour PNG, which Pillow would cut to 8 bits, without that loss."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from fastcnn.io.reading import Picture, Refusal, check_size, oriented

_ORIENTATION = 0x0112
_DIRECT = ("1", "L", "I;16", "LA", "RGB", "RGBA")
# Raw modes of 16-bit colour, whose low bytes Pillow drops, and what reads the dropped bytes: the same bytes taken as
# little-endian give the low one; grey with alpha fits into an 8-bit RGBA as high, low, high, low.
_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def decode(file: BinaryIO, max_pixels: int) -> Picture:
    """Decode the first frame."""
    start = file.read(24)
    if start[12:16] == b"IHDR" and 0 in struct.unpack(">II", start[16:24].rjust(8, b"\1")):
        raise Refusal("has no pixels")
    image = _header(file)
    # The classes are used directly, as Image.open would apply Pillow's own, lower limit.
    check_size(*image.size, max_pixels)
    raw = _raw_mode(image)
    if raw in _DEEP:
        pixels = _deep(file, image, raw)
    else:
        pixels = np.asarray(_displayable(image))
        if pixels.dtype == np.int32:  # Pillow's "I" of older versions: 16 bits in a wider mode
            pixels = pixels.astype(np.uint16)
    pixels = _keyed(pixels, image.info.get("transparency"))
    pixels = oriented(pixels, _orientation(image))
    return Picture(np.array(pixels), pixels.shape[2] if pixels.ndim == 3 else None)


def _header(file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    is_png = file.read(1) == b"\x89"
    file.seek(0)
    return PngImageFile(file) if is_png else JpegImageFile(file)


def _raw_mode(image: ImageFile.ImageFile) -> str:
    if not image.tile:
        raise Refusal("has no pixels")
    args = image.tile[0].args
    return str(args if isinstance(args, str) else args[0]) if args else ""


def _deep(file: BinaryIO, image: ImageFile.ImageFile, raw: str) -> NDArray[Any]:
    low = _header(file)
    low.tile = [low.tile[0]._replace(args=_DEEP[raw])]
    low_bytes = np.asarray(low).astype(np.uint16)
    if raw == "LA;16B":
        return low_bytes[..., 0::2] << 8 | low_bytes[..., 1::2]
    file.seek(0)
    image = _header(file)
    return np.asarray(image).astype(np.uint16) << 8 | low_bytes


def _displayable(image: Image.Image) -> Image.Image:
    if image.mode in _DIRECT or image.mode == "I":
        image.load()
        return image
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("CMYK", "YCbCr"):
        return image.convert("RGB")
    raise Refusal(f"has pixels of kind {image.mode}, which is not supported")


def _keyed(pixels: NDArray[Any], key: Any) -> NDArray[Any]:
    """Turn PNG's transparent colour into an alpha channel."""
    grey = pixels.ndim == 2 and isinstance(key, int)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and isinstance(key, tuple)
    if pixels.dtype == bool or not (grey or colour):
        return pixels
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    white = np.iinfo(pixels.dtype).max
    alpha = np.where((pixels == np.asarray(key)).all(-1), 0, white).astype(pixels.dtype)
    return np.concatenate([pixels, alpha[..., None]], axis=-1)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
