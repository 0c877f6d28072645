"""Writes a folded ONNX network in ncnn's format, for ncnn's wheel brings no converter.

Knows what the benchmarked networks hold. The format: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper


class _Writer:
    def __init__(self, graph: Any) -> None:
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        # Every reader takes its own copy of a blob: ncnn wants the splits spelled out.
        self.readers = Counter(name for node in graph.node for name in node.input if name not in self.constants)
        self.lines: list[str] = []
        self.blobs = 0
        self.weights = bytearray()
        self.taken: Counter[str] = Counter()

    def layer(self, kind: str, name: str, inputs: list[str], output: str, **parameters: Any) -> None:
        sources = [self.source(i) for i in inputs]
        values = " ".join(f"{key[1:]}={value}" for key, value in parameters.items())
        self.lines.append(f"{kind} {name} {len(sources)} 1 {' '.join([*sources, output])} {values}".rstrip())
        self.blobs += 1
        if self.readers[output] > 1:
            copies = [f"{output}_{i}" for i in range(self.readers[output])]
            self.lines.append(f"Split split_{output} 1 {len(copies)} {output} {' '.join(copies)}")
            self.blobs += len(copies)

    def source(self, blob: str) -> str:
        if self.readers[blob] <= 1:
            return blob
        self.taken[blob] += 1
        return f"{blob}_{self.taken[blob] - 1}"

    def weight(self, array: np.ndarray, *, tagged: bool) -> None:
        self.weights += (b"\0" * 4 if tagged else b"") + np.ascontiguousarray(array, np.float32).tobytes()


def _convolution(w: _Writer, node: Any, a: dict[str, Any]) -> None:
    weight = w.constants[node.input[1]]
    group, transposed = a.get("group", 1), node.op_type == "ConvTranspose"
    if transposed:
        weight = weight.swapaxes(0, 1)
    kind = ("Deconvolution" if transposed else "Convolution") + ("DepthWise" if group > 1 else "")
    top, left, bottom, right = a.get("pads", [0] * 4)
    (kh, kw), (sh, sw) = a["kernel_shape"], a.get("strides", [1, 1])
    biased = len(node.input) > 2
    more = {"_7": group} if group > 1 else {}
    w.layer(
        kind, node.name, [node.input[0]], node.output[0], _0=weight.shape[0], _1=kw, _11=kh, _3=sw, _13=sh,
        _4=left, _14=top, _15=right, _16=bottom, _5=int(biased), _6=weight.size, **more,
    )  # fmt: skip
    w.weight(weight, tagged=True)
    if biased:
        w.weight(w.constants[node.input[2]], tagged=False)


def write(model: Path, target: Path) -> None:
    """Write target.param and target.bin."""
    graph = onnx.load(str(model)).graph
    w = _Writer(graph)
    w.layer("Input", "input", [], graph.input[0].name)
    makers = {output: node for node in graph.node for output in node.output}
    swished = set()
    for node in graph.node:
        gates = [i for i in node.input if node.op_type == "Mul" and i in makers and makers[i].op_type == "Sigmoid"]
        for gate in gates:
            if makers[gate].input[0] in node.input:
                swished.add(gate)
    for gate in swished:
        w.readers[makers[gate].input[0]] -= 1
    for node in graph.node:
        a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
        inputs, output = list(node.input), node.output[0]
        name = node.name
        if node.op_type in ("Conv", "ConvTranspose"):
            _convolution(w, node, a)
        elif node.op_type == "Gemm":
            weight = w.constants[inputs[1]]
            w.layer("InnerProduct", name, inputs[:1], output, _0=weight.shape[0], _1=1, _2=weight.size)
            w.weight(weight, tagged=True)
            w.weight(w.constants[inputs[2]], tagged=False)
        elif node.op_type == "MaxPool":
            pad, stride = a.get("pads", [0])[0], a["strides"][0]
            w.layer("Pooling", name, inputs, output, _0=0, _1=a["kernel_shape"][0], _2=stride, _3=pad, _5=1)
        elif node.op_type == "GlobalAveragePool":
            # As 1 x 1 pixels, for what follows multiplies an image by channel.
            w.layer("Pooling", name, inputs, f"{output}_flat", _0=1, _4=1)
            w.layer("Reshape", f"{name}_pixels", [f"{output}_flat"], output, _0=1, _1=1, _2=-1)
        elif node.op_type == "Sigmoid" and output in swished:
            continue
        elif node.op_type == "Mul" and any(i in swished for i in inputs):
            w.layer("Swish", name, [i for i in inputs if i not in swished], output)
        elif node.op_type in ("Add", "Mul"):
            w.layer("BinaryOp", name, inputs, output, _0=0 if node.op_type == "Add" else 2)
        elif node.op_type == "Concat":
            w.layer("Concat", name, inputs, output, _0=0)
        elif node.op_type in ("Relu", "Sigmoid", "Flatten"):
            w.layer({"Relu": "ReLU"}.get(node.op_type, node.op_type), name, inputs, output)
        else:
            raise ValueError(f"no ncnn layer for {node.op_type}")
    text = f"7767517\n{len(w.lines)} {w.blobs}\n" + "\n".join(w.lines) + "\n"
    target.with_suffix(".param").write_text(text)
    target.with_suffix(".bin").write_bytes(bytes(w.weights))
