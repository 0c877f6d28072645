"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastcnn.io.errors import ImageFileError


@contextlib.contextmanager
def replacing(*paths: str | os.PathLike[str]) -> Iterator[Sequence[Path]]:
    """Write one or several files so that readers see all of them complete, or none.

    Yields a temporary path beside each target, to be written in the block. They take the targets' names when the block
    ends; if it raises (Ctrl-C included) they are removed and the targets stay as they were.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from fastcnn.io import replacing
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "notes.txt") as (temporary,):
        ...     _ = temporary.write_text("complete")
        >>> [p.name for p in folder.iterdir()]
        ['notes.txt']
    """
    targets = [Path(p) for p in paths]
    for target in targets:
        if target.is_dir():
            raise ImageFileError(target, "is a folder, and would have to be replaced by a file")
    # Short names, whatever the targets': these may be as long as the file system lets them.
    token = f"{os.getpid()}-{os.urandom(4).hex()}"
    temporary = [target.with_name(f".fastcnn-{token}-{i}.tmp") for i, target in enumerate(targets)]
    try:
        yield temporary
        for path, target in zip(temporary, targets, strict=True):
            os.replace(path, target)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
