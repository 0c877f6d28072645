"""From maps to objects: against the same steps one by one, and in every form of graph."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.feature
import skimage.measure
import skimage.segmentation
import torch

import fastcnn
import fastcnn.models as M
from fastcnn import ArgumentError
from fastcnn.data import Cells
from tests.pipelines.scenes import f1


def logits_of(labels: torch.Tensor) -> torch.Tensor:
    """Maps that say exactly what is there."""
    return 20 * (M.border_maps(labels) - 0.5)


class Fixed(torch.nn.Module):
    """A network that knows the answer."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits + 0 * x[:, :1].repeat(1, 2, 1, 1)


def test_border_maps() -> None:
    """Against distances: a border is a pixel of a body within the width of another body's pixel."""
    labels = Cells(2, 96)[1].mask
    for width in (1, 2, 3):
        body, border = M.border_maps(labels, width)
        assert torch.equal(body, (labels > 0).float())
        expected = np.zeros(labels.shape, bool)
        for number in range(1, int(labels.max()) + 1):
            own = labels.numpy() == number
            other = (labels.numpy() > 0) & ~own
            if other.any():
                expected |= own & (ndi.distance_transform_edt(~other) <= width)
        np.testing.assert_array_equal(border.numpy() > 0, expected)
    assert float(M.border_maps(labels)[1].sum()) > 20
    with pytest.raises(ArgumentError, match="border_maps: expected width of at least 1, got 0"):
        M.border_maps(labels, 0)


@pytest.mark.parametrize("seed", range(3))
def test_perfect_maps_give_the_objects_back(seed: int) -> None:
    """But for one of about fifteen, which a border's two pixels do not part from another that it touches all along."""
    drawn = Cells(1, 128, seed=seed, radius=(12, 14))[0]
    found = M.ObjectSegmenter(Fixed(logits_of(drawn.mask)[None]), 1)(drawn.image[None])
    assert f1(found.labels[0].numpy(), drawn.mask.numpy()) > 0.93
    assert int(found.count) == int(found.labels.max())
    assert not found.labels[0][drawn.mask == 0].any()


def test_steps() -> None:
    """The same steps on SciPy and scikit-image, where no two pixels are equally high (a blur of real numbers)."""
    torch.manual_seed(1)
    logits = fastcnn.ops.gaussian_blur(torch.randn(1, 2, 64, 80), 4.0) * 40
    image = torch.rand(1, 64, 80)
    model = M.ObjectSegmenter(torch.nn.Identity(), 1, min_distance=3, smooth=1.5, min_size=20)
    found = model.objects(logits, image)
    probability = 1 / (1 + np.exp(-logits[0].double().numpy()))
    pieces = skimage.measure.label(probability[0] > 0.5, connectivity=1)
    body = (probability[0] > 0.5) & (np.bincount(pieces.ravel())[pieces] > 20)
    distance = ndi.distance_transform_edt(body & (probability[1] < 0.5))
    smooth = ndi.gaussian_filter(distance, 1.5, mode="reflect")
    points = skimage.feature.peak_local_max(
        smooth,
        min_distance=3,
        threshold_abs=0.0,
        labels=skimage.measure.label(body, connectivity=1),
        exclude_border=False,
    )
    markers = np.zeros(body.shape, np.int32)
    for i, (y, x) in enumerate(sorted(map(tuple, points)), 1):
        markers[y, x] = i
    expected = skimage.segmentation.watershed(-smooth, markers, connectivity=1, mask=body)
    assert int(found.count) == len(points) > 5
    # Where two floods meet, pixels whose two ways differ by float32's rounding only may fall either way: a few of the
    # two hundred on such lines.
    assert (found.labels[0].numpy() != expected).sum() <= 20
    areas = np.bincount(found.labels[0].numpy().ravel(), minlength=len(points) + 1)[1:]
    assert found.regions.area[0, : len(points)].tolist() == areas.tolist()


def test_room_and_sizes() -> None:
    """max_objects keeps the highest objects. Any image size is accepted. Small objects are removed."""
    drawn = Cells(1, 96)[0]
    whole = M.ObjectSegmenter(Fixed(logits_of(drawn.mask)[None]), 1)(drawn.image[None])
    few = M.ObjectSegmenter(Fixed(logits_of(drawn.mask)[None]), 1, max_objects=3)(drawn.image[None])
    assert int(few.count) == 3 < int(whole.count)
    assert few.regions.area.shape == (1, 3)
    network = M.unet(2, 1, depth=3, width=4).eval()
    for size in ((8, 8), (13, 21), (40, 33), (1, 1)):
        assert M.ObjectSegmenter(network, 8)(torch.rand(2, 1, *size)).labels.shape == (2, *size)
    speck = torch.zeros(1, 24, 24, dtype=torch.int64)
    speck[0, 4:8, 4:8] = 1
    speck[0, 12:20, 12:20] = 2
    for minimum, count in ((15, 2), (16, 1), (64, 0)):
        assert (
            int(M.ObjectSegmenter(Fixed(logits_of(speck)), 1, min_size=minimum)(torch.rand(1, 1, 24, 24)).count)
            == count
        )


def test_graphs() -> None:
    """Compiled whole, exported and optimised, the watershed inside: the same labels."""
    torch.manual_seed(0)
    network = M.unet(2, 1, depth=2, width=8)
    torch.nn.init.constant_(network.head.bias[1], -10)  # no borders
    model = M.ObjectSegmenter(network, 4, max_objects=40, min_size=5).eval()
    x = fastcnn.ops.gaussian_blur(torch.rand(2, 1, 60, 44), 2.0) * 5
    with torch.no_grad():  # half of the pixels are bodies
        network.head.bias[0] -= network(x)[:, 0].mean()
    expected = model(x)
    assert int(expected.count.min()) > 2
    torch._dynamo.reset()
    for run in (
        torch.compile(model, fullgraph=True, backend="aot_eager"),
        torch.export.export(model, (x,)).module(),
        fastcnn.optimize(model, x),
    ):
        got = run(x)
        # Logits near 0 may round to either side, and a few pixels with them.
        assert (got.labels == expected.labels).float().mean() > 0.999
        assert torch.equal(got.count, expected.count)


def test_errors() -> None:
    network = torch.nn.Identity()
    for options, text in (
        ({"multiple": 0}, "multiple of at least 1, got 0"),
        ({"multiple": 1, "max_objects": 0}, "max_objects of at least 1"),
        ({"multiple": 1, "min_distance": 0}, "min_distance of at least 1"),
        ({"multiple": 1, "threshold": 1.0}, "threshold between 0 and 1, got 1.0"),
    ):
        with pytest.raises(ArgumentError, match=f"ObjectSegmenter: expected {text}"):
            M.ObjectSegmenter(network, **options)
    with pytest.raises(ArgumentError, match=r"expected input of shape \(B, C, H, W\), got \(3, 4\)"):
        M.ObjectSegmenter(network, 1)(torch.zeros(3, 4))
