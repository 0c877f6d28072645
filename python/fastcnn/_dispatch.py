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


# --- the few things that NumPy and torch name differently


def library_of(array: Any) -> Any:
    """Return the module numpy or torch, for functions that have one name in both."""
    return sys.modules["torch"] if is_tensor(array) else np


def dtype_like(array: Any, name: str) -> Any:
    """Return a dtype by its name, as the library of an array or a tensor has it."""
    return getattr(sys.modules["torch"], name) if is_tensor(array) else np.dtype(name)


def dtype_name(array: Any) -> str:
    """Return the name of a dtype: "float32"."""
    return str(array.dtype).removeprefix("torch.")


def as_batch(image: Any) -> Any:
    """Make an image a batch of one; a tensor's in its own layout, which [None] hides where channels are innermost."""
    if is_tensor(image) and not image.is_contiguous():
        return image.movedim(0, -1)[None].movedim(-1, 1)
    return image[None]


def zeros_like(array: Any, shape: Sequence[int], dtype: str | None = None) -> Any:
    """Return zeros of the kind and device of an array or a tensor, and of its dtype or another."""
    kind = array.dtype if dtype is None else dtype_like(array, dtype)
    return array.new_zeros(shape, dtype=kind) if is_tensor(array) else np.zeros(shape, kind)


def concatenate_last(arrays: Sequence[Any]) -> Any:
    """Join arrays or tensors along their last dimension."""
    return library_of(arrays[0]).concatenate(arrays, -1)


def stack_last(arrays: Sequence[Any]) -> Any:
    """Join arrays or tensors along a new last dimension."""
    return library_of(arrays[0]).stack(arrays, -1)


def is_float(array: Any) -> bool:
    """Tell whether an array or a tensor holds real floats."""
    return bool(array.is_floating_point()) if is_tensor(array) else array.dtype.kind == "f"


def cast_to(array: Array, dtype: Any) -> Array:
    """Return an array or a tensor in another dtype: a name, or a dtype of its kind."""
    value: Any = array
    if not is_tensor(value):
        return cast(Array, value.astype(dtype, copy=False))
    return cast(Array, value.to(dtype_like(value, dtype) if isinstance(dtype, str) else dtype))
