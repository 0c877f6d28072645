"""Detection as Dalal and Triggs did it: HOG, a linear SVM, sliding windows in a pyramid, NMS.

The objects are stars among discs, bars and crosses, in pictures that this program renders. It trains on some, again
with what it took for stars ("hard negatives"), detects in others, and prints precision and recall there.

    pip install 'fastcnn[examples]'
    python examples/detect_hog_svm.py        # writes detect_hog_svm.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track

import fastcnn.ops as fi

try:
    from sklearn.svm import LinearSVC
except ModuleNotFoundError:
    raise SystemExit("detect_hog_svm.py needs scikit-learn: pip install 'fastcnn[examples]'") from None

WINDOW, CELL = 48, 6
ROUNDS = 3
ENLARGED, FACTOR = 1.5, 1.2  # the pyramid's first level, and from each to the next
OVERLAP = 0.5  # a detection counts where its IoU with an object is at least this

Picture = tuple[np.ndarray, np.ndarray]


def polygon(kind: str, center: np.ndarray, radius: float, turn: float) -> list[tuple[float, float]]:
    """Corners of a shape."""
    if kind == "star":
        angles, radii = turn + np.arange(10) * np.pi / 5, np.tile([1.0, 0.45], 5)
    elif kind == "disc":
        angles, radii = turn + np.arange(40) * np.pi / 20, np.ones(40)
    elif kind == "bar":
        angles, radii = turn + np.array([0.2, np.pi - 0.2, np.pi + 0.2, -0.2]), np.ones(4)
    else:  # a cross
        angles = turn + np.repeat(np.arange(4) * np.pi / 2, 3) + np.tile([-0.3, 0.3, np.pi / 4], 4)
        radii = np.tile([1.0, 1.0, 0.42], 4)
    return [tuple(p) for p in center + radius * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)]


def render(seed: int, size: int = 320) -> Picture:
    """A grey picture, uint8, and the boxes of its stars."""
    rng = np.random.default_rng(seed)
    shade = rng.uniform(70, 130) + rng.uniform(-25, 25, 2) @ np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].reshape(
        2, -1
    )
    image = Image.fromarray(shade.reshape(size, size).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    boxes, taken = [], np.zeros((0, 3))
    for kind in ["star"] * 4 + ["disc", "bar", "cross"] * 3:
        for _ in range(50):
            radius = rng.uniform(17, 42) if kind == "star" else rng.uniform(8, 45)
            center = rng.uniform(radius + 4, size - radius - 4, 2)
            if (np.hypot(*(taken[:, :2] - center).T) > taken[:, 2] + radius).all():
                break
        else:
            continue
        taken = np.vstack([taken, [*center, radius]])
        contrast = rng.choice([-1, 1]) * rng.uniform(35, 90)
        level = int(np.clip(shade.mean() + contrast, 0, 255))
        # A star stands upright, more or less; what else there is lies as it fell.
        turn = -np.pi / 2 + rng.uniform(-0.2, 0.2) if kind == "star" else rng.uniform(0, 2 * np.pi)
        draw.polygon(polygon(kind, center, radius, turn), fill=level)
        if kind == "star":
            boxes.append([*(center - radius), *(center + radius)])
    noisy = fi.gaussian_blur(np.asarray(image, np.float32), rng.uniform(0.3, 1.2)) + rng.normal(0, 7, (size, size))
    return noisy.clip(0, 255).astype(np.uint8), np.array(boxes, np.float32).reshape(-1, 4)


def describe(image: np.ndarray) -> np.ndarray:
    """The HOG of images, (..., block rows, block columns, values)."""
    blocks = fi.hog(image, pixels_per_cell=(CELL, CELL), variant="dalal")
    return blocks.reshape(*blocks.shape[:-3], -1)


def windows_of(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every window of every size: descriptors (N, D), and boxes in the image (N, 4)."""
    features, boxes = [], []
    blocks = WINDOW // CELL - 1  # of a window, on a side
    # Larger than the image too: the smallest stars are smaller than a window.
    larger = fi.resize(image, [int(n * ENLARGED) for n in image.shape])
    for level, scale in fi.image_pyramid(larger, FACTOR, min_size=WINDOW):
        # A window's descriptor is a part of the level's, which is computed once.
        values = np.moveaxis(describe(level), -1, 0)
        parts, grid = fi.sliding_windows(values, blocks, 1)
        features.append(np.moveaxis(parts, 0, -1).reshape(grid.shape[0] * grid.shape[1], -1))
        corner = grid.reshape(-1, 4)[:, :2] * CELL
        boxes.append(np.concatenate([corner, corner + WINDOW], -1) * scale / ENLARGED)
    return np.concatenate(features), np.concatenate(boxes).astype(np.float32)


def detect(model: LinearSVC, image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of what looks like a star."""
    features, boxes = windows_of(image)
    scores = model.decision_function(features).astype(np.float32)
    boxes, scores = boxes[scores > threshold], scores[scores > threshold]
    kept = fi.nms(boxes, scores, 0.2)
    return boxes[kept], scores[kept]


def train(pictures: list[Picture]) -> LinearSVC:
    """Fit to the windows that hold a star and to others, and again with those others that looked like one."""
    positive, negative = [], []
    rng = np.random.default_rng(0)
    model = None
    for _ in range(ROUNDS):
        for image, truth in track(pictures, "training", transient=True):
            features, boxes = windows_of(image)
            overlap = fi.box_iou(boxes, truth).max(1, initial=0)
            others = np.flatnonzero(overlap < 0.4)
            if model is None:
                positive.append(features[overlap > 0.7])
                negative.append(features[rng.choice(others, 100)])
            else:
                scores = model.decision_function(features[others])
                hardest = np.argsort(scores)[-60:]
                negative.append(features[others[hardest[scores[hardest] > -0.5]]])
        x = np.concatenate(positive + negative)
        y = np.repeat([1, 0], [sum(map(len, positive)), sum(map(len, negative))])
        model = LinearSVC(C=0.01, class_weight="balanced").fit(x, y)
    return model


def compare(found: np.ndarray, truth: np.ndarray) -> int:
    """How many objects were found; each counts once, and a detection for one of them."""
    if len(found) == 0 or len(truth) == 0:
        return 0
    overlap, hits = fi.box_iou(found, truth), 0
    for row in overlap:  # by falling score
        best = int(row.argmax())
        if row[best] >= OVERLAP:
            hits += 1
            overlap[:, best] = 0
    return hits


def main() -> None:
    """Train, detect, report and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60, help="to train on")
    parser.add_argument("--held-out", type=int, default=30, help="to detect in")
    parser.add_argument("--threshold", type=float, default=0.4, help="of the SVM's score")
    parser.add_argument("--out", type=Path, default=Path("detect_hog_svm.png"))
    options = parser.parse_args()
    console = Console()

    model = train([render(seed) for seed in range(options.pictures)])
    hits = detections = objects = 0
    for seed in range(1000, 1000 + options.held_out):
        image, truth = render(seed)
        found, scores = detect(model, image, options.threshold)
        hits, detections, objects = hits + compare(found, truth), detections + len(found), objects + len(truth)
        if seed == 1000:
            picture = Image.fromarray(image).convert("RGB")
            draw = ImageDraw.Draw(picture)
            for box in truth:
                draw.rectangle(box.tolist(), outline=(60, 200, 60))
            for box, score in zip(found, scores, strict=True):
                draw.rectangle(box.tolist(), outline=(255, 80, 60), width=2)
                draw.text((box[0] + 3, box[1] + 2), f"{score:.1f}", fill=(255, 220, 0))
            picture.save(options.out)
    console.print(f"precision {hits / max(detections, 1):.3f}, recall {hits / max(objects, 1):.3f}", end="")
    console.print(f" of {objects} stars in {options.held_out} pictures that it has not seen")
    console.print(f"{options.out}: found (red), true (green)")


if __name__ == "__main__":
    main()
