"""Reading PNG, JPEG and TIFF files that nobody vouches for."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from fastcnn.io.errors import ImageFileError
from fastcnn.io.picture import Picture, UnreadableImage

# 2**28 pixels, 16384 x 16384: with the chain's intermediate images about 10 GB. Counted over all pages of a file.
MAX_PIXELS = 1 << 28


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, stored: bool = False) -> Picture:
    """Read a PNG, JPEG or TIFF file, losslessly.

    Pixels keep the file's depth (16-bit colour too). Samples of 1 bit are bool; of 2 and 4 bits they are stretched to
    0..255, as in other libraries; of 10, 12 and other depths in a TIFF they keep their values, and `Picture.bits` says
    which one is white. Palettes become RGB, CMYK JPEGs become RGB, a PNG's transparent colour becomes alpha,
    white-is-zero TIFFs become black-is-zero. A photograph's orientation tag is obeyed. Several TIFF pages of one size
    become a batch; reduced copies (thumbnails, pyramids) are left out. For an animated PNG, the first frame is read.

    A TIFF's strips and tiles may be packed by LZW, deflate, PackBits, Zstandard, LZMA, JPEG, JPEG 2000, JPEG XL, WebP,
    PNG, LERC and CCITT's codes, in either byte order. Its CMYK, YCbCr without JPEG, L*a*b*, complex numbers, and
    signed or float white-is-zero are refused.

    Args:
        path: the file.
        max_pixels: refuse files that declare more, before anything is decoded; pages count together.
        stored: leave samples as the file stores them, as masks of classes need: a palette's indices, grey of 2 and 4
            bits unstretched, white-is-zero not turned round, and no alpha for a PNG's transparent colour.

    Returns:
        The `Picture`.

    Raises:
        ImageFileError: if there is no such file, it is not a regular one, not an image of these kinds, empty,
            truncated, damaged, too large, or uses something that cannot be read without loss. Its text is one line.

    Linear time: a JPEG is decoded twice, to see that nothing of it is missing. Deterministic. Arithmetic coding is
    the exception: its decoders take zeros for what is missing, so a scan that was cut cannot be told from a whole one.

    Example:
        >>> from importlib.resources import files
        >>> from fastcnn.io import read_image
        >>> picture = read_image(files("fastcnn") / "data" / "cells.png")
        >>> picture.pixels.shape, picture.pixels.dtype
        ((512, 512), dtype('uint8'))
    """
    try:
        with _open(path) as file:
            return _decode(file, max_pixels, stored)
    except UnreadableImage as refusal:
        raise ImageFileError(path, str(refusal)) from None
    except ImageFileError:
        raise
    except MemoryError:
        raise ImageFileError(path, "not enough memory to read it") from None
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        # Pillow's and tifffile's own refusals, of which the text helps; or the system's.
        why = " ".join(str(error).split())[:160]
        known = error.strerror.lower() if isinstance(error, OSError) and error.strerror else None
        raise ImageFileError(path, known or f"is truncated or damaged ({why})") from None
    except (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, struct.error):
        # Decoders raise these for a file that contradicts itself.
        raise ImageFileError(path, "is truncated or damaged") from None


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    # Looked at before it is opened: opening a pipe would wait for its other end.
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise UnreadableImage("is a folder")
    if not stat.S_ISREG(mode):
        raise UnreadableImage("is not a regular file")
    return Path(path).open("rb")


def _decode(file: BinaryIO, max_pixels: int, stored: bool) -> Picture:
    start = file.read(8)
    file.seek(0)
    if not start:
        raise UnreadableImage("is empty")
    # Known by their first bytes, never by name, and only these decoders are ever run.
    if start == b"\x89PNG\r\n\x1a\n":
        from fastcnn.io import _raster

        return _raster.decode_png(file, max_pixels, stored)
    if start.startswith(b"\xff\xd8\xff"):
        from fastcnn.io import _raster

        return _raster.decode_jpeg(file, max_pixels)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from fastcnn.io import _tiff

        return _tiff.decode(file, max_pixels, stored)
    raise UnreadableImage("is not a PNG, JPEG or TIFF image")
