"""Native image analysis and convolutional networks for PyTorch.

``fastcnn.ops`` and ``fastcnn.pipelines`` take and return NumPy arrays or torch tensors, and ``fastcnn.io`` reads and
writes image files. ``fastcnn.nn`` has torch.nn's layers on fastcnn's kernels; `convert` brings them into a finished
model, and `optimize` makes a model's inference form; ``fastcnn.models`` and ``fastcnn.losses`` are made of both. All
are loaded on first use; ``fastcnn.ops``, ``fastcnn.io`` and ``fastcnn.pipelines`` import no torch.
"""

from __future__ import annotations

import importlib

# As typing has it, whose import takes longer than this module's: Ctrl-C has its handler after this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fastcnn import data, image, io, losses, models, nn, ops, pipelines
    from fastcnn._convert import convert
    from fastcnn._errors import ArgumentError, BackendError
    from fastcnn._info import (
        __version__,
        get_conv_algorithm,
        get_num_threads,
        info,
        release_scratch,
        set_conv_algorithm,
        set_num_threads,
    )
    from fastcnn._optimize.build import optimize
    from fastcnn._optimize.saving import load_optimized

_SUBMODULES = ("data", "image", "io", "losses", "models", "nn", "ops", "pipelines")
_MEMBERS = {
    "_convert": ("convert",),
    "_errors": ("ArgumentError", "BackendError"),
    "_info": (
        "__version__", "get_conv_algorithm", "get_num_threads", "info", "release_scratch", "set_conv_algorithm",
        "set_num_threads",
    ),
    "_optimize.build": ("optimize",),
    "_optimize.saving": ("load_optimized",),
}  # fmt: skip

__all__ = [
    "ArgumentError",
    "BackendError",
    "__version__",
    "convert",
    "data",
    "get_conv_algorithm",
    "get_num_threads",
    "image",
    "info",
    "io",
    "load_optimized",
    "losses",
    "models",
    "nn",
    "ops",
    "optimize",
    "pipelines",
    "release_scratch",
    "set_conv_algorithm",
    "set_num_threads",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"fastcnn.{name}")
    for module, names in _MEMBERS.items():
        if name in names:
            found = globals()[name] = getattr(importlib.import_module(f"fastcnn.{module}"), name)
            return found
    raise AttributeError(f"module 'fastcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
