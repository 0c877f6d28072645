"""Text for people: on stderr one line a problem, on stdout the results."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from fastcnn.cli._process import handle


def printable(text: object) -> str:
    """Show control characters, and bytes that are no text, as escapes: a file's name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


class Reporter:
    """Prints lines of text as they are: neither markup nor wrapping nor colours in them."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.out = Console(highlight=False)
        self.err = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """Tell something, unless told to be quiet."""
        if not self.quiet:
            self.out.print(printable(text), markup=False, soft_wrap=True)

    def problem(self, text: str) -> None:
        """Tell what went wrong."""
        self.err.print(f"fastcnn: {printable(text)}", markup=False, soft_wrap=True)


class Terminated(BaseException):
    """The system asks the process to end. Raised where it stands, so that temporary files are removed."""


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Turn what asks to end into an exception for the time of the block: KeyboardInterrupt or `Terminated`."""
    main = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != main:  # a forked child has nothing to clean
            os._exit(128 + number)
        handle(signal.SIG_IGN)  # a second one would interrupt the cleaning
        raise KeyboardInterrupt(number) if number == signal.SIGINT else Terminated(number)

    try:
        before = handle(end)
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def decoders_silenced() -> Iterator[None]:
    """Keep stderr closed for the time of the block: libtiff prints remarks there, past Python, on damaged files."""
    try:
        saved = os.dup(2)
    except OSError:  # no stderr to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
