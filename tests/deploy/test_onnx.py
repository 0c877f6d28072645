"""fastcnn's operators in ONNX: exported, and run by onnxruntime."""

from __future__ import annotations

import warnings

import numpy as np
import onnxruntime
import pytest
import torch

import fastcnn.ops as F
from fastcnn.deploy.onnx import translations
from tests.boxes.samples import clusters, spread


class Detector(torch.nn.Module):
    def __init__(self, most: int, least: float | None) -> None:
        super().__init__()
        self.most, self.least = most, least

    def forward(self, boxes, scores, classes=None):
        return F.nms_padded(boxes, scores, 0.45, self.most, self.least, classes)


def example(make, batch: int, n: int, by_class: bool) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(n)
    boxes = torch.from_numpy(np.stack([make(rng, n)[0] for _ in range(batch)]))
    scores = torch.from_numpy(rng.permutation(batch * n).reshape(batch, n).astype(np.float32) / (batch * n))
    return (boxes, scores, torch.from_numpy(rng.integers(-2, 5, (batch, n)))) if by_class else (boxes, scores)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize(("most", "least"), [(10, 0.2), (70, None)])
def test_nms_padded(most: int, least: float | None, by_class: bool, tmp_path) -> None:
    module = Detector(most, least)
    batch, boxes = torch.export.Dim("batch"), torch.export.Dim("boxes")
    given = example(spread, 2, 60, by_class)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            module,
            given,
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: batch, 1: boxes},) * len(given),
            custom_translation_table=translations(),
        )
        program.save(tmp_path / "detector.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "detector.onnx", providers=["CPUExecutionProvider"])
    for make, count, n in ((spread, 2, 60), (clusters, 3, 100), (spread, 1, 5)):
        given = example(make, count, n, by_class)
        names = [i.name for i in session.get_inputs()]
        got = session.run(None, {name: t.numpy() for name, t in zip(names, given, strict=True)})
        for g, e in zip(got, module(*given), strict=True):
            np.testing.assert_array_equal(g, e.numpy())
