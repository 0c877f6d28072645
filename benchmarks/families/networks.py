"""Whole networks: `fastcnn.optimize` against torch and the inference engines, `fastcnn.convert` against torch eager.

Batch norms have random statistics. Beside each contender stands its largest error against float64, over the result's
rms. The first run writes the engines' files and compiles; measure with the second.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch

import fastcnn
from benchmarks import network_models, network_peers
from benchmarks.harness import Case, load, wanted


def _error(result: object, exact: torch.Tensor) -> str:
    got = torch.as_tensor(np.array(result, dtype=np.float64)).reshape(exact.shape)
    return f"{float((got - exact).abs().max() / exact.square().mean().sqrt()):.0e}"


def cases(size: int) -> Iterator[Case]:
    for case in load("networks"):
        name, batch = case["model"], case["batch"]
        title = f"{name} N={batch} {case['mode']}"
        if not wanted(title):
            continue
        model, x = network_models.create(name, batch)
        run = {}
        notes = {}
        if case["mode"] == "optimize":
            fast = fastcnn.optimize(model, x)
            run["fastcnn"] = lambda fast=fast, x=x: fast(x)
            for peer, make in network_peers.peers(name, model, x):
                try:
                    run[peer] = make()
                except Exception as error:
                    print(f"{name}, {peer}: left out: {type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            converted = fastcnn.convert(copy.deepcopy(model)).to(memory_format=torch.channels_last)
            image = x.to(memory_format=torch.channels_last)
            run["fastcnn"] = network_peers._no_grad(lambda m=converted, i=image: m(i))
            for layout, text in ((torch.contiguous_format, "NCHW"), (torch.channels_last, "channels_last")):
                run[f"torch {text}"] = network_peers.torch_eager(model, x, layout)
        with torch.no_grad():
            exact = copy.deepcopy(model).double()(x[:1].double())
        for contender, function in run.items():
            notes[contender] = f"error {_error(np.asarray(function())[:1], exact)}"
        yield Case(title, run, flops=_flops(model, x), goal=case["goal"], notes=notes, group=case["mode"])


def _flops(model: torch.nn.Module, x: torch.Tensor) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        copy.deepcopy(model).to("meta")(torch.empty(x.shape))
    return float(counter.get_total_flops())
