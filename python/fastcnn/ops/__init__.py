"""Operations on NumPy arrays and torch tensors, by family: the kind that comes in goes out.

Only tensors load torch, and what is made of it: `PackedConvolution` and the losses of boxes.
"""

from __future__ import annotations

import importlib
import sys

from fastcnn._checked import check_all
from fastcnn._info import library
from fastcnn.ops import (
    anchors,
    boxes,
    cleaning,
    conv,
    deform,
    distance,
    features,
    filtering,
    flooding,
    geometry,
    labeling,
    morphology,
    peaks,
    pooling,
    proposals,
    roi,
    suppression,
    thresholding,
)
from fastcnn.ops.anchors import *
from fastcnn.ops.boxes import *
from fastcnn.ops.cleaning import *
from fastcnn.ops.conv import *
from fastcnn.ops.deform import *
from fastcnn.ops.distance import *
from fastcnn.ops.features import *
from fastcnn.ops.filtering import *
from fastcnn.ops.flooding import *
from fastcnn.ops.geometry import *
from fastcnn.ops.labeling import *
from fastcnn.ops.morphology import *
from fastcnn.ops.peaks import *
from fastcnn.ops.pooling import *
from fastcnn.ops.proposals import *
from fastcnn.ops.roi import *
from fastcnn.ops.suppression import *
from fastcnn.ops.thresholding import *

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fastcnn._torch.box_losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss
    from fastcnn._torch.packed import PackedConvolution

_FOR_TENSORS = {
    "PackedConvolution": "packed",
    "complete_box_iou_loss": "box_losses",
    "distance_box_iou_loss": "box_losses",
    "generalized_box_iou_loss": "box_losses",
}

__all__ = [
    "PackedConvolution",
    *anchors.__all__,
    *boxes.__all__,
    *cleaning.__all__,
    *conv.__all__,
    *deform.__all__,
    *distance.__all__,
    *features.__all__,
    *filtering.__all__,
    *flooding.__all__,
    *geometry.__all__,
    *labeling.__all__,
    *morphology.__all__,
    *peaks.__all__,
    *pooling.__all__,
    *proposals.__all__,
    *roi.__all__,
    *suppression.__all__,
    *thresholding.__all__,
    "complete_box_iou_loss",
    "distance_box_iou_loss",
    "generalized_box_iou_loss",
]
FOR_ARRAYS = [name for name in __all__ if name not in _FOR_TENSORS]

check_all(__name__, FOR_ARRAYS)


def __getattr__(name: str) -> Any:
    if name not in _FOR_TENSORS:
        raise AttributeError(f"module 'fastcnn.ops' has no attribute {name!r}")
    module = importlib.import_module(f"fastcnn._torch.{_FOR_TENSORS[name]}")
    found = globals()[name] = getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


if "torch" in sys.modules and library("fastcnn_torch"):  # saved programs need the ops before the first tensor comes
    import fastcnn._torch.table  # noqa: F401  # its import registers the ops
