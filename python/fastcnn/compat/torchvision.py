"""torchvision beside any torch, and its operators on fastcnn's kernels.

PyPI's torchvision has a compiled library for one build of torch. Beside another (a CPU-only one, a newer one) its
import ends with "operator torchvision::nms does not exist", and timm, segmentation-models-pytorch and all that imports
it go down with it. Importing this module first defines the operators that are missing, on fastcnn's kernels, and
imports torchvision:

    >>> import fastcnn.compat.torchvision
    >>> import torch, torchvision
    >>> torchvision.ops.nms(torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]]), torch.tensor([0.5, 0.9]), 0.5)
    tensor([1])

Where torchvision's own library loads nothing is changed; `accelerate` puts fastcnn's kernels in the place of its CPU
kernels, and `restore` undoes it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from fastcnn.compat import _torchvision_kernels as _kernels

__all__ = ["accelerate", "is_native", "restore"]

_NAME = "torchvision"
# Registrations last as long as these objects.
_definitions: torch.library.Library | None = None
_replacements: torch.library.Library | None = None


def _folder() -> Path:
    spec = importlib.util.find_spec(_NAME) if _NAME not in sys.modules else sys.modules[_NAME].__spec__
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("fastcnn.compat.torchvision: torchvision is not installed", name=_NAME)
    return Path(spec.origin).parent


def _is_defined(name: str) -> bool:
    return bool(torch._C._dispatch_has_kernel(f"{_NAME}::{name}")) or hasattr(torch.ops.torchvision, name)


def _loads(folder: Path) -> bool:
    """Does torchvision's own library load? The operators are there then."""
    if _is_defined("nms"):
        return True
    for path in [*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")]:
        with contextlib.suppress(OSError, RuntimeError):
            torch.ops.load_library(path)
            return _is_defined("nms")
    return False


def _define() -> torch.library.Library:
    library = torch.library.Library(_NAME, "FRAGMENT")
    for schema in _kernels.SCHEMAS:
        if not _is_defined(schema.partition("(")[0]):
            library.define(schema)
    for key, kernels in _kernels.KERNELS.items():
        for name, kernel in kernels.items():
            library.impl(name, kernel, key)
    library.impl("_cuda_version", lambda: -1, "CompositeImplicitAutograd")
    return library


@contextlib.contextmanager
def _library_counts_as_loaded(folder: Path) -> Iterator[None]:
    """While torchvision is imported: loading its library succeeds, for its operators are there."""
    load = torch.ops.load_library

    def load_library(path: Any) -> None:
        if Path(path).parent == folder and Path(path).name.startswith("_C."):
            return
        load(path)

    torch.ops.load_library = load_library  # type: ignore[method-assign]  # hides the method until the end
    try:
        yield
    finally:
        del torch.ops.load_library  # the instance's attribute; the method is there again


def _complete() -> None:
    """Autograd and metadata, where this release of torchvision has none in Python."""
    with contextlib.suppress(RuntimeError):  # it has
        name = f"{_NAME}::box_iou_rotated"
        torch.library.register_fake(name, _kernels.fake_box_iou_rotated, lib=_definitions)
    for name, (context, gradient) in _kernels.AUTOGRAD.items():
        if not torch._C._dispatch_has_kernel_for_dispatch_key(f"{_NAME}::{name}", "Autograd"):
            torch.library.register_autograd(f"{_NAME}::{name}", gradient, setup_context=context, lib=_definitions)


def _import() -> bool:
    global _definitions
    folder = _folder()
    if _loads(folder):
        importlib.import_module(_NAME)
        return True
    _definitions = _define()
    with _library_counts_as_loaded(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to load image Python extension")  # its JPEG and PNG codecs
        importlib.import_module(_NAME)
    _complete()
    return False


_native = _import()


def is_native() -> bool:
    """Return whether torchvision's own library loaded.

    Example:
        >>> from fastcnn.compat import torchvision
        >>> torchvision.is_native() in (True, False)
        True
    """
    return _native


def accelerate() -> None:
    """Put fastcnn's kernels in the place of torchvision's CPU kernels, for the whole process.

    Without torchvision's library they are in place already. CUDA kernels stay torchvision's.

    Example:
        >>> from fastcnn.compat import torchvision
        >>> torchvision.accelerate()
        >>> torchvision.restore()
    """
    global _replacements
    if not _native or _replacements is not None:
        return
    library = torch.library.Library(_NAME, "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning only once for all operators")  # that is the purpose
        for key, kernels in _kernels.KERNELS.items():
            for name, kernel in kernels.items():
                if _is_defined(name):  # an older release may lack some
                    library.impl(name, kernel, key, allow_override=True)
    _replacements = library


def restore() -> None:
    """Undo `accelerate`.

    Example:
        >>> from fastcnn.compat import torchvision
        >>> torchvision.restore()
    """
    global _replacements
    if _replacements is not None:
        _replacements._destroy()
        _replacements = None
