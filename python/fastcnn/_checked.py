"""Arguments of the public functions are what their annotations say, or the error names the function and the argument.

Bindings and dispatchers know neither: theirs are signatures and lists of overloads. Imports no torch.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import numpy as np

from fastcnn._dispatch import dtype_name, is_tensor, is_tracing
from fastcnn._errors import ArgumentError

# check(function, argument, value) returns the value as the core takes it.
Check = Callable[[str, str, Any], Any]


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ in ("builtins", "torch") else f"{kind.__module__}.{kind.__name__}"


def _wrong(op: str, argument: str, expected: str, value: Any) -> TypeError:
    return TypeError(f"{op}: expected {argument} to be {expected}, got {_name(value)}")


def _int(op: str, argument: str, value: Any) -> Any:
    if type(value) is not int:
        if _name(value) == "SymInt":
            return value
        try:
            value = operator.index(value)
        except TypeError:
            raise _wrong(op, argument, "an int", value) from None
    if argument == "spatial_dims" and value not in (2, 3):
        raise ArgumentError(f"{op}: expected spatial_dims 2 or 3, got {value}")
    if not -(1 << 63) <= value < 1 << 63:
        raise ArgumentError(f"{op}: expected {argument} to fit 64 bits, got {value}")
    return value


def _float(op: str, argument: str, value: Any) -> Any:
    if type(value) is float or _name(value) in ("SymFloat", "SymInt"):
        return value
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise _wrong(op, argument, "a number", value) from None
    except OverflowError:
        raise ArgumentError(f"{op}: expected {argument} to fit a double, got {value}") from None


def _bool(op: str, argument: str, value: Any) -> Any:
    if isinstance(value, (bool, np.bool_, int)):
        return bool(value)
    raise _wrong(op, argument, "a bool", value)


def _str(op: str, argument: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise _wrong(op, argument, "a str", value)


def _array(op: str, argument: str, value: Any) -> Any:
    if value is None:
        raise _wrong(op, argument, "an array", value)
    if isinstance(value, (list, tuple)):
        try:
            return np.asarray(value)
        except ValueError:
            raise ArgumentError(f"{op}: expected {argument} to be an array, got lists of different lengths") from None
    return value


def _either(op: str, argument: str, value: Any) -> Any:
    """Take arrays and tensors as they are, memory of other libraries by DLPack, and the rest as NumPy takes it."""
    if isinstance(value, np.ndarray):
        return value
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _plain_tensor(op, argument, value)
    if value is None:
        raise _wrong(op, argument, "an array or a tensor", value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise TypeError(
                f"{op}: expected {argument} in memory that NumPy can read, got {_name(value)}: {error}"
            ) from None
    return np.asarray(_array(op, argument, value))


def _tensor(op: str, argument: str, value: Any) -> Any:
    torch = sys.modules["torch"]
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{op}: expected {argument} to be a torch tensor, got {_name(value)}")
    return _plain_tensor(op, argument, value)


def _plain_tensor(op: str, argument: str, value: Any) -> Any:
    if value.is_quantized:
        raise TypeError(f"{op}: expected {argument} to be a plain tensor, got a quantized one: dequantize() it")
    if value.is_nested:
        raise TypeError(f"{op}: expected {argument} to be a plain tensor, got a nested one: pad or loop")
    return value


# Boxes are computed with by array expressions, which refuse nothing in our words.
_BOXES = ("boxes", "boxes1", "boxes2", "deltas", "anchors")
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
_REAL = (*_INTEGERS, "float16", "bfloat16", "float32", "float64")


def _box_either(op: str, argument: str, value: Any) -> Any:
    return _real(op, argument, _either(op, argument, value))


def _box_array(op: str, argument: str, value: Any) -> Any:
    return _real(op, argument, np.asarray(_array(op, argument, value)))


def _box_tensor(op: str, argument: str, value: Any) -> Any:
    return _real(op, argument, _tensor(op, argument, value))


def _real(op: str, argument: str, value: Any) -> Any:
    got = dtype_name(value)
    if got not in _REAL:
        raise TypeError(f"{op}: expected {argument} of dtype {', '.join(_REAL)}, got {got}")
    return value


_CHECKS: dict[str, Check] = {
    "Array": _either,
    "ArrayLike": _array,
    "Tensor": _tensor,
    "bool": _bool,
    "float": _float,
    "int": _int,
    "str": _str,
}


def _optional(check: Check) -> Check:
    return lambda op, argument, value: None if value is None else check(op, argument, value)


_CHECKS |= {f"{kind} | None": _optional(check) for kind, check in _CHECKS.items()}


def _check_of(parameter: inspect.Parameter) -> Check | None:
    if parameter.name in _BOXES:
        return {"Array": _box_either, "ArrayLike": _box_array, "Tensor": _box_tensor}.get(str(parameter.annotation))
    return _CHECKS.get(str(parameter.annotation))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arguments whose annotations are in the table; what else is annotated checks itself."""
    op = function.__name__
    parameters = inspect.signature(function).parameters.values()
    slots = [(i, p.name, check) for i, p in enumerate(parameters) if (check := _check_of(p)) is not None]
    by_name = {name: check for _, name, check in slots}
    direct = getattr(function, "without_channels", function)
    either = [(i, p.name) for i, p in enumerate(parameters) if str(p.annotation) in ("Array", "Array | None")]
    several = len(either) > 1

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if is_tracing():
            return function(*args, **kwargs)
        values, count = list(args), len(args)
        for i, name, check in slots:
            if i >= count:
                break
            values[i] = check(op, name, values[i])
        for name in kwargs:
            if name in by_name:
                kwargs[name] = by_name[name](op, name, kwargs[name])
        if several:
            given = [values[i] if i < count else kwargs.get(name) for i, name in either]
            kind = type(given[0])
            for value in given:
                if value is not None and type(value) is not kind:
                    _check_one_kind(op, {name: value for (_, name), value in zip(either, given, strict=True)})
                    break
        return (function if "channel_axis" in kwargs else direct)(*values, **kwargs)

    wrapper.is_checked = True  # type: ignore[attr-defined]  # functions take attributes; their type has none
    return wrapper


def _check_one_kind(op: str, arrays: dict[str, Any]) -> None:
    arrays = {name: value for name, value in arrays.items() if value is not None}
    tensors = [is_tensor(value) for value in arrays.values()]
    if any(tensors) and not all(tensors):
        kinds = ", ".join(f"{name} of {_name(value)}" for name, value in arrays.items())
        raise TypeError(f"{op}: expected arrays only or tensors only, got {kinds}")


def check_all(package: str, names: Iterable[str]) -> None:
    """Put `checked` around a package's public functions, where they are defined too: pickle looks for them there."""
    for name in names:
        function = getattr(sys.modules[package], name)
        if inspect.isfunction(function) and not hasattr(function, "is_checked"):
            function_checked = checked(function)
            for module in (package, function.__module__):
                setattr(sys.modules[module], name, function_checked)
