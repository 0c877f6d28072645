"""Pooling against torch: both layouts, forward, with indices, and forward with backward.

A row's peer has the same layout; the odd windows are there so that no shape is slower than torch. The floor is the
bytes read and written once.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as peer

import fastcnn.ops as ours
from benchmarks.harness import Case, load


def train(pool: Callable[..., torch.Tensor], x: torch.Tensor, kwargs: dict[str, Any], grad: torch.Tensor) -> Any:
    (gradient,) = torch.autograd.grad(pool(x, **kwargs), x, grad)
    return gradient


def infer(pool: Callable[..., Any], x: torch.Tensor, kwargs: dict[str, Any], both: bool) -> Any:
    with torch.inference_mode():
        result = pool(x, **kwargs)
    return result[0] if both else result


def cases(size: int) -> Iterator[Case]:
    torch.manual_seed(0)
    for case in load("pooling"):
        kind = case.get("pass", "forward")
        layouts = case.get("layouts", ["NCHW", "channels_last"] if len(case["shape"]) == 4 else ["NCHW"])
        for layout in layouts:
            kwargs = dict(case["args"])
            dtype = getattr(torch, case.get("dtype", "float32"))
            x = torch.randn(case["shape"]).to(dtype)
            if layout == "channels_last":
                x = x.to(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)
            mine, theirs = getattr(ours, case["op"]), getattr(peer, case["op"])
            out = mine(x, **kwargs)
            item = x.element_size()
            if kind == "training":
                x.requires_grad_()
                grad = torch.randn_like(out, dtype=torch.float32).to(dtype)
                run = {
                    "fastcnn": partial(train, mine, x, kwargs, grad),
                    "torch": partial(train, theirs, x, kwargs, grad),
                }
                moved = (2 * x.numel() + 2 * out.numel()) * item
            else:
                both = kind == "indices"
                kwargs |= {"return_indices": True} if both else {}
                run = {
                    "fastcnn": partial(infer, mine, x, kwargs, both),
                    "torch": partial(infer, theirs, x, kwargs, both),
                }
                moved = (x.numel() + out.numel()) * item + (8 * out.numel() if both else 0)
            arguments = " ".join(str(v) for v in case["args"].values())
            shape = "×".join(str(n) for n in case["shape"])
            dtype_name = "" if dtype == torch.float32 else f" {case['dtype']}"
            name = f"{case['op']} {arguments} {shape}{dtype_name} {layout}{'' if kind == 'forward' else ' ' + kind}"
            goal = case.get("goal", "")
            yield Case(
                name,
                run,
                bytes=float(moved),
                goal=goal.get(layout, "") if isinstance(goal, dict) else goal,
                compare=dtype == torch.float32,
                group=f"{kind}, {layout}",
            )
