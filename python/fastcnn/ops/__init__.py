"""Operations on torch tensors, by family. ``fastcnn.image`` has the same names on NumPy arrays."""

from fastcnn.ops.cleaning import fill_holes, remove_small_holes, remove_small_objects
from fastcnn.ops.distance import distance_transform_edt
from fastcnn.ops.filtering import gaussian_blur
from fastcnn.ops.labeling import clear_border, label, region_table, relabel_sequential
from fastcnn.ops.morphology import dilation, erosion
from fastcnn.ops.peaks import local_maxima, local_minima, peak_local_max, peak_local_max_padded
from fastcnn.ops.thresholding import binarize_local, threshold_local, threshold_otsu

__all__ = [
    "binarize_local",
    "clear_border",
    "dilation",
    "distance_transform_edt",
    "erosion",
    "fill_holes",
    "gaussian_blur",
    "label",
    "local_maxima",
    "local_minima",
    "peak_local_max",
    "peak_local_max_padded",
    "region_table",
    "relabel_sequential",
    "remove_small_holes",
    "remove_small_objects",
    "threshold_local",
    "threshold_otsu",
]
