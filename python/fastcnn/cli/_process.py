"""The process around the commands: its streams, its signals, and how it ends. Imports next to nothing."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

# Signals that ask a process to end, where the system has them, and the word for each.
ENDINGS = {
    getattr(signal, name): word
    for name, word in (("SIGINT", "interrupted"), ("SIGTERM", "terminated"), ("SIGHUP", "terminated"))
    if hasattr(signal, name)
}


def handle(handler: Any) -> dict[int, Any]:
    """Set a handler for all that ask to end, and return those before; what is ignored (nohup) stays so."""
    before = {}
    for number in ENDINGS:
        found = signal.getsignal(number)
        if found not in (None, signal.SIG_IGN):  # None: whoever runs us in their process has a handler in C
            before[number] = found
            signal.signal(number, handler)
    return before


def run(command: Callable[[], Any]) -> None:
    """Run a command line: it ends with an exit status and at most a line, at whatever time and with whatever streams.

    A reader of stdout that goes away (`| head`) is no error: the work is done all the same. Where stdout takes no more
    for another reason (a full disk), the work is done too, and the exit status is 1.
    """
    out, err = _guarded("stdout", 1), _guarded("stderr", 2)
    main = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        """End at once. An exception could be raised in a place that loses it, such as an import."""
        if os.getpid() == main:  # a forked child ends without a word
            err.write(f"fastcnn: {ENDINGS[number]}\n".encode())
        os._exit(128 + number)

    handle(end)
    status: Any = 0
    try:
        command()
    except SystemExit as exit_:
        status = exit_.code
    sys.stdout.flush()
    if out.failure is not None and out.failure.errno != errno.EPIPE:
        print(f"fastcnn: stdout: cannot be written ({out.failure.strerror})", file=sys.stderr)
        status = status or 1
    sys.exit(status)


class _Raw(io.RawIOBase):
    """A stream that fails once and silently: what comes after goes nowhere."""

    failure: OSError | None = None

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.fileno, self.isatty, self.writable = raw.fileno, raw.isatty, raw.writable  # type: ignore[method-assign]

    def write(self, data: Any) -> int:
        if self.failure is None:
            try:
                return int(self._raw.write(data))
            except OSError as error:
                self.failure = error
        return len(data)


def _guarded(name: str, number: int) -> _Raw:
    """Put a stream that does not raise in the place of one of `sys`; a closed one leads nowhere."""
    try:
        os.fstat(number)
    except OSError:
        # Or the next file that is opened would get its number, and what is printed.
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
    stream = getattr(sys, name)
    there = io.FileIO(number, "w", closefd=False) if stream is None else getattr(stream.buffer, "raw", stream.buffer)
    raw = _Raw(there)
    # Characters that the encoding lacks are escaped.
    encoding = "utf-8" if stream is None else stream.encoding
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=True)
    setattr(sys, name, text)
    return raw
