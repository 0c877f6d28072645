"""Draw the objects into an image, for visual inspection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcnn._errors import ArgumentError

# Bright, far apart in hue, and none of them grey.
PALETTE = np.array(
    [
        (255, 70, 70),
        (60, 220, 90),
        (80, 160, 255),
        (255, 220, 40),
        (240, 90, 230),
        (60, 225, 235),
        (255, 150, 40),
        (185, 255, 70),
    ],
    np.uint8,
)


def draw_outlines(image: NDArray[Any], labels: NDArray[Any], *, thickness: int | None = None) -> NDArray[np.uint8]:
    """Draw the outlines of labelled objects into an image, neighbours in different colours.

    Args:
        image: (H, W) or (H, W, 3), any real dtype. uint8 and bool are shown as they are; for other dtypes, the range
            from the 0.5th to the 99.5th percentile is stretched from black to white.
        labels: integer (H, W), 0 background.
        thickness: line width in pixels. None: 1/400 of the smaller side, at least 2.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ArgumentError: if the shapes do not fit.

    Linear time in pixels and objects; deterministic.

    Example:
        >>> import numpy as np
        >>> from fastcnn.pipelines import draw_outlines
        >>> labels = np.zeros((5, 5), np.int32)
        >>> labels[1:4, 1:4] = 1
        >>> draw_outlines(np.zeros((5, 5), np.uint8), labels, thickness=1)[..., 0]
        array([[  0,   0,   0,   0,   0],
               [  0, 255, 255, 255,   0],
               [  0, 255,   0, 255,   0],
               [  0, 255, 255, 255,   0],
               [  0,   0,   0,   0,   0]], dtype=uint8)
    """
    image, labels = np.asarray(image), np.asarray(labels)
    if labels.ndim != 2 or image.shape not in (labels.shape, (*labels.shape, 3)):
        raise ArgumentError(
            f"draw_outlines: expected image of shape (H, W) or (H, W, 3) and labels (H, W), got {image.shape} and "
            f"{labels.shape}"
        )
    picture = _displayed(image)
    if labels.size == 0:
        return picture
    if thickness is None:
        thickness = max(2, round(min(labels.shape) / 400))
    owner = _lines(labels, thickness)
    drawn = owner > 0
    picture[drawn] = PALETTE[_colours(labels, 2 * thickness + 1)][owner[drawn]]
    return picture


def draw_boxes(
    image: NDArray[Any],
    boxes: NDArray[Any],
    classes: NDArray[Any] | None = None,
    labels: Sequence[str] | None = None,
    *,
    thickness: int | None = None,
) -> NDArray[np.uint8]:
    """Draw boxes into an image, each class in its own colour, with labels above them.

    Args:
        image: (H, W) or (H, W, 3), any real dtype, shown as by `draw_outlines`.
        boxes: (N, 4), ``x1, y1, x2, y2`` in pixels.
        classes: integer (N). None: all of one class.
        labels: N words. None: no labels.
        thickness: line width in pixels. None: 1/400 of the smaller side, at least 1.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ArgumentError: if the shapes do not fit.

    Linear time in pixels and boxes; deterministic.

    Example:
        >>> import numpy as np
        >>> from fastcnn.pipelines import draw_boxes
        >>> draw_boxes(np.zeros((5, 5), np.uint8), np.array([[1, 1, 4, 4]]))[..., 0]
        array([[  0,   0,   0,   0,   0],
               [  0, 255, 255, 255,   0],
               [  0, 255,   0, 255,   0],
               [  0, 255, 255, 255,   0],
               [  0,   0,   0,   0,   0]], dtype=uint8)
    """
    from PIL import Image, ImageDraw, ImageFont

    image, boxes = np.asarray(image), np.asarray(boxes)
    number = len(boxes)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or boxes.shape != (number, 4):
        raise ArgumentError(
            f"draw_boxes: expected image of shape (H, W) or (H, W, 3) and boxes (N, 4), got {image.shape} and "
            f"{boxes.shape}"
        )
    kinds = np.zeros(number, np.intp) if classes is None else np.asarray(classes)
    if kinds.shape != (number,) or (labels is not None and len(labels) != number):
        raise ArgumentError(f"draw_boxes: expected classes and labels of {number} boxes")
    picture = _displayed(image)
    if picture.size == 0:
        return picture
    height, width = picture.shape[:2]
    thickness = thickness or max(1, round(min(height, width) / 400))
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(max(10, min(height, width) // 40))
    for i in range(number):
        if not np.isfinite(boxes[i]).all():
            continue
        colour = tuple(int(v) for v in PALETTE[int(kinds[i]) % len(PALETTE)])
        # Pixels whose centre lies inside. Clip to the image first: the time must not depend on the size of the box.
        x1, y1, x2, y2 = (
            int(v) for v in np.clip(np.rint(boxes[i]), -thickness, [width + thickness, height + thickness] * 2)
        )
        if x2 > x1 and y2 > y1:
            draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=colour, width=thickness)
        if labels is not None:
            _, _, right, bottom = draw.textbbox((0, 0), labels[i], font=font)
            x, y = max(0, min(x1, width - int(right))), max(0, y1 - int(bottom) - 2)
            draw.rectangle((x, y, x + right + 2, y + bottom + 2), fill=colour)
            draw.text((x + 1, y + 1), labels[i], font=font, fill=(0, 0, 0))
    return np.array(canvas)


def _displayed(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == bool:
        grey = image.astype(np.uint8) * np.uint8(255)
    elif image.dtype == np.uint8 or image.size == 0:
        grey = image.astype(np.uint8)
    else:
        low, high = np.percentile(image, (0.5, 99.5))
        if high <= low:
            low, high = float(image.min()), max(float(image.max()), float(image.min()) + 1)
        grey = np.rint(np.clip((image - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2) if grey.ndim == 2 else grey.copy()


def _lines(labels: NDArray[Any], thickness: int) -> NDArray[Any]:
    """Return the label of the outline at each pixel. Lines lie inside the object, an odd pixel of thickness outside."""
    from fastcnn import ops

    labels = labels.astype(np.int32, copy=False)
    inner, outer = (thickness + 1) // 2, thickness // 2
    disk = ops.disk(inner)
    edge = (ops.dilation(labels, disk) != labels) | (ops.erosion(labels, disk) != labels)
    owner = np.where(edge, labels, 0)
    if outer:
        owner = np.where(labels == 0, ops.dilation(labels, ops.disk(outer)), owner)
    return owner


def _colours(labels: NDArray[Any], reach: int) -> NDArray[np.intp]:
    """Return a palette index for every label: different ones for objects up to about `reach` pixels apart."""
    from fastcnn import ops

    near = ops.dilation(labels.astype(np.int32, copy=False), ops.disk((reach + 1) // 2))
    near = np.where(labels > 0, labels, near)
    pairs: set[tuple[int, int]] = set()
    for a, b in ((near[:, :-1], near[:, 1:]), (near[:-1], near[1:])):
        meet = (a != b) & (a > 0) & (b > 0)
        pairs.update(zip(a[meet].tolist(), b[meet].tolist(), strict=True))
    count = int(labels.max())
    neighbours: list[list[int]] = [[] for _ in range(count + 1)]
    for one, other in pairs:
        neighbours[max(one, other)].append(min(one, other))
    colours = np.zeros(count + 1, np.intp)
    size = len(PALETTE)
    for label in range(1, count + 1):
        taken = {int(colours[n]) for n in neighbours[label]}
        # Each label starts at another colour, so that all are used. In real images, the neighbours never use all eight.
        wanted = ((3 * label + k) % size for k in range(size))
        colours[label] = next((c for c in wanted if c not in taken), 3 * label % size)
    return colours


def contact_sheet(pages: Sequence[NDArray[np.uint8]], *, max_pixels: int = 1 << 26) -> NDArray[np.uint8]:
    """Tile pages into one image, in reading order, with white lines between them.

    Args:
        pages: uint8 (H, W, 3) each, all of one shape; at least one.
        max_pixels: shrink the pages by the smallest integer factor that keeps the sheet within this many pixels.

    Returns:
        uint8 (H', W', 3); the page itself where there is only one.
    """
    if len(pages) == 1:
        return pages[0]
    height, width = pages[0].shape[:2]
    columns = max(1, min(len(pages), round(math.sqrt(len(pages) * height / max(1, width)))))
    rows = -(-len(pages) // columns)
    step = max(1, math.ceil(math.sqrt(rows * columns * height * width / max_pixels)))
    line = 2
    high, wide = -(-height // step), -(-width // step)
    sheet = np.full((rows * (high + line) - line, columns * (wide + line) - line, 3), 255, np.uint8)
    for index, page in enumerate(pages):
        top, left = (index // columns) * (high + line), (index % columns) * (wide + line)
        sheet[top : top + high, left : left + wide] = page[::step, ::step]
    return sheet
