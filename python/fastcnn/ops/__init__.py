"""Operations on torch tensors, by family. ``fastcnn.image`` has the same names on NumPy arrays."""

from fastcnn.ops.cleaning import fill_holes, remove_small_holes, remove_small_objects
from fastcnn.ops.distance import distance_transform_edt
from fastcnn.ops.labeling import clear_border, label, region_table, relabel_sequential
from fastcnn.ops.morphology import dilation, erosion

__all__ = [
    "clear_border",
    "dilation",
    "distance_transform_edt",
    "erosion",
    "fill_holes",
    "label",
    "region_table",
    "relabel_sequential",
    "remove_small_holes",
    "remove_small_objects",
]
