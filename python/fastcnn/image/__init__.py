"""Operations on NumPy arrays, by family. ``fastcnn.ops`` has the same names on torch tensors. Imports no torch."""

from fastcnn.image.distance import distance_transform_edt
from fastcnn.image.morphology import dilation, erosion

__all__ = [
    "dilation",
    "distance_transform_edt",
    "erosion",
]
