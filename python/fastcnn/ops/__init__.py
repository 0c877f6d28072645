"""Operations on torch tensors, by family. ``fastcnn.image`` has the same names on NumPy arrays."""

from fastcnn.ops.distance import distance_transform_edt
from fastcnn.ops.morphology import dilation, erosion

__all__ = [
    "dilation",
    "distance_transform_edt",
    "erosion",
]
