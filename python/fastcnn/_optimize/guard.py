"""The sizes that a captured graph is valid for."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import SYMPY_INTERP
from torch.utils import _pytree as pytree

# What torch's expressions name.
_NAMES = {**SYMPY_INTERP, "math": math, "inf": math.inf}


class Guard:
    """Conditions on the sizes of the flat inputs, as torch.export found them, and values of inputs that are none."""

    def __init__(self, conditions: list[tuple[str, str]], constants: dict[int, Any]) -> None:
        # Pairs: as code on `inputs`, and as a reader sees it.
        self.conditions, self.constants = conditions, constants

    @staticmethod
    def of(
        program: Any, model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, dynamic: bool
    ) -> Guard:
        """Read an exported program's guards."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        # torch names an input by the parameter that it is bound to; numbers in the inputs' places tell which is which.
        numbered = pytree.tree_unflatten(list(range(len(leaves))), spec)
        bound = dict(inspect.signature(model.forward).bind(*numbered[0], **numbered[1]).arguments)
        paths = {f"L{pytree.keystr(path)}": index for path, index in pytree.tree_flatten_with_path(bound)[0]}
        conditions = []
        for text in program._guards_code:
            code = shown = text.replace("\n", " ")
            for name, index in sorted(paths.items(), key=lambda item: -len(item[0])):
                code = code.replace(name, f"inputs[{index}]")
                shown = shown.replace(name, name[3:].replace("']", "", 1))
            conditions.append((code, shown))
        if not dynamic:
            for i, x in enumerate(leaves):
                if isinstance(x, Tensor):
                    shape = tuple(x.shape)
                    conditions.append((f"tuple(inputs[{i}].shape) == {shape}", f"of shape {shape}"))
        return Guard(conditions, {i: x for i, x in enumerate(leaves) if not isinstance(x, Tensor)})

    def failing(self, inputs: list[Any]) -> list[str]:
        """Return the conditions that do not hold."""
        wrong = [f"{value!r} was a constant" for i, value in self.constants.items() if inputs[i] != value]
        for i, x in enumerate(inputs):
            if not isinstance(x, Tensor) and i not in self.constants:
                wrong.append(f"a tensor was expected, not {x!r}")
        if wrong:
            return wrong
        return [shown for code, shown in self.conditions if not eval(code, _NAMES, {"inputs": inputs})]

    def drop(self, shown: list[str]) -> None:
        """Forget conditions."""
        self.conditions = [c for c in self.conditions if c[1] not in shown]
