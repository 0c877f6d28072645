"""Random transforms of images together with their masks and boxes.

A transform is called with a `Sample` and a generator. All random numbers come from the generator, so a sample of an
epoch is the same in every process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from fastcnn import ops
from fastcnn._errors import ArgumentError
from fastcnn.data.sample import Sample, Samples

Transform = Callable[[Sample, Generator], Sample]


def _uniform(generator: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def _integer(generator: Generator, below: int) -> int:
    return int(torch.randint(below, (), generator=generator))


def _shared(value: float, dtype: torch.dtype) -> Tensor:
    """Return a number in shared memory: workers of a data loader see its changes."""
    number = torch.tensor(value, dtype=dtype)
    return number.share_memory_()  # type: ignore[no-untyped-call, no-any-return]  # torch has no type here


def _check_chance(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: expected p from 0 to 1, got {p}")


def _check_size(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ArgumentError(f"{name}: expected size of at least 1, got {size}")
    return height, width


def _cut(sample: Sample, before: Tensor, min_visibility: float) -> Sample:
    """Clip boxes to the image; drop those whose area is less than the share `min_visibility` of `before`."""
    assert sample.boxes is not None
    assert sample.classes is not None
    height, width = sample.image.shape[-2:]
    boxes = ops.clip_boxes_to_image(sample.boxes, (height, width))
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = (sides > 0).all(1) & (sides.prod(1) >= min_visibility * before)
    return sample.replaced(boxes=boxes[kept], classes=sample.classes[kept])


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


class Compose:
    """Apply transforms one after another.

    Args:
        transforms: from first to last.

    Example:
        >>> import torch
        >>> from fastcnn.data import Cells, Compose, Flip, Crop
        >>> augment = Compose([Flip(), Crop(48)])
        >>> augment(Cells(1, size=64)[0], torch.Generator().manual_seed(0)).mask.shape
        torch.Size([48, 48])
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        for transform in self.transforms:
            sample = transform(sample, generator)
        return sample


class Flip:
    """Flip horizontally and vertically, each with its own probability.

    Args:
        horizontal: probability of flipping left and right.
        vertical: probability of flipping top and bottom.
    """

    def __init__(self, horizontal: float = 0.5, vertical: float = 0.0) -> None:
        _check_chance("Flip", horizontal)
        _check_chance("Flip", vertical)
        self.horizontal, self.vertical = horizontal, vertical

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        for axis, chance in ((-1, self.horizontal), (-2, self.vertical)):
            if _uniform(generator, 0, 1) >= chance:
                continue
            side = sample.image.shape[axis]
            boxes, mask = sample.boxes, sample.mask
            if boxes is not None:
                boxes = boxes.clone()
                low, high = (0, 2) if axis == -1 else (1, 3)
                boxes[:, low], boxes[:, high] = side - boxes[:, high], side - boxes[:, low].clone()
            sample = sample.replaced(
                image=sample.image.flip(axis), boxes=boxes, mask=None if mask is None else mask.flip(axis)
            )
        return sample


class Crop:
    """Crop a fixed size at a random position; smaller images are padded with the fill value.

    Args:
        size: (height, width) of the crop, or one number for both.
        min_visibility: drop boxes of which less than this share remains.
        fill: padding value of the image. Masks are padded with 0.
        centre: crop at the centre instead of a random position.
    """

    def __init__(
        self, size: int | Sequence[int], min_visibility: float = 0.2, fill: float = 0.0, centre: bool = False
    ) -> None:
        self.size = _check_size("Crop", size)
        self.min_visibility, self.fill, self.centre = min_visibility, fill, centre

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        offsets = []
        for have, want in zip(sample.image.shape[-2:], self.size, strict=True):
            room = abs(have - want)
            at = room // 2 if self.centre else _integer(generator, room + 1)
            offsets.append(at if have > want else -at)
        top, left = offsets

        def piece(values: Tensor, fill: float) -> Tensor:
            result = values.new_full((*values.shape[:-2], *self.size), fill)
            found = values[..., max(top, 0) : top + self.size[0], max(left, 0) : left + self.size[1]]
            y, x = max(-top, 0), max(-left, 0)
            result[..., y : y + found.shape[-2], x : x + found.shape[-1]] = found
            return result

        changed = sample.replaced(
            image=piece(sample.image, self.fill), mask=None if sample.mask is None else piece(sample.mask, 0)
        )
        if sample.boxes is None:
            return changed
        shift = sample.boxes.new_tensor([left, top, left, top])
        return _cut(changed.replaced(boxes=sample.boxes - shift), _area(sample.boxes), self.min_visibility)


class Resize:
    """Resize an image: stretch it, or keep its aspect ratio and pad it.

    Args:
        size: (height, width), or one number for both.
        keep_aspect: do not stretch; pad at the bottom and on the right.
        fill: padding value of the image. Masks are padded with 0.
    """

    def __init__(self, size: int | Sequence[int], keep_aspect: bool = False, fill: float = 0.5) -> None:
        self.size = _check_size("Resize", size)
        self.keep_aspect, self.fill = keep_aspect, fill

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        height, width = sample.image.shape[-2:]
        inner = self.size
        if self.keep_aspect:
            scale = min(self.size[0] / height, self.size[1] / width)
            inner = max(1, round(height * scale)), max(1, round(width * scale))
        image, mask, boxes = sample.image, sample.mask, sample.boxes
        if inner != (height, width):
            image = ops.resize(image, inner, antialias=True)
            mask = None if mask is None else ops.resize(mask, inner, "nearest-exact")
        if inner != self.size:
            canvas = image.new_full((len(image), *self.size), self.fill)
            canvas[:, : inner[0], : inner[1]] = image
            image = canvas
            if mask is not None:
                ground = mask.new_zeros(self.size)
                ground[: inner[0], : inner[1]] = mask
                mask = ground
        if boxes is not None:
            y, x = inner[0] / height, inner[1] / width
            boxes = boxes * boxes.new_tensor([x, y, x, y])
        return sample.replaced(image=image, mask=mask, boxes=boxes)


class Affine:
    """Rotate, scale, shear and translate about the centre.

    Args:
        degrees: maximum rotation in either direction.
        scale: minimum and maximum factor.
        shear: maximum shear in degrees, in either direction.
        shift: maximum translation as a share of width and height, in either direction.
        min_visibility: drop boxes of which less than this share remains.
        fill: value outside of the image. Masks have 0 there.
        p: probability that the transform is applied.

    Boxes become the axis-aligned boxes around their four transformed corners, so rotation enlarges them: keep
    `degrees` small for detection.
    """

    def __init__(
        self,
        degrees: float = 10.0,
        scale: tuple[float, float] = (0.8, 1.25),
        shear: float = 0.0,
        shift: float = 0.1,
        min_visibility: float = 0.2,
        fill: float = 0.5,
        p: float = 1.0,
    ) -> None:
        if not 0 < scale[0] <= scale[1]:
            raise ArgumentError(f"Affine: expected 0 < scale[0] <= scale[1], got {scale}")
        if not abs(shear) < 90:
            raise ArgumentError(f"Affine: expected shear below 90 degrees, got {shear}")
        _check_chance("Affine", p)
        self.degrees, self.scale, self.shear, self.shift = degrees, scale, shear, shift
        self.min_visibility, self.fill, self.p = min_visibility, fill, p

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        if _uniform(generator, 0, 1) >= self.p:
            return sample
        height, width = sample.image.shape[-2:]
        turn = math.radians(_uniform(generator, -self.degrees, self.degrees))
        factor = math.exp(_uniform(generator, *(math.log(s) for s in self.scale)))
        lean = math.tan(math.radians(_uniform(generator, -self.shear, self.shear)))
        moved = [_uniform(generator, -self.shift, self.shift) * side for side in (width, height)]
        cos, sin = factor * math.cos(turn), factor * math.sin(turn)
        a, b, c, d = cos, cos * lean - sin, sin, sin * lean + cos
        x, y = width / 2, height / 2
        # Boxes use coordinates of pixel edges; warps use those of pixel centres, half a pixel further.
        matrix = torch.tensor(
            [[a, b, x - a * x - b * y + moved[0]], [c, d, y - c * x - d * y + moved[1]]], dtype=torch.float64
        )
        pixels = matrix.clone()
        pixels[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
        image = ops.warp_affine(sample.image, pixels, fill=self.fill)
        mask = None if sample.mask is None else ops.warp_affine(sample.mask, pixels, mode="nearest")
        changed = sample.replaced(image=image, mask=mask)
        if sample.boxes is None:
            return changed
        corners = sample.boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2).double()
        corners = corners @ matrix[:, :2].T + matrix[:, 2]
        boxes = torch.cat([corners.amin(1), corners.amax(1)], 1).to(sample.boxes.dtype)
        return _cut(changed.replaced(boxes=boxes), _area(boxes), self.min_visibility)


class Color:
    """Change brightness, contrast, saturation and gamma, and add noise.

    Args:
        brightness: maximum value added or subtracted.
        contrast: the distance from the mean is scaled by 1 plus or minus up to this.
        saturation: likewise for the distance from grey; colour images only.
        gamma: the exponent is 1 plus up to this, or its inverse.
        noise: maximum standard deviation of the noise; the minimum is 0.
    """

    def __init__(
        self,
        brightness: float = 0.1,
        contrast: float = 0.2,
        saturation: float = 0.2,
        gamma: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        for name, value in (
            ("brightness", brightness), ("contrast", contrast), ("saturation", saturation), ("gamma", gamma),
            ("noise", noise),
        ):  # fmt: skip
            if not 0 <= value < math.inf:
                raise ArgumentError(f"Color: expected {name} of at least 0, got {value}")
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        self.gamma, self.noise = gamma, noise

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        image = sample.image
        mean = image.mean()
        added = _uniform(generator, -self.brightness, self.brightness)
        factor = _uniform(generator, 1 - self.contrast, 1 + self.contrast)
        image = (image - mean) * factor + (mean + added)
        if self.saturation and len(image) == 3:
            grey = image.mean(0, keepdim=True)
            image = grey + (image - grey) * _uniform(generator, 1 - self.saturation, 1 + self.saturation)
        if self.gamma:
            power = math.exp(_uniform(generator, -1, 1) * math.log1p(self.gamma))
            image = image.clamp(0, 1) ** power
        if self.noise:
            strength = _uniform(generator, 0, self.noise)
            image = image + strength * torch.randn(image.shape, generator=generator)
        return sample.replaced(image=image.clamp(0, 1))


class Mosaic:
    """Arrange four images around a random point, as in the training of YOLO.

    Args:
        dataset: the source of the other three images.
        size: (height, width) of the result, or one number for both.
        min_visibility: drop boxes of which less than this share remains.
        fill: value where none of the four images lies.
        p: probability of the mosaic. Otherwise one image is fitted to the size.
        objects: masks hold object numbers, which continue from one image to the next. False: classes, kept as they are.

    Reference:
        A. Bochkovskiy, C.-Y. Wang, H.-Y. M. Liao, "YOLOv4", 2020.
    """

    def __init__(
        self,
        dataset: Samples,
        size: int | Sequence[int],
        min_visibility: float = 0.2,
        fill: float = 0.5,
        p: float = 1.0,
        objects: bool = True,
    ) -> None:
        self.size = _check_size("Mosaic", size)
        _check_chance("Mosaic", p)
        self.dataset, self.min_visibility, self.fill, self.objects = dataset, min_visibility, fill, objects
        self._p = _shared(p, torch.float64)

    @property
    def p(self) -> float:
        """Probability of the mosaic; can be set while loaders run."""
        return float(self._p)

    @p.setter
    def p(self, value: float) -> None:
        _check_chance("Mosaic", value)
        self._p.fill_(value)

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """Change a sample."""
        if _uniform(generator, 0, 1) >= self.p:
            return Resize(self.size, keep_aspect=True, fill=self.fill)(sample, generator)
        height, width = self.size
        y, x = (round(_uniform(generator, 0.3, 0.7) * side) for side in self.size)
        others = [self.dataset[_integer(generator, len(self.dataset))] for _ in range(3)]
        image = sample.image.new_full((len(sample.image), height, width), self.fill)
        mask = None if sample.mask is None else sample.mask.new_zeros(height, width)
        boxes, classes, numbers = [], [], 0
        for i, one in enumerate((sample, *others)):
            top, left = (0 if i < 2 else y), (0 if i % 2 == 0 else x)
            piece = (y if i < 2 else height - y), (x if i % 2 == 0 else width - x)
            part = Crop(piece, self.min_visibility, self.fill)(one, generator)
            image[:, top : top + piece[0], left : left + piece[1]] = part.image
            if mask is not None and part.mask is not None:
                mask[top : top + piece[0], left : left + piece[1]] = torch.where(part.mask > 0, part.mask + numbers, 0)
                numbers += int(part.mask.max()) if self.objects and part.mask.numel() else 0
            if part.boxes is not None and part.classes is not None:
                boxes.append(part.boxes + part.boxes.new_tensor([left, top, left, top]))
                classes.append(part.classes)
        return sample.replaced(
            image=image,
            mask=mask,
            boxes=torch.cat(boxes) if boxes else None,
            classes=torch.cat(classes) if classes else None,
        )


class Augmented(Samples):
    """A dataset whose samples are transformed at random, differently in every epoch.

    Args:
        dataset: the samples to transform.
        transform: the transform.
        seed: for the random numbers.

    Sample i of an epoch is the same in every process and order. `set_epoch` reaches the workers of a data loader too.

    Example:
        >>> from fastcnn.data import Augmented, Cells, Crop
        >>> Augmented(Cells(4, size=64), Crop(32))[2].image.shape
        torch.Size([1, 32, 32])
    """

    def __init__(self, dataset: Samples, transform: Transform, seed: int = 0) -> None:
        self.dataset, self.transform, self.seed = dataset, transform, seed
        self.class_names = dataset.class_names
        self._epoch = _shared(0, torch.int64)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, and so the changes."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Return a changed sample."""
        sample = self.dataset[index]
        # Mix three numbers into one seed of 64 bits; SplitMix64's constants keep seeds of close numbers far apart.
        mixed = self.seed * 0x9E3779B97F4A7C15 + int(self._epoch) * 0xBF58476D1CE4E5B9 + index * 0x94D049BB133111EB
        generator = torch.Generator().manual_seed(mixed & ((1 << 63) - 1))
        return self.transform(sample, generator)
