"""Pictures with a known truth, and how well a result matches it."""

import importlib.util
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "scripts" / "render_sample_cells.py"


def renderer():
    """The module that renders the sample picture."""
    spec = importlib.util.spec_from_file_location("render_sample_cells", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def overlaps(labels, truth):
    """Intersection over union of every object with every true one, [N, M]."""
    n, m = int(labels.max()), int(truth.max())
    common = np.zeros((n + 1, m + 1), np.int64)
    np.add.at(common, (labels.ravel(), truth.ravel()), 1)
    area, true_area = common.sum(1)[1:, None], common.sum(0)[None, 1:]
    return common[1:, 1:] / (area + true_area - common[1:, 1:])


def f1(labels, truth, iou=0.5):
    """Harmonic mean of precision and recall of the objects, matched at an overlap."""
    return 2 * int((overlaps(labels, truth) > iou).sum()) / max(1, int(labels.max()) + int(truth.max()))
