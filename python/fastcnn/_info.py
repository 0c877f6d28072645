"""What was built, found and used."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Any

from fastcnn import _core

__version__ = _core.version()

_FOLDER = Path(__file__).parent


def set_num_threads(n: int) -> None:
    """Set the number of threads of the NumPy front. The torch front follows ``torch.set_num_threads``.

    Args:
        n: 1 to 1024. The default is the number of cores that the process may use.

    Raises:
        ArgumentError: for another n.

    Example:
        >>> import fastcnn
        >>> fastcnn.set_num_threads(2)
        >>> fastcnn.get_num_threads()
        2
    """
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """Return the number of threads of the NumPy front."""
    return _core.get_num_threads()


def release_scratch() -> None:
    """Give cached scratch memory back to the system.

    Kernels keep up to ``FASTCNN_SCRATCH_MIB`` (256 by default) of scratch memory for the next call.
    """
    _core.release_scratch()


def library(stem: str) -> Path | None:
    """Return the path of one of the package's shared libraries, or None where it was not built."""
    for name in (f"lib{stem}.so", f"lib{stem}.dylib", f"{stem}.dll"):
        if (_FOLDER / name).exists():
            return _FOLDER / name
    return None


def _cuda() -> dict[str, Any]:
    built = library("fastcnn_torch_cuda") is not None
    why: str | None
    if not built:
        why = "this build has no CUDA libraries (nvcc was not found, or FASTCNN_CUDA=off)"
    elif importlib.util.find_spec("torch") is None:
        why = "torch is not installed"
    else:
        from fastcnn import _library

        why = _library.why_no_cuda
    return {"built": built, "available": built and not why, "why_not": why}


def info() -> dict[str, Any]:
    """Return what was built, found and used, as a dictionary that JSON can hold.

    Keys: ``version``, ``python``, ``platform``, ``torch`` (its version or None), ``isa`` (``used``, ``available``),
    ``threads`` (of the NumPy front), ``cuda`` (``built``, ``available``, ``why_not``), ``folder``. Imports torch only
    where the build has CUDA libraries and their state is not known yet.

    Example:
        >>> import fastcnn
        >>> sorted(fastcnn.info()["cuda"])
        ['available', 'built', 'why_not']
    """
    try:
        torch_version: str | None = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch_version = None
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "torch": torch_version,
        "isa": {"used": _core.running_isa(), "available": _core.isas()},
        "threads": get_num_threads(),
        "cuda": _cuda(),
        "folder": str(_FOLDER),
    }
