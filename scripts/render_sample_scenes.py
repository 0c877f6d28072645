#!/usr/bin/env python3
"""Render the sample pictures of drawn scenes that ship with fastcnn: shapes.png and dense_cells.png.

python scripts/render_sample_scenes.py [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from fastcnn.data import Cells, Shapes

FOLDER = Path(__file__).resolve().parent.parent / "python" / "fastcnn" / "data"


def save(image: torch.Tensor, path: Path) -> None:
    pixels = (image * 255).round().byte().permute(1, 2, 0).squeeze(-1).numpy()
    Image.fromarray(pixels).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for both")
    arguments = parser.parse_args()
    save(Shapes(1, 320, seed=21)[0].image, arguments.out / "shapes.png")
    save(Cells(1, 320, seed=21)[0].image, arguments.out / "dense_cells.png")


if __name__ == "__main__":
    main()
