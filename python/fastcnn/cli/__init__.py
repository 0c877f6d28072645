"""The command line, `fastcnn`. Starts quickly: what a command needs is imported when it runs, and never torch."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from fastcnn.cli.app import app

    app()
