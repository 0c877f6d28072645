"""The result of reading, and the checks that every decoder shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcnn.io.conversion import to_grey


class UnreadableImage(Exception):  # noqa: N818 - becomes an ImageFileError once the path is known
    """Why a file is not read."""


@dataclass(frozen=True)
class Picture:
    """The content of an image file, with nothing lost.

    Attributes:
        pixels: (H, W), or (H, W, C) where `channels` is not None, after one more leading dimension of pages where
            `pages` is not None. bool, uint8, uint16 or whatever else the file has.
        channels: None (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
        pages: the number of pages of a TIFF that has several, else None.
        bits: of a sample of more than 8 bits that its dtype has room to spare for (10, 12, 14... in TIFF): white is
            2**bits - 1. Else None.
    """

    pixels: NDArray[Any]
    channels: int | None = None
    pages: int | None = None
    bits: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of one page."""
        height, width = self.pixels.shape[1:3] if self.pages else self.pixels.shape[:2]
        return height, width

    def grey(self, background: float = 0.0) -> NDArray[Any]:
        """Return the luminance, ([pages,] H, W), transparent pixels on `background`; see `to_grey`."""
        return self.pixels if self.channels is None else to_grey(self.pixels, background=background)


def check_size(width: int, height: int, max_pixels: int, pages: int = 1) -> None:
    """Refuse what has no pixels, or too many."""
    if width <= 0 or height <= 0 or pages <= 0:
        raise UnreadableImage(f"has no pixels ({width} x {height})")
    if width * height * pages > max_pixels:
        of_pages = f" x {pages} pages" if pages > 1 else ""
        raise UnreadableImage(f"has {width} x {height}{of_pages} pixels, over the limit of {max_pixels} (max_pixels)")


def oriented(pixels: NDArray[Any], orientation: Any, lead: int = 0) -> NDArray[Any]:
    """Turn the image on axes `lead` and `lead` + 1 the way its TIFF/EXIF orientation tag (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(lead, lead + 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.flip(pixels, tuple(lead + axis for axis in flips))
