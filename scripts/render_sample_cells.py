#!/usr/bin/env python3
"""Render the sample picture of touching cells that ships with fastcnn.

Nothing in it is a photograph, so the picture is free of anybody's rights, and the true number of nuclei is known.

    python scripts/render_sample_cells.py [--out FILE] [--labels FILE] [--seed N] [--size N] [--radius R] [--count N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from fastcnn.data._rendering import render

DEFAULT_OUT = Path(__file__).resolve().parent.parent / "python" / "fastcnn" / "data" / "cells.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="PNG file to write")
    parser.add_argument("--labels", type=Path, help="TIFF file for the true labels (int32)")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels")
    parser.add_argument("--radius", type=float, default=21.0, help="typical radius of a nucleus in pixels")
    parser.add_argument("--count", type=int, default=80, help="nuclei wanted; fewer where they do not fit")
    arguments = parser.parse_args()
    scene = render(arguments.seed, arguments.size, arguments.radius, arguments.count)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene.image).save(arguments.out, optimize=True)
    if arguments.labels:
        Image.fromarray(scene.labels).save(arguments.labels)
    print(f"{arguments.out}: {int(scene.labels.max())} nuclei, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
