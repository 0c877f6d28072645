"""Errors and warnings about a dataset's files."""

from __future__ import annotations

import os
import warnings


class DataError(ValueError):
    """A file or folder that is not what a dataset needs. Its text is one line: the path, a colon, the reason."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = " ".join(reason.split())
        super().__init__(self.path, self.reason)

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.path}: {self.reason}"


class DataWarning(UserWarning):
    """A part of a dataset was skipped."""


def warn(text: str) -> None:
    """Warn with the location of the user's code, if there is any."""
    warnings.warn(text, DataWarning, stacklevel=3)
