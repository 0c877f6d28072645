"""Models as single files: weights, and what is needed to make the model that they belong to."""

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
    """What `load_model` reads.

    Attributes:
        model: in eval mode.
        name: of its function in `fastcnn.models`.
        arguments: of that function.
        about: whatever else was saved: task, class names, size of the images, metrics.
    """

    model: nn.Module
    name: str
    arguments: dict[str, Any]
    about: dict[str, Any]


def shipped() -> tuple[str, ...]:
    """Return the names of the models that come with fastcnn, trained."""
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
    """Save a model as one safetensors file that `load_model` makes it of again.

    Args:
        path: where to; replaced as a whole or not at all.
        model: what ``getattr(fastcnn.models, name)(**arguments)`` makes.
        name: of the function.
        arguments: of the function, such as JSON can hold.
        about: whatever else is to be known of it, such as JSON can hold.
        half: store weights in float16; they are loaded as float32.

    Raises:
        ArgumentError: a name that is none of `fastcnn.models`.

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
        source: the name of one that comes with fastcnn (`shipped`), or a file that `save_model` or ``fastcnn train``
            wrote.

    Returns:
        The `ModelFile`; its model is in eval mode, in float32.

    Raises:
        ArgumentError: no such model, or a file that is broken, not of this kind, does not fit itself, or has weights
            that are not finite. Nothing of a file is run: it can only name a function of `fastcnn.models` and its
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
        # Nothing is filled in twice, and a file that claims a giant costs nothing before its weights are seen to fit.
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in factory(**arguments).state_dict().items()}
    except Exception as error:  # whatever a function says of arguments that are none
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
    """JSON, with every key once, of a size that no description of a model exceeds."""
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
