"""The registered ops of all families, by name."""

from fastcnn._torch import cleaning, distance, filtering, flooding, labeling, morphology, peaks, thresholding  # noqa: F401  (they fill the table)
from fastcnn._torch.register import TENSOR_OPS

__all__ = ["TENSOR_OPS"]
