"""Training on Lightning: one call, or ``fastcnn train``. Needs the extra ``fastcnn[train]``."""

# First: torchmetrics imports torchvision, whose own wheel may not load beside this torch.
import fastcnn.compat.torchvision  # noqa: F401  # isort: skip  # for what its import does
from fastcnn.train.run import Finished, train
from fastcnn.train.settings import Settings
from fastcnn.train.sources import Sources, find_sources

__all__ = ["Finished", "Settings", "Sources", "find_sources", "train"]
