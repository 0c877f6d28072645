"""Training on Lightning: one call, or ``fastcnn train``. Needs the extra ``fastcnn[train]``."""

from importlib.util import find_spec

from fastcnn._extras import needing

with needing("fastcnn.train", "train"):
    # Import these first: otherwise a missing one is reported only after torch and Lightning, or in the middle of a run.
    import pycocotools  # noqa: F401
    import tensorboard  # noqa: F401
    import yaml  # noqa: F401

    if find_spec("torchvision"):
        # torchmetrics imports torchvision if it is installed, and its wheel may not load with this torch.
        import fastcnn.compat.torchvision  # noqa: F401  # for what its import does

    from fastcnn.train.run import Finished, train
    from fastcnn.train.settings import Settings
    from fastcnn.train.sources import Sources, find_sources

__all__ = ["Finished", "Settings", "Sources", "find_sources", "train"]
