"""Losses of segmentation: of pixels, of regions, of boundaries, and sums of them.

All take logits (B, C, ...) and a target, whose shape says what is meant. Integers (B, ...) with C > 1: one of C classes
for each pixel. The logits' own shape: each channel is there or not, for itself. With C = 1, either shape.
"""

from fastcnn.losses.boundary import boundary_loss, hausdorff_loss
from fastcnn.losses.combined import CombinedLoss
from fastcnn.losses.pixel import cross_entropy_loss, focal_loss
from fastcnn.losses.region import dice_loss, jaccard_loss, lovasz_loss, tversky_loss

__all__ = [
    "CombinedLoss",
    "boundary_loss",
    "cross_entropy_loss",
    "dice_loss",
    "focal_loss",
    "hausdorff_loss",
    "jaccard_loss",
    "lovasz_loss",
    "tversky_loss",
]
