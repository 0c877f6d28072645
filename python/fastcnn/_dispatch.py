"""From a public function to the kernel for arrays or for tensors. Imports no torch: a tensor has brought it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fastcnn import _core

if TYPE_CHECKING:
    from torch import Tensor

# The result has the type of the input: array or tensor.
Array = TypeVar("Array", NDArray[Any], "Tensor")

_ARRAY_OPS = vars(_core)
# Filled as a whole when the first tensor comes (_torch/table.py).
tensor_ops: dict[str, Callable[..., Any]] = {}


def is_tensor(value: Any) -> bool:
    """Tell a tensor from anything else, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_tracing() -> bool:
    """Tell whether torch traces this call for a graph."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


def native(name: str, *arguments: Any) -> Any:
    """Call the op of this name, for arrays or for tensors as the first argument is one."""
    if isinstance(arguments[0], np.ndarray):
        return _ARRAY_OPS[name](*arguments)
    # In this order: dynamo must not read a table that an import fills while it traces. The statement below it runs.
    if not sys.modules["torch"].compiler.is_compiling() and tensor_ops:
        return tensor_ops[name](*arguments)
    from fastcnn._torch.table import TENSOR_OPS

    return TENSOR_OPS[name](*arguments)


def zeros_like(array: Any, shape: Sequence[int]) -> Any:
    """Return zeros of the kind, dtype and device of an array or a tensor."""
    return array.new_zeros(shape) if is_tensor(array) else np.zeros(shape, array.dtype)


def stack_last(arrays: Sequence[Any]) -> Any:
    """Join arrays or tensors along a new last dimension."""
    return sys.modules["torch"].stack(arrays, -1) if is_tensor(arrays[0]) else np.stack(arrays, -1)


def is_float(array: Any) -> bool:
    """Tell whether an array or a tensor holds real floats."""
    return bool(array.is_floating_point()) if is_tensor(array) else array.dtype.kind == "f"


def cast_to(array: Array, dtype: Any) -> Array:
    """Return an array or a tensor in another dtype: a name, or a dtype of its kind."""
    value: Any = array
    if not is_tensor(value):
        return cast(Array, value.astype(dtype, copy=False))
    return cast(Array, value.to(getattr(sys.modules["torch"], dtype) if isinstance(dtype, str) else dtype))
