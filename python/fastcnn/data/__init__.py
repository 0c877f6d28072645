"""Datasets: files of the usual forms, pictures that are drawn, and random changes of them.

Every dataset gives `Sample` objects. Broken files are named; they raise, or are skipped with a `DataWarning`, as one
chooses.
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
