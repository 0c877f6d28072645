"""Operations on NumPy arrays, by family. ``fastcnn.ops`` has the same names on torch tensors. Imports no torch."""

from fastcnn.image.cleaning import fill_holes, remove_small_holes, remove_small_objects
from fastcnn.image.distance import distance_transform_edt
from fastcnn.image.filtering import gaussian_blur
from fastcnn.image.flooding import watershed
from fastcnn.image.labeling import clear_border, label, region_table, relabel_sequential
from fastcnn.image.morphology import (
    closing,
    diamond,
    dilation,
    disk,
    erosion,
    hexagon,
    line,
    morphological_gradient,
    opening,
    rectangle,
    square,
)
from fastcnn.image.peaks import local_maxima, local_minima, peak_local_max, peak_local_max_padded
from fastcnn.image.thresholding import binarize_local, threshold_local, threshold_otsu

__all__ = [
    "binarize_local",
    "clear_border",
    "closing",
    "diamond",
    "dilation",
    "disk",
    "distance_transform_edt",
    "erosion",
    "fill_holes",
    "gaussian_blur",
    "hexagon",
    "label",
    "line",
    "local_maxima",
    "local_minima",
    "morphological_gradient",
    "opening",
    "peak_local_max",
    "peak_local_max_padded",
    "rectangle",
    "region_table",
    "relabel_sequential",
    "remove_small_holes",
    "remove_small_objects",
    "square",
    "threshold_local",
    "threshold_otsu",
    "watershed",
]
