"""Resizing and affine warps of 720 x 1280 pixels in three channels, against torch (planes) and OpenCV (pixels)."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch

import fastcnn.ops as fc
from benchmarks.harness import Case, load, wanted

FLAGS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
TURN = np.array([[0.9, -0.4, 300], [0.3, 1.1, -20]])


def cases(size: int) -> Iterator[Case]:
    values = np.random.default_rng(0).integers(0, 256, (3, 720, 1280), np.uint8)
    for case in load("geometry"):
        planes = values.astype(case["dtype"])
        pixels = np.ascontiguousarray(planes.transpose(1, 2, 0))
        if case["op"] == "warp_affine":
            run = {
                "fastcnn": lambda i=planes: fc.warp_affine(i, TURN),
                "opencv": lambda i=pixels: cv2.warpAffine(i, TURN, (1280, 720)).transpose(2, 0, 1),
            }
            yield Case(f"warp_affine {case['dtype']}", run, bytes=2 * planes.nbytes)
            continue
        to, mode, antialias = case["size"], case["mode"], case["antialias"]
        name = f"resize {case['dtype']} to {to[0]}x{to[1]} {mode}{' antialias' if antialias else ''}"
        if not wanted(name):
            continue
        run = {"fastcnn": lambda i=planes, s=to, m=mode, a=antialias: fc.resize(i, s, m, a)}
        tensor = torch.from_numpy(planes)[None]
        run["torch"] = lambda i=tensor, s=to, m=mode, a=antialias: torch.nn.functional.interpolate(
            i, s, mode=m, antialias=a
        )[0].numpy()
        if not antialias:
            run["opencv"] = lambda i=pixels, s=to, m=mode: cv2.resize(i, s[::-1], interpolation=FLAGS[m]).transpose(
                2, 0, 1
            )
        yield Case(name, run, bytes=planes.nbytes + 3 * to[0] * to[1] * planes.itemsize)
