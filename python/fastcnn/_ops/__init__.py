"""Operations on NumPy arrays and torch tensors: the kind that comes in goes out. Imports no torch."""

from fastcnn._checked import check_all
from fastcnn._ops import morphology
from fastcnn._ops.morphology import *  # noqa: F403

__all__ = [*morphology.__all__]

check_all(__name__, __all__)
