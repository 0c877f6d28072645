"""Anchors and their coding against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fastcnn.compat.torchvision  # noqa: F401  # before torchvision
import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.boxes.samples import spread

from torchvision.models.detection._utils import BoxCoder  # isort: skip
from torchvision.models.detection.anchor_utils import AnchorGenerator  # isort: skip
from torchvision.models.detection.image_list import ImageList  # isort: skip

SIZES, RATIOS = ((32, 50), (64,), (128, 200)), ((0.5, 1.0, 2.0), (1.0,), (0.3, 3.0))


def test_generate() -> None:
    features = [torch.zeros(1, 1, *s) for s in ((12, 20), (6, 10), (3, 5))]
    image = ImageList(torch.zeros(1, 3, 96, 160), [(96, 160)])
    expected = AnchorGenerator(SIZES, RATIOS)(image, features)[0]
    arguments = [tuple(f.shape[2:]) for f in features], [(8, 8), (16, 16), (32, 32)], SIZES, RATIOS
    assert torch.equal(F.generate_anchors(*arguments, like=expected), expected)
    assert torch.equal(F.generate_anchors(*arguments, like=expected.double()), expected.double())
    got = F.generate_anchors(*arguments)
    np.testing.assert_array_equal(got, expected.numpy())
    assert got.dtype == np.float32
    assert F.generate_anchors([], [], [], []).shape == (0, 4)
    with pytest.raises(ArgumentError, match="generate_anchors: expected sizes for 1 levels, got 3"):
        F.generate_anchors([(1, 1)], [(8, 8)], SIZES, RATIOS[:1])
    with pytest.raises(
        ArgumentError, match=r"generate_anchors: expected sizes and aspect_ratios above 0, got \[3\], -1"
    ):
        F.generate_anchors([(1, 1)], [(8, 8)], [[3]], [[-1.0]])


def test_coding() -> None:
    rng = np.random.default_rng(1)
    boxes, anchors = (torch.from_numpy(spread(rng, 50, "float64")[0]) for _ in range(2))
    weights = (10.0, 10.0, 5.0, 5.0)
    coder = BoxCoder(weights)
    deltas = F.encode_boxes(boxes, anchors, weights)
    torch.testing.assert_close(deltas, coder.encode([boxes], [anchors])[0])
    torch.testing.assert_close(F.decode_boxes(deltas, anchors, weights), boxes)
    wild = torch.randn(50, 4, dtype=torch.float64) * 40
    torch.testing.assert_close(F.decode_boxes(wild, anchors, weights), coder.decode(wild, [anchors])[:, 0])
    np.testing.assert_allclose(F.encode_boxes(boxes.numpy(), anchors.numpy(), weights), deltas.numpy())
    np.testing.assert_allclose(
        F.decode_boxes(wild.numpy(), anchors.numpy(), weights), F.decode_boxes(wild, anchors, weights).numpy()
    )
    assert torch.autograd.gradcheck(
        lambda d, a: F.decode_boxes(d, a, weights), (deltas[:4].requires_grad_(), anchors[:4].requires_grad_())
    )
    with pytest.raises(ArgumentError, match=r"encode_boxes: expected anchors of shape \(\.\.\., 4\)"):
        F.encode_boxes(boxes, anchors[:, :2])
