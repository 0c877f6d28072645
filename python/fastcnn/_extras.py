"""Packages that only parts of fastcnn need, and the extra of fastcnn that brings them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager


def installing(extra: str) -> str:
    """Return the command that installs an extra beside the torch at hand; without that pip may take a newer one."""
    try:
        torch = f" torch=={importlib.metadata.version('torch').partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:
        torch = ""
    return f"pip install 'fastcnn[{extra}]'{torch}"


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Say which extra brings the package that an import in the block does not find.

    Raises:
        ModuleNotFoundError: with the package and the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "fastcnn"):  # no package that an extra brings
            raise
        raise ModuleNotFoundError(f"{what} needs {package}: {installing(extra)}", name=error.name) from None
