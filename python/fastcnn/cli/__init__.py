"""The command line, `fastcnn`. Starts quickly: what a command needs is imported when it runs, torch only by `bench`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from fastcnn.cli._process import run

    def command() -> None:
        from fastcnn.cli.app import app

        app()

    run(command)
