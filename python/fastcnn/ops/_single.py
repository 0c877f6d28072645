"""One image where ops take batches."""

from __future__ import annotations

from torch import Tensor


def as_batch(image: Tensor) -> Tensor:
    """Make it a batch of one in its own layout, which a plain unsqueeze hides where channels are innermost."""
    if image.is_contiguous():
        return image.unsqueeze(0)
    return image.movedim(0, -1).unsqueeze(0).movedim(-1, 1)
