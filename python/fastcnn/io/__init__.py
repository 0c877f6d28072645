"""Image files and lossless conversions. Reads and writes PNG, JPEG and TIFF; imports no torch.

Files are untrusted: sizes are checked before pixels are decoded, and a file that cannot be read completely is refused
with one sentence that names it (`ImageFileError`).
"""

from fastcnn.io.conversion import LUMINANCE, to_dtype, to_grey
from fastcnn.io.errors import ImageFileError
from fastcnn.io.output import replacing
from fastcnn.io.picture import Picture
from fastcnn.io.reading import MAX_PIXELS, read_image
from fastcnn.io.writing import write_image

__all__ = [
    "LUMINANCE",
    "MAX_PIXELS",
    "ImageFileError",
    "Picture",
    "read_image",
    "replacing",
    "to_dtype",
    "to_grey",
    "write_image",
]
