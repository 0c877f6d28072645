#!/usr/bin/env python3
"""Train the models that come with fastcnn, from nothing, on the CPU.

    python scripts/train_shipped.py [--out DIR] [NAME...]

Names: lenet5-digits, unet-cells, yolox-shapes; all three by default, in about half an hour on two cores. Each becomes
one file in python/fastcnn/models/weights, with its metrics inside. Needs fastcnn[train].
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from fastcnn.train import Settings, train

WEIGHTS = Path(__file__).resolve().parent.parent / "python" / "fastcnn" / "models" / "weights"
RUNS = {
    "lenet5-digits": Settings("classify", "digits", epochs=40, batch_size=32),
    "unet-cells": Settings("segment", "cells", epochs=10, batch_size=8, learning_rate=0.003, half=True),
    "yolox-shapes": Settings("detect", "shapes", epochs=12, batch_size=8, learning_rate=0.02, mosaic=0.0, half=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the files")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(RUNS):
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or RUNS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            finished = train(RUNS[name], folder)
            target = arguments.out / f"{name}.safetensors"
            shutil.copyfile(finished.folder / "weights.safetensors", target)
        metrics = ", ".join(f"{key} {value:.4f}" for key, value in finished.metrics.items())
        print(f"{name}: {metrics}; {time.monotonic() - start:.0f} s, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
