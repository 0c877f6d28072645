"""Operations on NumPy arrays and torch tensors; results are of the same kind as the input. Imports no torch."""

from fastcnn._checked import check_all
from fastcnn._ops import (
    anchors,
    boxes,
    cleaning,
    distance,
    features,
    filtering,
    flooding,
    geometry,
    labeling,
    morphology,
    peaks,
    proposals,
    roi,
    suppression,
    thresholding,
)
from fastcnn._ops.anchors import *
from fastcnn._ops.boxes import *
from fastcnn._ops.cleaning import *
from fastcnn._ops.distance import *
from fastcnn._ops.features import *
from fastcnn._ops.filtering import *
from fastcnn._ops.flooding import *
from fastcnn._ops.geometry import *
from fastcnn._ops.labeling import *
from fastcnn._ops.morphology import *
from fastcnn._ops.peaks import *
from fastcnn._ops.proposals import *
from fastcnn._ops.roi import *
from fastcnn._ops.suppression import *
from fastcnn._ops.thresholding import *

__all__ = [
    *anchors.__all__,
    *boxes.__all__,
    *cleaning.__all__,
    *distance.__all__,
    *features.__all__,
    *filtering.__all__,
    *flooding.__all__,
    *geometry.__all__,
    *labeling.__all__,
    *morphology.__all__,
    *peaks.__all__,
    *proposals.__all__,
    *roi.__all__,
    *suppression.__all__,
    *thresholding.__all__,
]

check_all(__name__, __all__)
