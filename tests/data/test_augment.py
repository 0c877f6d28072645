"""Pictures, masks and boxes go the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fastcnn import ArgumentError
from fastcnn.data import (
    Affine,
    ArrayImages,
    Augmented,
    Cells,
    Color,
    Compose,
    Crop,
    Flip,
    Mosaic,
    Resize,
    Sample,
    Samples,
    Shapes,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(seed: int = 0, size: tuple[int, int] = (60, 80)) -> Sample:
    """Three bright rectangles; mask and boxes are around them exactly."""
    random = np.random.default_rng(seed)
    image, mask = torch.zeros(1, *size), torch.zeros(size, dtype=torch.int64)
    boxes = []
    for i, left in enumerate((4, 30, 56)):
        x, y = left + int(random.integers(0, 5)), int(random.integers(3, 30))
        width, height = int(random.integers(8, 16)), int(random.integers(8, 24))
        image[0, y : y + height, x : x + width] = 1
        mask[y : y + height, x : x + width] = i + 1
        boxes.append([x, y, x + width, y + height])
    return Sample(image, mask=mask, boxes=torch.tensor(boxes, dtype=torch.float32), classes=torch.arange(3))


def extent(mask: torch.Tensor, number: int) -> list[float]:
    y, x = (mask == number).nonzero().unbind(1)
    return [float(x.min()), float(y.min()), float(x.max()) + 1, float(y.max()) + 1]


def check_boxes(sample: Sample, within: float) -> int:
    """Every box surrounds its mask, to so many pixels, and the picture agrees with the mask."""
    assert torch.equal(sample.image[0] > 0.5, sample.mask > 0) or within > 0
    for box, kind in zip(sample.boxes.tolist(), sample.classes.tolist(), strict=True):
        for got, wanted in zip(box, extent(sample.mask, kind + 1), strict=True):
            assert abs(got - wanted) <= within
    return len(sample.boxes)


@pytest.mark.parametrize("seed", range(8))
def test_flip_and_crop(seed: int) -> None:
    for transform in (
        Flip(1, 0),
        Flip(0, 1),
        Flip(1, 1),
        Crop((48, 64), min_visibility=0),
        Crop((70, 90)),
        Crop((40, 100), 0),
    ):
        changed = transform(blocks(seed), generator(seed))
        assert check_boxes(changed, 0) > 0
    twice = Flip(1, 1)(Flip(1, 1)(blocks(seed), generator()), generator())
    for name in ("image", "mask", "boxes"):
        assert torch.equal(getattr(twice, name), getattr(blocks(seed), name))
    assert Crop((70, 90), fill=0.3)(blocks(seed), generator()).image.unique().tolist() == pytest.approx([0, 0.3, 1])


def test_crop_drops_boxes_that_are_cut() -> None:
    """Crop drops boxes of which less than the given share is left."""
    sample = blocks(0)
    for seed in range(20):
        for minimum in (0.2, 0.5, 0.9):
            changed = Crop(32, minimum)(sample, generator(seed))
            everything = Crop(32, 0)(sample, generator(seed))
            sides = everything.boxes[:, 2:] - everything.boxes[:, :2]
            before = (sample.boxes[:, 2:] - sample.boxes[:, :2]).prod(1)[everything.classes]
            assert changed.classes.tolist() == everything.classes[sides.prod(1) >= minimum * before].tolist()


@pytest.mark.parametrize("keep", [False, True])
def test_resize(keep: bool) -> None:
    changed = Resize((120, 120), keep)(blocks(1), generator())
    assert changed.image.shape == (1, 120, 120)
    # Twice, or by half, and edges of a pixel each.
    check_boxes(changed, 1)
    if keep:
        assert changed.boxes.tolist() == (blocks(1).boxes * 1.5).tolist()
        assert float(changed.image[0, 95:].min()) == float(changed.image[0, 95:].max()) == 0.5


@pytest.mark.parametrize("seed", range(12))
def test_affine(seed: int) -> None:
    """Without turns and shear boxes follow exactly, to the pixel that the mask is rounded to."""
    changed = Affine(0, (0.7, 1.4), 0, 0.05, min_visibility=0.999, fill=0.0)(blocks(seed), generator(seed))
    check_boxes(changed, 1.0)
    # Twice as large about the middle, edges come to edges: pixels beside them are mixed 3 to 1 either way.
    doubled = Affine(0, (2.0, 2.0), 0, 0.0, min_visibility=0, fill=0.0)(blocks(seed), generator(seed))
    assert check_boxes(doubled, 0) > 0
    turned = Affine(180, (0.9, 1.1), 10, 0.1, min_visibility=0, fill=0.0)(blocks(seed), generator(seed))
    whole = [i for i, k in enumerate(turned.classes.tolist()) if (turned.mask == k + 1).any()]
    assert whole
    for i in whole:
        x1, y1, x2, y2 = extent(turned.mask, int(turned.classes[i]) + 1)
        box = turned.boxes[i].tolist()
        assert box[0] <= x1 + 1
        assert box[1] <= y1 + 1
        assert box[2] >= x2 - 1
        assert box[3] >= y2 - 1
    # Image and mask turn alike: but for the pixels of edges, which are a mixture.
    differs = ((turned.image[0] > 0.5) != (turned.mask > 0)).float().mean()
    assert float(differs) < 0.02
    assert Affine(p=0)(blocks(seed), generator(seed)).image.equal(blocks(seed).image)


def test_color() -> None:
    sample = Shapes(1, size=64)[0]
    changed = Color(0.1, 0.3, 0.5, 0.4, 0.05)(sample, generator(1))
    assert not torch.equal(changed.image, sample.image)
    assert changed.boxes is sample.boxes
    assert 0 <= float(changed.image.min()) <= float(changed.image.max()) <= 1
    same = Color(0, 0, 0, 0, 0)(sample, generator(1))
    torch.testing.assert_close(same.image, sample.image, rtol=0, atol=1e-6)  # the mean is taken away and added
    # Saturation moves colours towards grey or away, by one factor. From 0.4 to 0.6 none comes to be cut at 0 or 1.
    muted = sample.replaced(image=0.4 + 0.2 * sample.image)
    changed = Color(0, 0, 1)(muted, generator(3)).image
    before, after = (image - image.mean(0) for image in (muted.image, changed))
    factor = float((after * before).sum() / before.square().sum())
    assert abs(factor - 1) > 0.05
    # Values up to 1 through half a dozen roundings of at most 2^-24 each, by which a factor below 2 may multiply.
    torch.testing.assert_close(changed.mean(0), muted.image.mean(0), rtol=0, atol=12 * 2.0**-24)
    torch.testing.assert_close(after, factor * before, rtol=0, atol=12 * 2.0**-24)


class Blocks(Samples):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Sample:
        return blocks(index)


@pytest.mark.parametrize("seed", range(6))
def test_mosaic(seed: int) -> None:
    """Every box lies around one number of the mask, whose pixels are bright."""
    changed = Mosaic(Blocks(), (64, 96), min_visibility=0.0)(blocks(seed), generator(seed))
    assert changed.image.shape == (1, 64, 96)
    numbers = set(changed.mask.unique().tolist()) - {0}
    assert len(numbers) == len(changed.boxes) > 3
    extents = sorted(extent(changed.mask, n) for n in numbers)
    assert sorted(changed.boxes.tolist()) == extents
    assert torch.equal(changed.image[0] == 1, changed.mask > 0)
    classes = Mosaic(Blocks(), (64, 96), objects=False)(blocks(seed), generator(seed))
    assert int(classes.mask.max()) <= 3
    mosaic = Mosaic(Blocks(), (60, 80))
    loader = torch.utils.data.DataLoader(
        Augmented(Blocks(), mosaic), num_workers=1, persistent_workers=True, collate_fn=lambda s: s[0].image,
        multiprocessing_context="fork",
    )  # fmt: skip
    assert not torch.equal(next(iter(loader)), blocks(0).image)
    mosaic.p = 0.0  # reaches workers that run
    assert torch.equal(next(iter(loader)), blocks(0).image)
    alone = Mosaic(Blocks(), (60, 80), p=0)(blocks(seed), generator(seed))
    assert torch.equal(alone.image, blocks(seed).image)


def test_augmented_is_reproducible() -> None:
    """A sample of an epoch is the same in every process and order, and another one in the next epoch."""
    transform = Compose([Affine(20, (0.8, 1.2)), Color(), Crop(48)])
    first, second = (Augmented(Cells(6, 64), transform, seed=3) for _ in range(2))
    images = [first[i].image for i in range(6)]
    assert all(torch.equal(second[i].image, images[i]) for i in reversed(range(6)))
    loader = torch.utils.data.DataLoader(
        second, batch_size=3, num_workers=2, collate_fn=lambda s: [x.image for x in s], persistent_workers=True,
        multiprocessing_context="fork",
    )  # fmt: skip
    for epoch in (0, 1):
        second.set_epoch(epoch)
        got = [image for batch in loader for image in batch]
        assert all(torch.equal(a, b) for a, b in zip(got, images, strict=True)) == (epoch == 0)
    other = Augmented(Cells(6, 64), transform, seed=4)
    assert not torch.equal(other[0].image, images[0])
    assert not torch.equal(first[0].image, first[1].image)


def test_drawn_pictures() -> None:
    """The same for a seed in every process; others for others; boxes and masks are around something."""
    for kind in (Cells, Shapes):
        a, b, other = kind(4, 96, seed=1), kind(9, 96, seed=1), kind(4, 96, seed=2)
        assert torch.equal(a[3].image, b[3].image)
        assert not torch.equal(a[3].image, other[3].image)
        assert not torch.equal(a[3].image, a[2].image)
        with pytest.raises(IndexError):
            a[4]
    cells = Cells(1, 128)[0]
    numbers = cells.mask.unique().tolist()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 8
    bright = [float(cells.image[0][cells.mask == n].mean()) for n in numbers]
    assert sum(b > bright[0] for b in bright[1:]) > 0.8 * len(bright[1:])
    shapes = Shapes(30, 96, noise=0.0)
    kinds = torch.cat([shapes[i].classes for i in range(30)])
    assert set(kinds.tolist()) == {0, 1, 2, 3}
    for i in range(30):
        boxes = shapes[i].boxes
        assert len(boxes) >= 1 or i
        assert bool((boxes[:, 2:] > boxes[:, :2]).all())
        assert float(boxes.min()) >= 0
        assert float(boxes.max()) <= 96


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Flip(1.5), "Flip: expected p from 0 to 1, got 1.5"),
        (lambda: Crop(0), "Crop: expected size of at least 1, got 0"),
        (lambda: Resize((3, 0)), "Resize: expected size of at least 1"),
        (lambda: Affine(scale=(0, 1)), r"Affine: expected 0 < scale\[0\] <= scale\[1\], got \(0, 1\)"),
        (lambda: Affine(shear=90), "Affine: expected shear below 90 degrees"),
        (lambda: Color(noise=-1), "Color: expected noise of at least 0, got -1"),
        (lambda: Mosaic(Blocks(), 8, p=2), "Mosaic: expected p from 0 to 1"),
        (lambda: Cells(-1), "Cells: expected length of at least 0, got -1"),
        (lambda: Cells(1, 16), "Cells: expected size of at least 32, got 16"),
        (lambda: Cells(1, 32, radius=(2, 3)), "Cells: expected 3 <= "),
        (lambda: Cells(1, density=2), "Cells: expected density from 0 to 1"),
        (lambda: Shapes(1, seed=-1), "Shapes: expected seed from 0 to"),
        (lambda: Shapes(1, max_objects=0), "Shapes: expected max_objects of at least 1"),
        (lambda: ArrayImages(np.zeros((3, 4)), np.zeros(3)), "ArrayImages: expected images"),
    ],
)
def test_errors(make: Any, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        make()
