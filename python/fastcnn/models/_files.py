"""Models as single files: the weights, and the data needed to construct their model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from fastcnn._errors import ArgumentError
from fastcnn.models._about import check_about
from fastcnn.models._registry import MODELS
from fastcnn.models._weights import load_weights

_OP = "load_model"
_KEY = "fastcnn"
_LONGEST = 1 << 22


class ModelFile(NamedTuple):
    """The result of `load_model`.

    Attributes:
        model: in eval mode.
        name: the name of its function in `fastcnn.models`.
        arguments: the arguments of that function.
        about: other saved metadata: task, class names, image size, metrics.
    """

    model: nn.Module
    name: str
    arguments: dict[str, Any]
    about: dict[str, Any]


def shipped() -> tuple[str, ...]:
    """Return the names of the trained models that come with fastcnn."""
    folder = files("fastcnn.models") / "weights"
    return tuple(sorted(f.name.removesuffix(".safetensors") for f in folder.iterdir() if f.name.endswith("tensors")))


def save_model(
    path: str | os.PathLike[str],
    model: nn.Module,
    name: str,
    arguments: dict[str, Any],
    about: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Save a model as one safetensors file, for `load_model`.

    Args:
        path: the output file; it is replaced atomically.
        model: a model made by ``getattr(fastcnn.models, name)(**arguments)``.
        name: the name of this function.
        arguments: its arguments, which must be JSON-serialisable.
        about: other metadata, which must be JSON-serialisable.
        half: store weights in float16; they are loaded as float32.

    Raises:
        ArgumentError: a name that is not in `fastcnn.models`.

    Example:
        >>> import tempfile, pathlib, fastcnn.models as M
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "digits.safetensors"
        ...     M.save_model(file, M.mlp(num_classes=3), "mlp", {"num_classes": 3}, {"made by": "an example"})
        ...     found = M.load_model(file)
        >>> found.name, found.about
        ('mlp', {'made by': 'an example'})
    """
    from safetensors.torch import save

    from fastcnn.io import replacing

    _factory(name, os.fspath(path))
    state = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    text = json.dumps({"name": name, "arguments": arguments, "about": about or {}})
    content = save(state, {_KEY: text})
    with replacing(Path(path)) as (file,):
        Path(file).write_bytes(content)


def load_model(source: str | os.PathLike[str]) -> ModelFile:
    """Load a trained model.

    Args:
        source: the name of a model that comes with fastcnn (`shipped`), or a file written by `save_model` or
            ``fastcnn train``.

    Returns:
        The `ModelFile`; its model is in eval mode, in float32.

    Raises:
        ArgumentError: no such model, or a file that is broken, of another kind, inconsistent, or has weights that are
            not finite. No code from a file is executed: it can only name a function of `fastcnn.models` and its
            arguments.

    Example:
        >>> import torch, fastcnn.models as M
        >>> digits = M.load_model("lenet5-digits")
        >>> digits.model(torch.zeros(1, 1, 28, 28)).shape, digits.about["task"]
        (torch.Size([1, 10]), 'classify')
    """
    text = os.fspath(source)
    if text in shipped():
        with as_file(files("fastcnn.models") / "weights" / f"{text}.safetensors") as path:
            return _load(path)
    if not os.path.isfile(text):
        raise ArgumentError(f"{_OP}: {text} is neither a file nor one of {', '.join(shipped())}")
    return _load(Path(text))


def _load(path: Path) -> ModelFile:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as file:
            head = _parsed((file.metadata() or {}).get(_KEY, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{_OP}: {path}: cannot be read ({' '.join(str(error).split())})") from None
    parts = [head.get(key) if isinstance(head, dict) else None for key in ("name", "arguments", "about")]
    name, arguments, about = parts
    if not isinstance(name, str) or not isinstance(arguments, dict) or not isinstance(about, dict):
        raise ArgumentError(f"{_OP}: {path}: does not say which model it is of; load_weights takes weights alone")
    factory = _factory(name, str(path))
    try:
        # Weights are not initialised twice, and a file that declares a huge model uses no memory before it is checked.
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in factory(**arguments).state_dict().items()}
    except Exception as error:  # any error that the function raises for invalid arguments
        reason = " ".join(str(error).split())[:200]
        raise ArgumentError(f"{_OP}: {path}: its arguments do not make a {name} ({reason})") from None
    with safe_open(path, "pt") as file:
        stored = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  (no dict)
    if stored != {key: tuple(shape) for key, shape in shapes.items()}:
        raise ArgumentError(f"{_OP}: {path}: its weights are not those of the {name} that it describes")
    try:
        model = load_weights(factory(**arguments), load_file(path)).eval()
        check_about(model, about)
    except ArgumentError as error:
        raise ArgumentError(f"{_OP}: {path}: {str(error).partition(': ')[2]}") from None
    return ModelFile(model, name, arguments, about)


def _parsed(text: str) -> Any:
    """Parse JSON without duplicate keys, below the maximum size of a model's description."""
    if len(text) > _LONGEST:
        raise ValueError(f"a description of {len(text)} characters, over the limit of {_LONGEST}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice in its description")
        return found

    return json.loads(text, object_pairs_hook=once)


def _factory(name: str, path: str) -> Callable[..., nn.Module]:
    if name not in MODELS:
        raise ArgumentError(f"{_OP}: {path}: {name!r} is no model of fastcnn")
    return MODELS[name].factory
