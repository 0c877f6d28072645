"""The exceptions of both fronts, and the way back from the core's error texts."""

from __future__ import annotations

import re


class ArgumentError(ValueError, RuntimeError):
    """A wrong value. A ValueError as NumPy's users expect, and a RuntimeError as torch's do."""


class BackendError(RuntimeError):
    """The call needs a backend (CUDA, say) that this build, torch or machine lacks."""


# torch carries C++ exceptions as RuntimeErrors; cpp/torch/bridge.cpp marks the core's.
_MARK = re.compile(r"\[fastcnn (argument|type|memory|unsupported)\] ([^\n]*)")
_KINDS: dict[str, type[Exception]] = {
    "argument": ArgumentError,
    "type": TypeError,
    "memory": MemoryError,
    "unsupported": BackendError,
}


def translate(error: RuntimeError) -> Exception:
    """Return the exception that the core meant, or the error itself where it is not the core's."""
    found = _MARK.search(str(error))
    return _KINDS[found.group(1)](found.group(2)) if found else error
