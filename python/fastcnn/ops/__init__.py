"""Operations on torch tensors, by family. ``fastcnn.image`` has the same names on NumPy arrays."""

from fastcnn.ops._packed import PackedConvolution
from fastcnn.ops.cleaning import fill_holes, remove_small_holes, remove_small_objects
from fastcnn.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from fastcnn.ops.distance import distance_transform_edt
from fastcnn.ops.filtering import gaussian_blur
from fastcnn.ops.flooding import watershed
from fastcnn.ops.labeling import clear_border, label, region_table, relabel_sequential
from fastcnn.ops.morphology import (
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
from fastcnn.ops.peaks import local_maxima, local_minima, peak_local_max, peak_local_max_padded
from fastcnn.ops.thresholding import binarize_local, threshold_local, threshold_otsu

__all__ = [
    "PackedConvolution",
    "binarize_local",
    "clear_border",
    "closing",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
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
