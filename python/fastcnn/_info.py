"""Information on the build, the detected hardware and libraries, and the settings in use."""

from __future__ import annotations

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


def set_conv_algorithm(name: str) -> None:
    """Choose how convolutions are computed, in the whole process and on both fronts.

    ``FASTCNN_CONV_ALGORITHM`` in the environment does the same from the start. ``fastcnn bench --explain`` shows the
    algorithms in the order in which "auto" tries them, and which one it takes for a layer.

    Args:
        name: "auto", the default: the fastest for each shape within 3e-5 of the result's root mean square (or twice
            torch's own error). "direct": as "auto" without Winograd, so that each result's error is that of a plain
            sum, and NaN and infinities stay in the windows that hold them. "winograd": Winograd wherever it fits. The
            name of one algorithm: that one wherever it fits. Where it does not fit, the choice is that of "auto".

    Raises:
        ArgumentError: for another name; the text lists them.

    Weights that are packed already stay packed as they are, where the algorithm is in the graph (`fastcnn.optimize`).

    Example:
        >>> import fastcnn
        >>> fastcnn.set_conv_algorithm("direct")
        >>> fastcnn.get_conv_algorithm()
        'direct'
        >>> fastcnn.set_conv_algorithm("auto")
    """
    _core.set_conv_algorithm(name)


def get_conv_algorithm() -> str:
    """Return what `set_conv_algorithm` set last, or FASTCNN_CONV_ALGORITHM, or "auto"."""
    return _core.get_conv_algorithm()


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
    built = library("fastcnn_cuda") is not None
    why: str | None
    if not built:
        why = "this build has no CUDA library (nvcc was not found, or FASTCNN_CUDA=off)"
    elif importlib.util.find_spec("torch") is None:
        why = "torch is not installed"
    else:
        from fastcnn._torch import register

        why = register.why_no_cuda
    return {"built": built, "available": built and not why, "why_not": why}


def info() -> dict[str, Any]:
    """Return what was built, found and used, as a dictionary that JSON can hold.

    Keys: ``version``, ``python``, ``platform``, ``torch`` (its version or None), ``isa`` (``used``, ``available``),
    ``threads`` (of the NumPy front), ``cuda`` (``built``, ``available``, ``why_not``), ``folder``. Imports torch only
    where the build has a CUDA library and its state is not known yet.

    Example:
        >>> import fastcnn
        >>> sorted(fastcnn.info()["cuda"])
        ['available', 'built', 'why_not']
    """
    import importlib.metadata

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
