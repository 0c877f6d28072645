"""The registered ops of all families, by name."""

from fastcnn._dispatch import tensor_ops
from fastcnn._torch import (  # noqa: F401  (they fill the table)
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
    packed,
    peaks,
    pooling,
    proposals,
    roi,
    thresholding,
)
from fastcnn._torch.register import TENSOR_OPS

__all__ = ["TENSOR_OPS"]

tensor_ops.update(TENSOR_OPS)
