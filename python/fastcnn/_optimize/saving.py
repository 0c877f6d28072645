"""Optimised models as safetensors files, whose metadata holds the graph as JSON. Nothing is unpickled or executed.

A file refers to functions listed in operators.py, steps of steps.py, and its own tensors; all else is numbers.
"""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fastcnn import _core
from fastcnn._errors import ArgumentError, BackendError
from fastcnn._optimize import steps
from fastcnn._optimize.attributes import attribute
from fastcnn._optimize.guard import Guard
from fastcnn._optimize.module import Optimized, Signature
from fastcnn._optimize.operators import function_of, name_of
from fastcnn._torch.packed import PackedConvolution
from fastcnn.ops._conv_arithmetic import Geometry

_KEY = "fastcnn.optimized"
_VERSION = 1
# Longer graphs are refused: that of EfficientNet-B0 takes 60 KiB.
_LONGEST = 16 << 20
_OPS = ("placeholder", "get_attr", "call_module", "call_function", "output")
_ACTIVATIONS = (
    "none", "relu", "clamp", "leaky_relu", "elu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus",
)  # fmt: skip
_POOLS = tuple(f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_avg") for n in (1, 2, 3))
_EXTRAS = ("residual", "scale", "input_scale")
_TORCH = (torch.dtype, torch.layout, torch.memory_format, torch.device)


# --- writing ----------------------------------------------------------------------------------------------------------


def save(model: Optimized, path: str | os.PathLike[str]) -> None:
    """Write an optimised model; see `Optimized.save`."""
    from safetensors.torch import save as serialise

    from fastcnn.io import replacing

    content = serialise(*_Writer(model).content())
    with replacing(Path(path)) as (file,):
        Path(file).write_bytes(content)


class _Writer:
    def __init__(self, model: Optimized) -> None:
        self.model, self.graph = model, model.network.graph
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[Any, str] = {}
        self.numbers = {node: i for i, node in enumerate(self.graph.nodes)}
        self.packed: list[dict[str, Any]] = []
        self.packs: dict[int, int] = {}

    def content(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        model, guard = self.model, self.model._guard
        signature = model._signature
        head = {
            "version": _VERSION,
            "inputs": _structure(signature.inputs, "arguments"),
            "outputs": _structure(signature.outputs, "results"),
            "keywords": signature.keywords,
            "conditions": guard.conditions,
            "constants": [[i, _plain(value)] for i, value in guard.constants.items()],
            "arguments": [[i, name, _name(dtype), dims] for i, (name, dtype, dims) in guard.tensors.items()],
            "written": guard.written,
            "left": model._left,
            "plain": model._plain,
            "nodes": [self.node(node) for node in self.graph.nodes],
        }
        head["states"] = [self.names[path] for path in model._states]
        head["packed"] = self.packed
        return self.tensors, {_KEY: json.dumps(head)}

    def node(self, node: fx.Node) -> list[Any]:
        target: Any = None
        if node.op == "get_attr":
            target = self.attribute(str(node.target))
        elif node.op == "call_module":
            target = self.step(attribute(self.model.network, str(node.target)))
        elif node.op == "call_function":
            target = name_of(node.target)
            if target is None:
                raise BackendError(f"save: files may not call {node.target}, which was left to torch")
        args = [self.value(a) for a in node.args]
        return [_OPS.index(node.op), target, args, {k: self.value(v) for k, v in node.kwargs.items()}]

    def attribute(self, path: str) -> str:
        if path not in self.names:
            value = attribute(self.model.network, path)
            if not isinstance(value, Tensor):
                raise BackendError(f"save: {path} is no tensor")
            self.names[path] = self.tensor(value)
        return self.names[path]

    def tensor(self, value: Tensor) -> str:
        name = f"tensor_{len(self.tensors)}"
        self.tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
        return name

    def value(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            return {"node": self.numbers[value]}
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        return _plain(value)

    def step(self, step: Any) -> dict[str, Any]:
        kind = type(step).__name__
        if isinstance(step, steps.Convolution):
            assert step.packed is not None
            return {
                "kind": kind, "packed": self.pack(step.packed), "flat": [step.flat_input, step.flat_output],
                "extras": step.extras, "algorithm": step.algorithm,
            }  # fmt: skip
        if isinstance(step, steps.Pool):
            return {"kind": kind, "op": step.op, "args": [self.value(a) for a in step.args]}
        if isinstance(step, steps.Upsample):
            return {"kind": kind, "factors": step.factors}
        return {"kind": kind}

    def pack(self, packed: PackedConvolution) -> int:
        if id(packed) not in self.packs:
            self.packs[id(packed)] = len(self.packed)
            self.packed.append({
                "size": packed.weight_size, "geometry": list(packed.geometry), "groups": packed.groups,
                "transposed": packed.transposed, "output_padding": packed.output_padding,
                "activation": packed.activation, "alpha": _plain(packed.alpha), "dtype": _name(packed.dtype),
                "bias": None if packed.bias is None else self.tensor(packed.bias),
                "weights": [[name, self.tensor(weight)] for name, weight in packed._packed.items()],
            })  # fmt: skip
        return self.packs[id(packed)]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, _TORCH):
        return {type(value).__name__: _name(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise BackendError(f"save: a graph with {value!r} cannot be saved")


def _name(value: Any) -> str:
    return str(value).removeprefix("torch.")


def _structure(spec: pytree.TreeSpec, what: str) -> Any:
    def of(value: Any) -> Any:
        if type(value) in (tuple, list):
            return [type(value).__name__, [of(v) for v in value]]
        if type(value) is dict and all(type(key) in (str, int) for key in value):
            return ["dict", [[key, of(v)] for key, v in value.items()]]
        if type(value) is int:
            return value
        raise BackendError(f"save: {what} made of {type(value).__name__} cannot be saved")

    return of(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))


# --- reading ----------------------------------------------------------------------------------------------------------


def load_optimized(path: str | os.PathLike[str]) -> Optimized:
    """Load a model made by `fastcnn.optimize` and saved with its ``save``.

    The file is portable between instruction sets; on the machine that wrote it, results are bitwise equal.

    Args:
        path: the file. Nothing in it is unpickled or executed: it can only name operations of a fixed list.

    Returns:
        The module, as `fastcnn.optimize` returned it.

    Raises:
        ArgumentError: a file that cannot be read, is of another kind, or is inconsistent.

    Time and memory: those of reading the packed weights; torch's compiler and exporter are not loaded.

    Example:
        >>> import pathlib, tempfile, torch, fastcnn
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
        >>> fast, x = fastcnn.optimize(model, torch.ones(1, 3, 16, 16)), torch.randn(2, 3, 24, 32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fast.save(pathlib.Path(folder) / "model.safetensors")
        ...     again = fastcnn.load_optimized(pathlib.Path(folder) / "model.safetensors")
        >>> torch.equal(again(x), fast(x))
        True
    """
    from safetensors import safe_open

    try:
        with torch.inference_mode(False), safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise ValueError("it holds no optimised model")
            if len(text) > _LONGEST:
                raise ValueError("its graph is too long")
            # Copy: kernels need aligned memory, and the file may be deleted.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  (no dict)
            return _Reader(json.loads(text), tensors).model()
    except RecursionError:
        reason = "its graph is nested too deeply"
    except Exception as error:  # any error caused by an invalid file
        reason = " ".join(f"{error}".split()) or type(error).__name__
        if isinstance(error, (KeyError, TypeError, AttributeError, IndexError, AssertionError)):
            reason = f"its graph is wrong: {type(error).__name__} {reason}"
    raise ArgumentError(f"load_optimized: {os.fspath(path)}: cannot be read ({reason[:300]})")


def _whole(values: Any, minimum: int = 0, maximum: int = 2**31 - 1) -> list[int]:
    if not isinstance(values, list) or any(type(v) is not int or not minimum <= v <= maximum for v in values):
        raise ValueError(f"expected whole numbers, got {str(values)[:80]}")
    return values


def _one_of(value: Any, choices: Any) -> Any:
    if value not in choices:
        raise ValueError(f"unknown {str(value)[:80]}")
    return value


class _Reader:
    def __init__(self, head: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        if head["version"] != _VERSION:
            raise ValueError(f"its version is {head['version']!r}; this fastcnn reads {_VERSION}")
        # fx turns names into code: allow only these.
        if any(not re.fullmatch(r"tensor_[0-9]{1,9}", name) for name in tensors):
            raise ValueError("its tensors have other names")
        self.head, self.tensors = head, tensors
        self.root = torch.nn.Module()
        self.graph = fx.Graph()
        self.nodes: list[fx.Node] = []

    def model(self) -> Optimized:
        head = self.head
        inputs, outputs = _spec(head["inputs"]), _spec(head["outputs"])
        self.packed = [self.pack(p) for p in head["packed"]]
        for written in head["nodes"]:
            self.node(*written)
        count = sum(n.op == "placeholder" for n in self.nodes)
        if not self.nodes or self.nodes[-1].op != "output" or count != inputs.num_leaves:
            raise ValueError("its graph does not fit its arguments")
        results: Any = self.nodes[-1].args[0] if self.nodes[-1].args else None
        if not isinstance(results, (list, tuple)) or len(results) != outputs.num_leaves:
            raise ValueError("its graph does not fit its results")
        indices = range(inputs.num_leaves)
        tensors = {
            _one_of(i, indices): (str(name), self.torch(torch.dtype, dtype), *_whole([dims]))
            for i, name, dtype, dims in head["arguments"]
        }
        constants = {_one_of(i, indices): self.value(value) for i, value in head["constants"]}
        if {*tensors, *constants} != set(indices):
            raise ValueError("its arguments are not all described")
        written = [_one_of(i, tensors) for i in head["written"]]
        guard = Guard(head["conditions"], constants, tensors, written)
        guard.compile()
        states = [_one_of(name, self.tensors) for name in head["states"]]
        signature = Signature(inputs, outputs, [str(k) for k in head["keywords"]])
        left = [str(line) for line in head["left"]]
        self.graph.lint()
        network = fx.GraphModule(self.root, self.graph)
        return Optimized(network, signature, guard, left, states, plain=bool(head["plain"]))

    def node(self, op: Any, target: Any, args: Any, kwargs: Any) -> None:
        op = _OPS[_whole([op], 0, len(_OPS) - 1)[0]]
        if op == "placeholder":
            # fx turns names into code, so they are generated here.
            node = self.graph.placeholder(f"input_{len(self.nodes)}")
        elif op == "output":
            node = self.graph.output(self.value(args)[0])
        elif op == "get_attr":
            if not hasattr(self.root, _one_of(target, self.tensors)):
                self.root.register_buffer(target, self.tensors[target])
            node = self.graph.get_attr(target)
        elif op == "call_module":
            name = f"step_{len(self.nodes)}"
            self.root.add_module(name, self.step(target))
            node = self.graph.call_module(name, tuple(self.value(args)))
        else:
            function = function_of(str(target))
            if function is None:
                raise ValueError(f"no function that files may call: {str(target)[:80]}")
            arguments = {a.name for a in getattr(getattr(function, "_schema", None), "arguments", ())}
            named = {_one_of(key, arguments): self.value(value) for key, value in dict(kwargs).items()}
            node = self.graph.call_function(function, tuple(self.value(args)), named)
        self.nodes.append(node)

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(v) for v in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == "node":
            return self.nodes[_whole([content])[0]]
        if kind == "float":
            return float(_one_of(content, ("inf", "-inf", "nan")))
        for known in _TORCH:
            if kind == known.__name__:
                return self.torch(known, content)
        raise ValueError(f"unknown kind {kind[:80]}")

    @staticmethod
    def torch(kind: Any, name: Any) -> Any:
        if kind is torch.device:
            return torch.device(_one_of(name, ("cpu",)))
        found = getattr(torch, name, None) if isinstance(name, str) else None
        if not isinstance(found, kind):
            raise ValueError(f"unknown {kind.__name__} {str(name)[:80]}")
        return found

    def step(self, described: dict[str, Any]) -> steps.Step:
        kind = described["kind"]
        if kind == "Convolution":
            packed = self.packed[_whole([described["packed"]])[0]]
            extras = tuple(_one_of(e, _EXTRAS) for e in described["extras"])
            return steps.Convolution.of(packed, described["algorithm"], extras, *map(bool, described["flat"]))
        if kind == "Pool":
            return steps.Pool(_one_of(described["op"], _POOLS), *self.value(described["args"]))
        if kind == "Upsample":
            factors = described["factors"]
            return steps.Upsample(None if factors is None else _whole(factors, 1))
        return {"GlobalAverage": steps.GlobalAverage, "Concat": steps.Concat}[kind]()

    def pack(self, described: dict[str, Any]) -> PackedConvolution:
        size = _whole(described["size"], 1)
        dims = len(size) - 2
        stride, padding, dilation = described["geometry"]
        geometry = Geometry(_whole(stride, 1), _whole(padding, -(2**31)), _whole(dilation, 1))
        extra = _whole(described["output_padding"])
        if not 1 <= dims <= 3 or [len(v) for v in (*geometry, extra)] != [dims, 2 * dims, dims, dims]:
            raise ValueError("a convolution's sizes are not those of one")
        (groups,) = _whole([described["groups"]], 1)
        transposed, double = bool(described["transposed"]), described["dtype"] == "float64"
        dtype = self.torch(torch.dtype, _one_of(described["dtype"], ("float32", "float64")))
        weights = {str(name): self.tensors[_one_of(key, self.tensors)] for name, key in described["weights"]}
        bias = None if described["bias"] is None else self.tensors[_one_of(described["bias"], self.tensors)]
        filters = size[1] * groups if transposed else size[0]
        fits = bias is None or (bias.dtype == dtype and tuple(bias.shape) == (filters,))
        for name, weight in weights.items():
            need = _core.packed_conv_size(size, *geometry, groups, transposed, double, name)
            fits = fits and weight.dtype == dtype and tuple(weight.shape) == (need,)
        if not weights or not fits:
            raise ValueError("a convolution's weights are not of its size")
        activation, alpha = _one_of(described["activation"], _ACTIVATIONS), float(self.value(described["alpha"]))
        return PackedConvolution.of_packed(
            weights, bias, size, geometry, groups=groups, transposed=transposed, output_padding=extra,
            activation=activation, alpha=alpha,
        )  # fmt: skip


def _spec(structure: Any) -> pytree.TreeSpec:
    def of(value: Any) -> Any:
        if type(value) is int:
            return value
        kind, content = value
        if kind == "dict":
            return {key: of(v) for key, v in content if type(key) in (str, int)}
        return {"tuple": tuple, "list": list}[kind](of(v) for v in content)

    leaves, spec = pytree.tree_flatten(of(structure))
    if leaves != list(range(len(leaves))):
        raise ValueError("its structure is not in order")
    return spec
