"""The one exception of reading and writing image files."""

from __future__ import annotations

import os


class ImageFileError(OSError):
    """A file that cannot be read or written as asked. Its text is one line: the path, a colon, the reason."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = " ".join(reason.split())
        super().__init__(self.path, self.reason)

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.path}: {self.reason}"
