"""The other side of remote.py: runs in an environment without fastcnn, on lines of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# Whatever a library prints must not come between the answers.
answers, sys.stdout = sys.stdout, sys.stderr


def prepared(name: str, arrays: dict[str, np.ndarray], threads: int, options: dict[str, Any]) -> Callable[[], Any]:
    if name == "hog":
        import cv2

        cv2.setNumThreads(threads)
        image = arrays["image"]
        descriptor = cv2.HOGDescriptor(image.shape[::-1], (16, 16), (8, 8), (8, 8), 9)
        rows, columns = (n // 8 - 1 for n in image.shape)
        # Down columns first, of blocks and of their cells.
        return lambda: descriptor.compute(image).reshape(columns, rows, 2, 2, 9).transpose(1, 0, 3, 2, 4)
    if name == "selective_search":
        import cv2

        cv2.setNumThreads(threads)
        picture = np.ascontiguousarray(arrays["image"][..., ::-1])

        def search() -> np.ndarray:
            found = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
            found.setBaseImage(picture)
            found.switchToSelectiveSearchFast()
            return np.asarray(found.process())

        return search
    import torch
    import torchvision

    torch.set_num_threads(threads)
    tensors = [torch.from_numpy(a) for a in arrays.values()]
    function = getattr(torchvision.ops, name.removesuffix(" backward"))
    if not name.endswith(" backward"):
        return lambda: function(*tensors, **options).numpy()
    input, rois, grad = tensors
    input.requires_grad_()
    result = function(input, rois, **options)
    return lambda: torch.autograd.grad(result, input, grad, retain_graph=True)[0].numpy()


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("torch", "torchvision", "opencv-python-headless", "opencv-contrib-python-headless"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


call: Callable[[], Any] | None = None
for line in sys.stdin:
    request = json.loads(line)
    answer: Any = None
    if request["op"] == "versions":
        answer = versions()
    elif request["op"] == "prepare":
        with np.load(request["file"], allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        call = prepared(request["name"], arrays, request["threads"], request["options"])
    elif request["op"] == "result":
        np.save(request["file"], call())
    else:
        start = time.perf_counter()
        for _ in range(request["repeats"]):
            call()
        answer = (time.perf_counter() - start) / request["repeats"]
    print(json.dumps(answer), file=answers, flush=True)
