#!/usr/bin/env python3
"""Judge the defaults of `segment_instances` on rendered cells, whose true outlines are known.

    python scripts/evaluate_defaults.py

Prints, for every scene and way of choosing the threshold, the share of objects found (F1 at an overlap of one half).
Everything else is left at its default.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastcnn.pipelines import segment_instances
from tests.pipelines.scenes import f1, renderer

THRESHOLDS = ("auto", "otsu", "local")
SCENES = [
    ("as the sample", [{"seed": s} for s in range(20, 32)]),
    ("even light", [{"seed": s, "background": 0.0} for s in range(40, 44)]),
    ("uneven light", [{"seed": s, "background": 2.5} for s in range(50, 54)]),
    ("noise x 4", [{"seed": s, "noise": 4.0} for s in range(60, 64)]),
    ("noise x 8", [{"seed": s, "noise": 8.0} for s in range(70, 74)]),
    ("crowded", [{"seed": s, "count": 160} for s in range(80, 84)]),
    ("five nuclei", [{"seed": s, "count": 5} for s in range(90, 94)]),
    ("large, radius 60", [{"seed": s, "radius": 60.0, "size": 768, "count": 25} for s in range(100, 104)]),
    ("huge, radius 120", [{"seed": s, "radius": 120.0, "count": 3} for s in range(104, 108)]),
    ("small, radius 10", [{"seed": s, "radius": 10.0, "count": 200} for s in range(110, 114)]),
    ("tiny, radius 6", [{"seed": s, "radius": 6.0, "count": 300} for s in range(120, 124)]),
]


def main() -> None:
    render = renderer().render
    print(f"{'scenes':20}{'n':>3}" + "".join(f"{t:>8}" for t in THRESHOLDS))
    means = []
    for name, scenes in SCENES:
        drawn = [render(**scene) for scene in scenes]
        found = [[f1(segment_instances(d.image, threshold=t).labels, d.labels) for d in drawn] for t in THRESHOLDS]
        means.append(np.mean(found, axis=1))
        print(f"{name:20}{len(drawn):3}" + "".join(f"{m:8.3f}" for m in means[-1]))
    print(f"{'mean':23}" + "".join(f"{m:8.3f}" for m in np.mean(means, axis=0)))


if __name__ == "__main__":
    main()
