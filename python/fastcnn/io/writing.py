"""Writing PNG, JPEG and TIFF files, complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcnn._errors import ArgumentError
from fastcnn.io.errors import ImageFileError
from fastcnn.io.output import replacing

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}


def write_image(path: str | os.PathLike[str], image: ArrayLike, *, channels: bool | None = None) -> None:
    """Write an image file; its kind follows from the name's ending (.png, .jpg, .jpeg, .tif, .tiff).

    The pixels are written as they are: what the kind of file cannot hold is refused (`to_dtype` converts). PNG takes
    bool, uint8 and uint16 grey, and uint8 colour; JPEG, which is lossy, uint8 grey and RGB (quality 95); TIFF takes
    every dtype, and several pages.

    Args:
        path: where to. It appears when it is complete; an older file stays until then.
        image: (H, W), (H, W, C), or for TIFF (pages, H, W) and (pages, H, W, C). C is 3 (RGB) or 4 (RGB, alpha).
        channels: whether the last dimension is C. None: if there are three dimensions and the last has 3 or 4 entries,
            or there are four.

    Raises:
        ArgumentError: for a name, shape or dtype that cannot be written, or an image without pixels.
        ImageFileError: if the system cannot write it.

    Example:
        >>> import tempfile, numpy as np
        >>> from pathlib import Path
        >>> from fastcnn.io import read_image, write_image
        >>> file = Path(tempfile.mkdtemp()) / "ramp.png"
        >>> write_image(file, np.arange(6, dtype=np.uint16).reshape(2, 3))
        >>> read_image(file).pixels
        array([[0, 1, 2],
               [3, 4, 5]], dtype=uint16)
    """
    pixels = np.asarray(image)
    kind = _KINDS.get(Path(path).suffix.lower())
    if kind is None:
        raise ArgumentError(f"write_image: expected a name ending in {', '.join(_KINDS)}, got {os.fspath(path)!r}")
    if pixels.dtype.kind not in "biuf":
        raise ArgumentError(f"write_image: expected bool, integers or floats, got {pixels.dtype}")
    if channels is None:
        channels = pixels.ndim == 4 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    dims = pixels.ndim - channels
    if dims not in (2, 3) or pixels.size == 0 or (channels and pixels.shape[-1] not in (3, 4)):
        raise ArgumentError(f"write_image: expected shape ([pages,] H, W[, 3 or 4]) with pixels, got {pixels.shape}")
    if dims == 3 and kind != "TIFF":
        raise ArgumentError(f"write_image: expected one page for {kind}, got {len(pixels)}")
    try:
        with replacing(path) as (temporary,):
            if kind == "TIFF":
                save_tiff(temporary, pixels, channels)
            else:
                _save_raster(temporary, pixels, kind)
    except ImageFileError:
        raise
    except OSError as error:
        raise ImageFileError(path, f"cannot be written ({error.strerror or error})") from None


def save_tiff(path: Path, pixels: NDArray[Any], channels: bool = False) -> None:
    """Write a deflated TIFF, whatever the name's ending."""
    import tifffile

    photometric = "rgb" if channels else "minisblack"
    # Level 1: label images shrink a hundredfold at any level, and this one is the fastest.
    with path.open("wb") as file:
        tifffile.imwrite(
            file, pixels, photometric=photometric, compression="zlib", compressionargs={"level": 1}, metadata=None
        )


def save_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write a PNG, whatever the name's ending."""
    from PIL import Image

    Image.fromarray(pixels).save(path, format="PNG", compress_level=3)


def _save_raster(path: Path, pixels: NDArray[Any], kind: str) -> None:
    from PIL import Image

    takes = {"PNG": (("bool", "uint8", "uint16"), ("uint8",)), "JPEG": (("uint8",), ("uint8",))}[kind][pixels.ndim == 3]
    if pixels.dtype.name not in takes or (kind == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4):
        what = f"{pixels.shape[2]} channels" if pixels.ndim == 3 else "grey"
        raise ArgumentError(
            f"write_image: expected {' or '.join(takes)} for {kind}, got {pixels.dtype} ({what}); "
            "fastcnn.io.to_dtype converts, and TIFF holds every dtype"
        )
    if kind == "PNG":
        save_png(path, pixels)
    else:
        Image.fromarray(pixels).save(path, format="JPEG", quality=95, subsampling=0)
