"""Datasets: files in the usual formats, synthetic images, and random transforms of them.

Every dataset yields `Sample` objects. A broken file raises an error or is skipped with a `DataWarning`, as the caller
chooses; the message names the file.
"""

from fastcnn.data.augment import Affine, Augmented, Color, Compose, Crop, Flip, Mosaic, Resize
from fastcnn.data.coco import CocoDetection
from fastcnn.data.errors import DataError, DataWarning
from fastcnn.data.folders import ImageFolder, MaskFolder
from fastcnn.data.idx import ArrayImages, IdxImages, read_idx
from fastcnn.data.sample import Sample, Samples
from fastcnn.data.scenes import Cells, Shapes
from fastcnn.data.voc import VocDetection

__all__ = [
    "Affine",
    "ArrayImages",
    "Augmented",
    "Cells",
    "CocoDetection",
    "Color",
    "Compose",
    "Crop",
    "DataError",
    "DataWarning",
    "Flip",
    "IdxImages",
    "ImageFolder",
    "MaskFolder",
    "Mosaic",
    "Resize",
    "Sample",
    "Samples",
    "Shapes",
    "VocDetection",
    "read_idx",
]
