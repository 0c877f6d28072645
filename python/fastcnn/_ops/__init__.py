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
from fastcnn._ops.anchors import *  # noqa: F403
from fastcnn._ops.boxes import *  # noqa: F403
from fastcnn._ops.cleaning import *  # noqa: F403
from fastcnn._ops.distance import *  # noqa: F403
from fastcnn._ops.features import *  # noqa: F403
from fastcnn._ops.filtering import *  # noqa: F403
from fastcnn._ops.flooding import *  # noqa: F403
from fastcnn._ops.geometry import *  # noqa: F403
from fastcnn._ops.labeling import *  # noqa: F403
from fastcnn._ops.morphology import *  # noqa: F403
from fastcnn._ops.peaks import *  # noqa: F403
from fastcnn._ops.proposals import *  # noqa: F403
from fastcnn._ops.roi import *  # noqa: F403
from fastcnn._ops.suppression import *  # noqa: F403
from fastcnn._ops.thresholding import *  # noqa: F403

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
