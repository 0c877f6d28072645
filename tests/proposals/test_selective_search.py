"""Selective search against its definition in plain Python, with scikit-image's colours."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.color
import skimage.data
import skimage.draw
import torch

import fastcnn
import fastcnn.ops as F
from fastcnn import ArgumentError


def spaces(image: np.ndarray, mode: str) -> list[np.ndarray]:
    """The colour spaces of an image (H, W, 3) or (H, W), as (H, W, C)."""
    if image.ndim == 2:
        return [image[..., None]]
    hsv, lab = skimage.color.rgb2hsv(image), skimage.color.rgb2lab(image)
    lab = np.add(lab, [0, 128, 128]) / [100, 255, 255]
    if mode == "fast":
        return [hsv, lab]
    total = image.sum(-1, keepdims=True)
    grey = image @ [0.299, 0.587, 0.114]
    share = np.divide(image, total, out=np.full_like(image, 1 / 3), where=total > 0)
    return [hsv, lab, np.concatenate([share[..., :2], grey[..., None]], -1), hsv[..., :1], grey[..., None]]


def describe(space: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins of each pixel: (H, W, C) of colour, (H, W, C, 8) of texture."""
    colors = np.clip((space * 25).astype(int), 0, 24)
    textures = []
    for c in range(space.shape[-1]):
        smooth = np.pad(ndi.gaussian_filter(space[..., c], 1), 1, "edge")
        gx = (smooth[1:-1, 2:] - smooth[1:-1, :-2]) / 2
        gy = (smooth[2:, 1:-1] - smooth[:-2, 1:-1]) / 2
        angles = np.arange(8) * np.pi / 4
        derivatives = gx[..., None] * np.cos(angles).round(12) + gy[..., None] * np.sin(angles).round(12)
        share = derivatives / max(np.abs(derivatives).max(), 1e-300)
        textures.append(np.clip((share * 10).astype(int), 0, 9))
    return colors, np.stack(textures, 2)


def histogram(bins: np.ndarray, n: int) -> np.ndarray:
    columns = bins.reshape(len(bins), -1)
    return np.concatenate([np.bincount(c, minlength=n) for c in columns.T]) / columns.size


class Region:
    def __init__(self, mask: np.ndarray, colors: np.ndarray, textures: np.ndarray) -> None:
        rows, columns = np.nonzero(mask)
        self.mask, self.size = mask, int(mask.sum())
        self.box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        self.color, self.texture = histogram(colors[mask], 25), histogram(textures[mask], 10)


def similarity(a: Region, b: Region, names: str, pixels: int) -> float:
    box = (*np.minimum(a.box[:2], b.box[:2]), *np.maximum(a.box[2:], b.box[2:]))
    filled = (box[2] - box[0]) * (box[3] - box[1]) - a.size - b.size
    return sum(
        {
            "c": np.minimum(a.color, b.color).sum(),
            "t": np.minimum(a.texture, b.texture).sum(),
            "s": 1 - (a.size + b.size) / pixels,
            "f": 1 - filled / pixels,
        }[name]
        for name in names
    )


def group(labels: np.ndarray, space: np.ndarray, names: str) -> set[tuple[int, ...]]:
    colors, textures = describe(space)
    regions = [Region(labels == i, colors, textures) for i in range(labels.max() + 1)]
    boxes = {tuple(map(int, r.box)) for r in regions}
    while len(regions) > 1:
        around = [ndi.binary_dilation(r.mask, np.ones((3, 3))) for r in regions]
        pairs = [
            (similarity(a, regions[j], names, labels.size), -i, -j)
            for i, a in enumerate(regions)
            for j in range(i + 1, len(regions))
            if (around[i] & regions[j].mask).any()
        ]
        _, i, j = max(pairs)
        a, b = regions[-i], regions[-j]
        regions = [r for r in regions if r is not a and r is not b]
        regions.append(Region(a.mask | b.mask, colors, textures))
        boxes.add(tuple(map(int, regions[-1].box)))
    return boxes


def plain(image: np.ndarray, mode: str, scales: tuple[float, ...], min_size: int) -> set[tuple[int, ...]]:
    boxes: set[tuple[int, ...]] = set()
    for space in spaces(image, mode):
        for scale in scales:
            labels = F.felzenszwalb(space, scale, 0.8, min_size, channel_axis=-1)
            for names in ("ctsf", "tsf") if mode == "fast" else ("ctsf", "tsf", "f", "s"):
                boxes |= group(labels, space, names)
    return boxes


def scene(rng: np.random.Generator, size: tuple[int, int] = (48, 60), grey: bool = False) -> np.ndarray:
    image = rng.normal(0, 0.03, (*size, 3)) + rng.random(3) * 0.5
    for _ in range(5):
        center = rng.uniform(0, size)
        area = skimage.draw.ellipse(*center, *rng.uniform(4, 14, 2), shape=size, rotation=rng.uniform(0, 3))
        image[area] = rng.random(3) + rng.normal(0, rng.uniform(0.02, 0.2), (len(area[0]), 3))
    image = image.clip(0, 1)
    return image.mean(-1) if grey else image


def test_definition() -> None:
    rng = np.random.default_rng(0)
    count = 0
    for mode, grey in (("fast", False), ("quality", False), ("fast", True), ("quality", True)):
        for _ in range(3):
            image = scene(rng, grey=grey)
            boxes, scores = F.selective_search(image, mode, 10**6, (50, 200), min_size=20, channel_axis=-1)
            found = set(map(tuple, boxes.astype(int).tolist()))
            assert len(found) == len(boxes) == len(scores)
            assert found == plain(image, mode, (50, 200), 20)
            assert (np.diff(scores) <= 0).all()
            assert scores.min() > 0
            assert scores.max() <= 1
            count += len(found)
    assert count > 500


def test_objects_are_found() -> None:
    """Each of the objects by itself, and in the order of a few hundred boxes."""
    rng = np.random.default_rng(3)
    image = np.full((200, 300, 3), 0.4) + rng.normal(0, 0.02, (200, 300, 3))
    expected = []
    for i, j in np.ndindex(3, 4):
        top, left = 10 + 65 * i + rng.integers(0, 15), 10 + 72 * j + rng.integers(0, 15)
        height, width = rng.integers(20, 45, 2)
        image[top : top + height, left : left + width] += rng.choice([-0.3, 0.4], 3)
        expected.append([left, top, left + width, top + height])
    boxes, _ = F.selective_search(image.clip(0, 1), channel_axis=-1, max_boxes=300)
    assert F.box_iou(np.array(expected, np.float32), boxes).max(1).min() > 0.85


def test_sizes_dtypes_fronts() -> None:
    rng = np.random.default_rng(1)
    for size in ((1, 1), (1, 9), (9, 1), (17, 33), (40, 24)):
        image = rng.random((3, *size))
        boxes, scores = F.selective_search(image, scales=(20,), min_size=3)
        assert [0, 0, size[1], size[0]] in boxes.tolist()
        assert (boxes[:, 2:] <= [size[1], size[0]]).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        got = F.selective_search(torch.from_numpy(image), scales=(20,), min_size=3)
        np.testing.assert_array_equal(got[0].numpy(), boxes)
        np.testing.assert_array_equal(got[1].numpy(), scores)
        moved = F.selective_search(np.moveaxis(image, 0, -1), scales=(20,), min_size=3, channel_axis=-1)
        np.testing.assert_array_equal(moved[0], boxes)
    image = (scene(rng) * 255).astype(np.uint8)
    whole = F.selective_search(image, channel_axis=-1)[0]
    for other in (image / 255, image.astype(np.uint16) * 257):
        np.testing.assert_array_equal(F.selective_search(other, channel_axis=-1)[0], whole)
    grey = image.mean(-1)
    np.testing.assert_array_equal(F.selective_search(grey / 255)[0], F.selective_search(grey[None] / 255)[0])
    assert [len(r) for r in F.selective_search(np.zeros((3, 0, 5)))] == [0, 0]


def test_scores() -> None:
    """A seed's numbers are random: other seeds put other boxes first, of all sizes, and the same ones in the end."""
    image = scene(np.random.default_rng(2), (90, 120))
    results = [F.selective_search(image, max_boxes=10**6, seed=s, channel_axis=-1) for s in range(3)]
    assert len({boxes[:20].tobytes() for boxes, _ in results}) == 3
    assert len({tuple(sorted(map(tuple, boxes.tolist()))) for boxes, _ in results}) == 1
    boxes, scores = F.selective_search(image, max_boxes=25, channel_axis=-1)
    np.testing.assert_array_equal(boxes, results[0][0][:25])
    np.testing.assert_array_equal(scores, results[0][1][:25])
    area = F.box_area(results[0][0][:50])
    assert area.max() > 20 * area.min()
    assert len(F.selective_search(image, max_boxes=0, channel_axis=-1)[0]) == 0


def test_padded() -> None:
    rng = np.random.default_rng(5)
    images = np.stack([np.moveaxis(scene(rng), -1, 0) for _ in range(3)])
    images[1] = 0.5
    for largest in (7, 4000):
        boxes, scores, count = F.selective_search_padded(images[:, None], max_boxes=largest)
        assert boxes.shape == (3, 1, largest, 4)
        assert scores.shape == (3, 1, largest)
        assert count.shape == (3, 1)
        for i in range(3):
            one, its = F.selective_search(images[i], max_boxes=largest)
            assert count[i, 0] == len(one)
            np.testing.assert_array_equal(boxes[i, 0, : len(one)], one)
            np.testing.assert_array_equal(scores[i, 0, : len(one)], its)
            assert not boxes[i, 0, len(one) :].any()
            assert not scores[i, 0, len(one) :].any()
        got = F.selective_search_padded(torch.from_numpy(images[:, None]), max_boxes=largest)
        for g, e in zip(got, (boxes, scores, count), strict=True):
            np.testing.assert_array_equal(g.numpy(), e)
        batched = torch.vmap(lambda x, n=largest: F.selective_search_padded(x, max_boxes=n))(torch.from_numpy(images))
        np.testing.assert_array_equal(batched[0].numpy(), boxes[:, 0])


def test_threads_and_isas(isa_runner) -> None:
    image = np.moveaxis(scene(np.random.default_rng(7)), -1, 0)
    whole = F.selective_search(image, "quality")
    before = fastcnn.get_num_threads()
    try:
        for n in (1, 2, 5, 16):
            fastcnn.set_num_threads(n)
            for got, expected in zip(F.selective_search(image, "quality"), whole, strict=True):
                np.testing.assert_array_equal(got, expected)
    finally:
        fastcnn.set_num_threads(before)
    for got in isa_runner("selective_search", (image,), {"mode": "quality"}):
        for g, e in zip(got, whole, strict=True):
            np.testing.assert_array_equal(g, e)


def test_strange_values() -> None:
    image = np.moveaxis(scene(np.random.default_rng(8)), -1, 0)
    strange = image.copy()
    strange[0, 10, 10], strange[1, 20, 20], strange[2, 30, 30] = np.nan, np.inf, -np.inf
    tame = image.copy()
    tame[0, 10, 10], tame[1, 20, 20], tame[2, 30, 30] = 0, 1, 0
    np.testing.assert_array_equal(F.selective_search(strange, "quality")[0], F.selective_search(tame, "quality")[0])


def test_graphs(native_calls) -> None:
    image = torch.from_numpy(np.moveaxis(scene(np.random.default_rng(9)), -1, 0).copy())
    batch = torch.stack([image, image.flip(1)])
    calls = native_calls(lambda: (F.selective_search(image), F.selective_search_padded(batch, max_boxes=50)))
    assert len(calls) == 2
    for op, args in calls:
        torch.library.opcheck(op, args)

    class Proposals(torch.nn.Module):
        def forward(self, x):
            return F.selective_search_padded(x, max_boxes=50)

    class Ragged(torch.nn.Module):
        def forward(self, x):
            boxes, scores = F.selective_search(x)
            return F.nms(boxes, scores, 0.5), scores

    dims = ({0: torch.export.Dim("b"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")},)
    program = torch.export.export(Proposals(), (batch,), dynamic_shapes=dims).module()
    torch._dynamo.reset()
    compiled = torch.compile(Proposals(), fullgraph=True, backend="aot_eager")
    ragged = torch.compile(Ragged(), fullgraph=True, backend="aot_eager")
    for x in (batch, batch[:, :, :40, :50].repeat(2, 1, 1, 1)[:3]):
        for run in (program, compiled):
            for g, e in zip(run(x), Proposals()(x), strict=True):
                assert torch.equal(g, e)
        for g, e in zip(ragged(x[0]), Ragged()(x[0]), strict=True):
            assert torch.equal(g, e)


@pytest.mark.parametrize(
    ("shape", "options", "text"),
    [
        ((7,), {}, "expected image of shape"),
        ((2, 7, 7), {}, r"expected image of 1 or 3 channels, got \(2, 7, 7\)"),
        ((3, 7, 7), {"channel_axis": 3}, "expected image of shape three dimensions, channels at 3"),
        ((3, 7, 7), {"mode": "slow"}, "expected mode to be one of fast, quality, got slow"),
        ((3, 7, 7), {"max_boxes": -1}, "expected max_boxes of at least 0, got -1"),
        ((3, 7, 7), {"scales": ()}, "expected scales of at least one value, got none"),
        ((3, 7, 7), {"scales": (1, -2)}, "expected scales of at least 0, got -2"),
        ((3, 7, 7), {"sigma": -1}, "expected sigma of at least 0, got -1"),
        ((3, 7, 7), {"min_size": 0}, "expected min_size of at least 1, got 0"),
    ],
)
@pytest.mark.parametrize("op", ["selective_search", "selective_search_padded"])
def test_errors(shape: tuple[int, ...], options: dict, text: str, op: str) -> None:
    for image in (np.zeros(shape), torch.zeros(shape)):
        with pytest.raises(ArgumentError, match=f"{op}: {text}"):
            getattr(F, op)(image, **options)
    for image in (np.zeros((3, 7, 7), np.complex64), torch.zeros((3, 7, 7), dtype=torch.complex64)):
        with pytest.raises(TypeError, match=f"{op}: expected image of"):
            getattr(F, op)(image)
    with pytest.raises(ArgumentError, match="selective_search: expected image of shape"):
        F.selective_search(np.zeros((2, 3, 7, 7)))
