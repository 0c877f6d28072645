#!/usr/bin/env python3
"""Render the sample picture of shapes that ships with fastcnn.

python scripts/render_sample_shapes.py [--out FILE] [--seed N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from fastcnn.data import Shapes

DEFAULT_OUT = Path(__file__).resolve().parent.parent / "python" / "fastcnn" / "data" / "shapes.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=12)
    arguments = parser.parse_args()
    sample = Shapes(1, 320, arguments.seed)[0]
    pixels = (sample.image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(arguments.out, optimize=True)
    print(f"{arguments.out}: {len(sample.boxes)} shapes, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
