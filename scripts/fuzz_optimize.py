#!/usr/bin/env python3
"""Compare `fastcnn.optimize` with torch on random small networks; see tests/optimize/random_graphs.py.

    PYTHONPATH=python python scripts/fuzz_optimize.py [--count 20000] [--start 0]

Prints each network that goes wrong, then the figures.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from tests.optimize.random_graphs import check, draw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: Counter[str] = Counter()
    for seed in range(options.start, options.start + options.count):
        try:
            figures[check(seed).split(":")[0] or "right"] += 1
        except Exception as error:
            figures["wrong"] += 1
            line = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
            print(f"seed {seed}: {type(error).__name__}: {line}\n    {draw(seed)[0].extra_repr()}", flush=True)
    print(", ".join(f"{n} {what}" for what, n in sorted(figures.items())))
    return int(figures["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
