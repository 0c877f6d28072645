"""Whole networks in the engines that they compete with: each peer is a function of the torch input.

Files that engines read are written once, under the benchmark's cache folder.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Run = Callable[[], Any]
CACHE = Path(os.environ.get("FASTCNN_BENCH_CACHE", Path(tempfile.gettempdir()) / "fastcnn-bench"))


def onnx_file(name: str, model: torch.nn.Module, x: Tensor) -> Path:
    """The network in ONNX, batch and image size open."""
    path = CACHE / f"{name}.onnx"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        axes = {0: "n", 2: "h", 3: "w"}
        # The exporter that needs no onnxscript; in eval mode it folds batch norms.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (x,), str(path), dynamo=False, input_names=["input"], output_names=["output"],
                dynamic_axes={"input": axes}, opset_version=17,
            )  # fmt: skip
    return path


def torch_eager(model: torch.nn.Module, x: Tensor, layout: torch.memory_format) -> Run:
    import copy

    # A copy of its own: the layout of weights is part of the peer.
    laid_out, image = copy.deepcopy(model).to(memory_format=layout), x.to(memory_format=layout)
    return _no_grad(lambda: laid_out(image))


def torch_frozen(model: torch.nn.Module, x: Tensor) -> Run:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))
        for _ in range(3):
            traced(x)
    return _no_grad(lambda: traced(x))


def torch_compiled(model: torch.nn.Module, x: Tensor) -> Run:
    import torch._inductor.config as inductor

    torch._dynamo.reset()
    inductor.freezing = True
    compiled = torch.compile(model)
    with torch.no_grad():
        compiled(x)
    return _no_grad(lambda: compiled(x))


def _no_grad(function: Run) -> Run:
    def run() -> Any:
        with torch.no_grad():
            return function()

    return run


def onnxruntime(path: Path, x: Tensor) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = x.numpy()
    return lambda: session.run(None, {"input": image})[0]


def openvino(path: Path, x: Tensor) -> Run:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(str(path))
    model.reshape({"input": list(x.shape)})
    # Its default precision may be bfloat16, where the machine has it.
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    image = x.numpy()

    def run() -> Any:
        request.infer({"input": image}, share_inputs=True)
        return request.get_output_tensor().data

    return run


def mnn(path: Path, x: Tensor) -> Run:
    # Not MNN.tools.mnnconvert: on import it installs packages, and it reports each conversion to a server.
    import _tools
    import MNN

    target = path.with_suffix(".mnn")
    if not target.exists():
        _tools.mnnconvert(
            ["mnnconvert", "-f", "ONNX", "--modelFile", str(path), "--MNNModel", str(target), "--bizCode", "x"]
        )
    interpreter = MNN.Interpreter(str(target))
    settings = {"numThread": torch.get_num_threads(), "precision": "high", "backend": "CPU"}
    session = interpreter.createSession(settings)
    source = interpreter.getSessionInput(session, "input")
    interpreter.resizeTensor(source, tuple(x.shape))
    interpreter.resizeSession(session)
    planar = MNN.Tensor_DimensionType_Caffe
    image = MNN.Tensor(tuple(x.shape), MNN.Halide_Type_Float, x.numpy(), planar)
    result = interpreter.getSessionOutput(session, "output")
    shape = result.getShape()
    out = MNN.Tensor(shape, MNN.Halide_Type_Float, np.empty(shape, np.float32), planar)

    def run() -> Any:
        source.copyFrom(image)
        interpreter.runSession(session)
        result.copyToHostTensor(out)
        return out.getNumpyData().reshape(shape)

    run.keep = interpreter  # type: ignore[attr-defined]  # the session lives in it
    return run


def ncnn(path: Path, x: Tensor) -> Run:
    import ncnn as library

    from benchmarks import network_ncnn

    target = path.with_suffix(".param")
    if not target.exists():
        network_ncnn.write(path, target)
    net = library.Net()
    net.opt.num_threads = torch.get_num_threads()
    for narrow in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{narrow}", False)
    net.load_param(str(target))
    net.load_model(str(target.with_suffix(".bin")))
    images = [library.Mat(image.numpy()) for image in x]

    def run() -> Any:
        # It has no batches.
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("input", image)
            results.append(np.array(extractor.extract("output")[1]))
        return np.stack(results)

    return run


def peers(name: str, model: torch.nn.Module, x: Tensor) -> Iterator[tuple[str, Callable[[], Run]]]:
    """Each peer's name, and what makes it: an engine that is not there fails then."""
    yield "torch NCHW", lambda: torch_eager(model, x, torch.contiguous_format)
    yield "torch channels_last", lambda: torch_eager(model, x, torch.channels_last)
    yield "torch frozen", lambda: torch_frozen(model, x)
    yield "torch.compile", lambda: torch_compiled(model, x)
    for engine in (onnxruntime, openvino, mnn, ncnn):
        yield engine.__name__, lambda engine=engine: engine(onnx_file(name, model, x), x)
