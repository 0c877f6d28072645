"""The command line, `fastcnn`. Starts quickly: what a command needs is imported when it runs, torch only by `bench`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from fastcnn.cli.app import app

    app()
