"""Pooling: the maximum, the mean, and pyramids of them."""

from fastcnn._checked import check_all
from fastcnn.ops.pooling import maximum, mean, pyramid
from fastcnn.ops.pooling.maximum import *
from fastcnn.ops.pooling.mean import *
from fastcnn.ops.pooling.pyramid import *

__all__ = [*maximum.__all__, *mean.__all__, *pyramid.__all__]

check_all(__name__, __all__)
