"""The inputs that a captured graph is valid for."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Sequence
from types import CodeType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from fastcnn._errors import ArgumentError

# The dimensions that may differ from the example's: all, only the first, none.
Dims = Literal["all", "batch", "none"]

# The only names allowed in conditions, which come from torch or from untrusted files.
_NAMES: dict[str, Any] = {
    "__builtins__": {}, "abs": abs, "float": float, "inf": math.inf, "int": int, "max": max, "min": min, "round": round,
    "ceil": math.ceil, "floor": math.floor, "sqrt": math.sqrt, "trunc": math.trunc, "sym_float": float,
}  # fmt: skip
_SYNTAX = (
    ast.Expression, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Load, ast.boolop, ast.unaryop, ast.cmpop,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
)  # fmt: skip
_SIZES = ("size", "stride", "storage_offset")


class _Reader(ast.NodeTransformer):
    """Checks an expression, and removes the module prefixes of its functions."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _SYNTAX):
            raise ValueError(f"a condition has {type(node).__name__}")
        return super().generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:  # ast's name
        small = isinstance(node.right, ast.Constant) and isinstance(node.right.value, int) and node.right.value <= 8
        if isinstance(node.op, ast.Pow) and not small:
            raise ValueError("a condition has a power")
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, (int, float)):
            raise ValueError(f"a condition has {node.value!r}")
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in ("inputs", *_NAMES) or node.id == "__builtins__":
            raise ValueError(f"a condition names {node.id}")
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, int):
            raise ValueError("a condition has an index that is no number")
        node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in _SIZES
            and isinstance(function.value, ast.Subscript)
        ):
            function.value = self.visit(function.value)
        else:
            module = function.value if isinstance(function, ast.Attribute) else None
            if module is not None and not (isinstance(module, ast.Name) and module.id in ("math", "torch")):
                raise ValueError("a condition calls an attribute")
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if not callable(_NAMES.get(name)):
                raise ValueError(f"a condition calls {name}")
            node.func = ast.copy_location(ast.Name(name, ast.Load()), function)
        if node.keywords:
            raise ValueError("a condition calls by keyword")
        node.args = [self.visit(a) for a in node.args]
        return node


def _compiled(text: str) -> CodeType:
    return compile(ast.fix_missing_locations(_Reader().visit(ast.parse(text, mode="eval"))), "condition", "eval")


class Guard:
    """Conditions on the sizes of the flat inputs, as torch.export found them; dtypes; values of non-tensor inputs.

    Args:
        conditions: pairs of code on `inputs` and readable text.
        constants: the inputs that are not tensors.
        tensors: name, dtype and number of dimensions of the tensor inputs.
        written: the inputs that the model writes to.
    """

    def __init__(
        self,
        conditions: Sequence[Sequence[str]],
        constants: dict[int, Any],
        tensors: dict[int, tuple[str, torch.dtype, int]],
        written: Sequence[int] = (),
    ) -> None:
        self.conditions = [(str(code), str(shown)) for code, shown in conditions]
        self.constants, self.tensors, self.written = constants, tensors, list(written)
        self._code: list[CodeType] | None = None

    @staticmethod
    def of(program: Any, model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, dims: Dims) -> Guard:
        """Read an exported program's guards."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        # torch names an input after the parameter that it is bound to; bind their indices to find out which is which.
        numbered = pytree.tree_unflatten(list(range(len(leaves))), spec)
        bound = dict(inspect.signature(model.forward).bind(*numbered[0], **numbered[1]).arguments)
        paths = {f"L{pytree.keystr(path)}": index for path, index in pytree.tree_flatten_with_path(bound)[0]}
        show = {name: name[3:].replace("']", "", 1) for name in paths}
        conditions = []
        for text in program._guards_code:
            code = shown = text.replace("\n", " ")
            for name, index in sorted(paths.items(), key=lambda item: -len(item[0])):
                code = code.replace(name, f"inputs[{index}]")
                shown = shown.replace(name, show[name])
            conditions.append((code, shown))
        tensors = {}
        for name, i in paths.items():
            x = leaves[i]
            if not isinstance(x, Tensor):
                continue
            tensors[i] = show[name], x.dtype, x.dim()
            fixed = range({"all": x.dim(), "batch": 1, "none": 0}[dims], x.dim())
            shape = ", ".join("N" if axis not in fixed else str(n) for axis, n in enumerate(x.shape))
            for axis in fixed:
                conditions.append(
                    (f"inputs[{i}].size()[{axis}] == {x.shape[axis]}", f"{show[name]} of shape ({shape})")
                )
        guard = Guard(conditions, {i: x for i, x in enumerate(leaves) if not isinstance(x, Tensor)}, tensors)
        guard.failing(leaves)
        return guard

    def check(self, inputs: list[Any]) -> None:
        """Raise ArgumentError for inputs that differ from the example's in dtype, number of dimensions or constants."""
        for i, (name, dtype, dims) in self.tensors.items():
            x = inputs[i]
            if not isinstance(x, Tensor):
                raise ArgumentError(f"optimize: expected {name} to be a tensor, as the example's, got {x!r}")
            if x.dtype != dtype:
                raise ArgumentError(f"optimize: expected {name} of {dtype}, as the example's, got {x.dtype}")
            if x.dim() != dims:
                raise ArgumentError(f"optimize: expected {name} of {dims} dimensions, got shape {tuple(x.shape)}")

    def check_written(self, inputs: list[Any]) -> None:
        """Raise ArgumentError if the model would write to memory shared with another input."""
        storages = [x.untyped_storage()._cdata if isinstance(x, Tensor) else None for x in inputs]
        for i in self.written:
            if storages.count(storages[i]) > 1:
                name = self.tensors[i][0]
                raise ArgumentError(f"optimize: expected {name}, which the model writes to, to share no memory")

    def failing(self, inputs: list[Any]) -> list[str]:
        """Return the conditions that do not hold."""
        wrong = [f"{value!r} was a constant" for i, value in self.constants.items() if inputs[i] != value]
        if wrong:
            return wrong
        self.compile()
        assert self._code is not None
        names = {**_NAMES, "inputs": inputs}
        return [shown for (_, shown), code in zip(self.conditions, self._code, strict=True) if not eval(code, names)]

    def compile(self) -> None:
        """Compile the conditions; raise ValueError if one uses anything but sizes."""
        if self._code is None:
            self._code = [_compiled(code) for code, _ in self.conditions]

    def drop(self, shown: list[str]) -> None:
        """Remove conditions."""
        self.conditions = [c for c in self.conditions if c[1] not in shown]
        self._code = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_code": None}
