"""
Boxes
=====

Overlaps, suppression and anchors.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastcnn.ops as fi


def draw(axis, image, boxes, scores, title):
    axis.imshow(image, cmap="gray")
    for (x1, y1, x2, y2), score in zip(boxes, scores, strict=True):
        axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color=plt.cm.plasma(score), lw=1.5))
    axis.set_title(f"{title}: {len(boxes)}")
    axis.axis("off")


# %%
# Suppression
# -----------
# A detector finds each object several times. Here the coins' boxes are moved at random, and the score is the overlap
# with the true box. ``nms`` keeps a box where no better one overlaps it by more than the threshold.

coins = data.coins()
mask = fi.binarize_local(fi.gaussian_blur(coins, 1.0), 101, "mean", -5)
mask = fi.remove_small_objects(fi.opening(fi.closing(mask, fi.disk(3)), fi.disk(5)), 300)
true = fi.region_table(fi.label(mask)).bbox.astype(np.float32)

rng = np.random.default_rng(0)
boxes = (true[:, None] + rng.normal(0, 5, (len(true), 8, 4))).reshape(-1, 4).astype(np.float32)
scores = fi.box_iou(boxes, true).max(1)
kept = fi.nms(boxes, scores, 0.3)

_, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
draw(axes[0], coins, true, np.ones(len(true)), "true boxes")
draw(axes[1], coins, boxes, scores, "candidates")
draw(axes[2], coins, boxes[kept], scores[kept], "after nms")

# %%
# Lower scores instead of removal
# -------------------------------
# ``soft_nms`` lowers the score of a box by its overlap with better ones; the order follows the new scores.

order, lowered = fi.soft_nms(boxes, scores)
_, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(np.sort(scores)[::-1], label="scores")
axis.plot(lowered, label="after soft_nms")
axis.set_xlabel("box, by falling score")
axis.set_ylabel("score")
axis.legend()

# %%
# Four measures of overlap
# ------------------------
# A box moves to the right, away from another of its size. IoU is zero as soon as they part; the generalised and the
# distance IoU go on falling, so that a loss made of them has a gradient.

one = np.float32([[0, 0, 10, 10]])
shifts = np.arange(0, 31, dtype=np.float32)
moved = np.stack([shifts, 0 * shifts, shifts + 10, 0 * shifts + 10], 1)
_, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for name in ("box_iou", "generalized_box_iou", "distance_box_iou"):
    axis.plot(shifts, getattr(fi, name)(one, moved)[0], label=name)
axis.set_xlabel("shift in pixels; the boxes are 10 wide")
axis.legend()

# %%
# Anchors
# -------
# A region proposal network looks at boxes of several sizes and shapes around every place of a feature map. Here those
# around one place of a map of 4 x 5 places.

anchors = fi.generate_anchors([(4, 5)], [(76, 77)], [(40.0, 80.0)], [(0.5, 1.0, 2.0)])
middle = anchors.reshape(20, 6, 4)[7] + 38
_, axis = plt.subplots(figsize=(5, 4), layout="constrained")
draw(axis, coins, middle, np.linspace(0, 0.9, 6), "anchors of one place")
