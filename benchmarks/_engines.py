"""One convolution in each inference engine, from NumPy arrays: models of one layer, made with the engines' own APIs.

Everything runs in float32. Inputs are bound beforehand in the layout that the engine takes, results stay in the one
that it gives: what an engine converts within a call is its own choice of layout.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastcnn.ops._conv_layer import Layer


@dataclass
class Result:
    """An engine's result, copied only where somebody compares it."""

    copy: Callable[[], np.ndarray]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.copy()


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """The engines talk to both outputs, past Python."""
    saved = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for file in (*saved, nowhere):
            os.close(file)


def onnx_model(layer: Layer, weight: np.ndarray) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    _, _, stride, padding, dilation, groups, _, _ = layer.arguments
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=stride, pads=padding, dilations=dilation, group=groups)
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", layer.input),
                                                                                  ("y", layer.output))]  # fmt: skip
    graph = helper.make_graph([node], "layer", values[:1], values[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def onnxruntime(layer: Layer, image: np.ndarray, weight: np.ndarray, threads: int) -> Callable[[], Result]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Its threads spin on between calls, which would slow whoever is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(onnx_model(layer, weight), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", image)
    binding.bind_output("y")

    def run() -> Result:
        session.run_with_iobinding(binding)
        return Result(lambda: binding.copy_outputs_to_cpu()[0])

    return run


def mnn(layer: Layer, image: np.ndarray, weight: np.ndarray, threads: int) -> Callable[[], Result]:
    import _tools  # MNN's converter
    import MNN

    with silent(), tempfile.TemporaryDirectory() as folder:
        source, model = Path(folder, "layer.onnx"), Path(folder, "layer.mnn")
        source.write_bytes(onnx_model(layer, weight))
        _tools.mnnconvert(["", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(model), "--bizCode", "x"])
        config = {"backend": 0, "numThread": threads, "precision": "high"}
        manager = MNN.nn.create_runtime_manager((config,))
        module = MNN.nn.load_module_from_file(str(model), ["x"], ["y"], runtime_manager=manager)
        source = MNN.expr.const(image, layer.input, MNN.expr.NCHW)
        module.forward([source])

    def run() -> Result:
        found = module.forward([source])
        found = found[0] if isinstance(found, (list, tuple)) else found
        found.read()
        return Result(lambda: np.array(MNN.expr.convert(found, MNN.expr.NCHW).read()).reshape(layer.output))

    return run


def ncnn(layer: Layer, image: np.ndarray, weight: np.ndarray, threads: int) -> Callable[[], Result]:
    import ncnn

    _, _, stride, padding, dilation, groups, _, _ = layer.arguments
    (filters, _, height, width), (top, left, bottom, right) = layer.weight, padding
    kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
    numbers = {0: filters, 1: width, 11: height, 2: dilation[1], 12: dilation[0], 3: stride[1], 13: stride[0],
               4: left, 14: top, 15: right, 16: bottom, 5: 0, 6: weight.size, 7: groups}  # fmt: skip
    if groups == 1:
        del numbers[7]
    text = " ".join(f"{k}={v}" for k, v in numbers.items())
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for name in dir(net.opt):
        if name.startswith(("use_fp16", "use_bf16")):
            setattr(net.opt, name, False)
    net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\n{kind} layer 1 1 x y {text}\n")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "layer.bin")
        model.write_bytes(np.zeros(1, np.uint32).tobytes() + weight.tobytes())
        net.load_model(str(model))
    source = ncnn.Mat(image[0])

    def run() -> Result:
        extractor = net.create_extractor()
        extractor.input("x", source)
        _, found = extractor.extract("y")
        return Result(lambda: np.array(found)[None])

    return run


ENGINES = {"ncnn": ncnn, "MNN": mnn, "onnxruntime": onnxruntime}
