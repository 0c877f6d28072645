"""Metrics that torchmetrics lacks, or has only with torchvision."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, distributed
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class ObjectF1(Metric):
    """Harmonic mean of precision and recall of labelled objects; two objects match if their IoU is above a threshold.

    Args:
        threshold: at least 1/2, so that no object has two matches.
    """

    higher_is_better = True
    found: Tensor
    wanted: Tensor
    same: Tensor

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold
        for name in ("found", "wanted", "same"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, labels: Tensor, target: Tensor) -> None:
        """Add images (B, H, W) of predicted and target labels."""
        for one, other in zip(labels, target, strict=True):
            n, m = (int(x.max()) + 1 if x.numel() else 1 for x in (one, other))
            common = torch.bincount(one.flatten().long() * m + other.flatten().long(), minlength=n * m).reshape(n, m)
            areas, wanted = common.sum(1)[1:], common.sum(0)[1:]
            overlap = common[1:, 1:] / (areas[:, None] + wanted - common[1:, 1:])
            self.found += (areas > 0).sum()
            self.wanted += (wanted > 0).sum()
            self.same += (overlap > self.threshold).sum()

    def compute(self) -> Tensor:
        """Return the score; 1 if there are neither predicted nor target objects."""
        total = self.found + self.wanted
        return torch.where(total > 0, 2 * self.same / total.clamp(min=1), 1.0)


class AveragePrecision(Metric):
    """COCO's average precision of boxes, by pycocotools: at IoU 0.5 to 0.95, and at 0.5; -1 without target boxes."""

    higher_is_better = True
    found: list[Tensor]
    wanted: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("found", "wanted"):  # rows of image, class, score, x1, y1, x2, y2
            self.add_state(name, [], dist_reduce_fx="cat")
        self.pictures = 0

    def update(self, found: tuple[Tensor, Tensor, Tensor], boxes: Tensor, classes: Tensor) -> None:
        """Add an image: boxes (N, 4), classes (N) and scores (N) of detections; target boxes and classes."""
        together = distributed.is_available() and distributed.is_initialized()
        rank, ranks = (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)
        number = self.pictures * ranks + rank
        self.pictures += 1
        for rows, values in ((self.found, found), (self.wanted, (boxes, classes, torch.ones_like(classes)))):
            corners, kinds, scores = (value.to(self.device, torch.float32) for value in values)
            rows.append(torch.cat([torch.stack([torch.full_like(kinds, number), kinds, scores], 1), corners], 1))

    def reset(self) -> None:
        """Clear the collected boxes."""
        super().reset()
        self.pictures = 0

    def compute(self) -> tuple[float, float]:
        """Return both."""
        found, wanted = (dim_zero_cat(rows).cpu() for rows in (self.found, self.wanted))
        every = torch.cat([found, wanted])
        head = {
            name: [{"id": int(v)} for v in sorted(set(every[:, i].tolist()))]
            for i, name in enumerate(("images", "categories"))
        }
        with redirect_stdout(io.StringIO()):  # it prints its progress
            evaluation = COCOeval(_coco(wanted, head), _coco(found, head), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return float(evaluation.stats[0]), float(evaluation.stats[1])


def _coco(rows: Tensor, head: dict[str, Any]) -> COCO:
    index = COCO()
    index.dataset = {**head, "annotations": [
        {
            "id": i, "image_id": int(picture), "category_id": int(kind), "score": score, "iscrowd": 0,
            "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
        }
        for i, (picture, kind, score, x1, y1, x2, y2) in enumerate(rows.tolist(), 1)  # 0 is "none" in COCOeval
    ]}  # fmt: skip
    index.createIndex()
    return index
