"""The registered ops of all families, by name."""

from fastcnn._torch import morphology  # noqa: F401  (it fills the table)
from fastcnn._torch.register import TENSOR_OPS

__all__ = ["TENSOR_OPS"]
