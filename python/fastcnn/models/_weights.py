"""Loading of weights, also of other libraries, by the maps of parameter names that the models register."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn.models._registry import State, map_for, sources

_OP = "load_weights"
_Model = TypeVar("_Model", bound=nn.Module)


def load_weights(
    model: _Model,
    weights: str | os.PathLike[str] | Mapping[str, Any] | nn.Module,
    source: str = "fastcnn",
    skip: Sequence[str] = (),
    fitting_only: bool = False,
) -> _Model:
    """Load weights of fastcnn, or of another library's model of the same kind.

    Args:
        model: one of `fastcnn.models`. It stays unchanged if anything does not match.
        weights: a file (safetensors, or a PyTorch checkpoint, read with ``weights_only=True``, so that no code
            from it is executed), a state dict, also under "state_dict" or "model" in a checkpoint, or a model of that
            library itself. A wrapper's prefix "module." is removed.
        source: whose names they have: "fastcnn"; "torchvision" (every classifier); "timm" (ResNet, VGG, MobileNet V2,
            EfficientNet of its variant); "segmentation_models" (Unet on ResNet, VGG, MobileNet V2, and
            "tu-efficientnet_b..." of its variant); "yolox".
        skip: prefixes of our names that keep their values: ``("fc.",)`` if the number of classes differs.
        fitting_only: layers of another shape keep their values, to start from a model with other classes. Their names
            must still match.

    Returns:
        The model.

    Raises:
        ArgumentError: an unknown source, no map for this model, a file that cannot be read, or weights that do not
            match: the first few names that are missing, unknown, of another shape, or have values that are not finite.

    Some networks have the same names and shapes, but other layers: timm's tf_efficientnet_b0 pads like TensorFlow and
    has another eps than efficientnet_b0; resnetblur50 blurs. A state dict does not tell them apart. A model, a file's
    path (with the folders of the Hugging Face hub's cache), a config.json next to it and a checkpoint's "arch" do, and
    weights known to belong to another model are refused. Choose the right one with the argument `variant` of
    `efficientnet_b0` and similar functions.

    Example:
        >>> import fastcnn.models as M
        >>> trained = M.lenet5(variant="relu")
        >>> model = M.load_weights(M.lenet5(variant="relu"), trained.state_dict())
    """
    check_choice(source, sources(), _OP, "source")
    if isinstance(weights, nn.Module):
        found: dict[str, Any] = dict(weights.state_dict())
    else:
        found = dict(weights) if isinstance(weights, Mapping) else _read(weights)
    names = _said_names(weights, found)
    if source != "fastcnn":
        _check_blurred(names)
    to_ours = map_for(model, source)
    if to_ours is None:
        raise ArgumentError(f"{_OP}: there is no map from {source} to {type(model).__name__}")
    state = to_ours(model, _unwrapped(found), names)
    own = model.state_dict()
    if fitting_only:
        others = [name for name in own if name in state and state[name].shape != own[name].shape]
        skip = [*skip, *(f"{name.rpartition('.')[0]}." for name in others)]
    kept = {name for name in own if name.startswith(tuple(skip))}
    state = {name: value for name, value in state.items() if not name.startswith(tuple(skip))}
    # Batch norm counts its batches; this does not affect results, and some files omit it.
    missing = [n for n in own if n not in state and n not in kept and not n.endswith(".num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and name not in kept and state[name].shape != own[name].shape
    ]
    broken = [name for name in own if name in state and name not in kept and not _holds(state[name], own[name])]
    problems = [
        f"{what}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for what, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another shape", shapes),
            ("not of finite numbers", broken),
        )
        if names
    ]
    if problems:
        raise ArgumentError(f"{_OP}: the weights do not fit {type(model).__name__}; {'; '.join(problems)}")
    model.load_state_dict(state, strict=False)
    return model


def _holds(value: Tensor, own: Tensor) -> bool:
    """Return whether values have the same kind of dtype as the layer's own, and are finite in it."""
    if value.is_floating_point() != own.is_floating_point() or value.is_complex():
        return False
    return value.is_meta or not own.is_floating_point() or bool(value.to(own.dtype).isfinite().all())


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # any error that the reader raises for a broken file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, pickle.UnpicklingError):
            # torch's message advises to unpickle the file anyway.
            reason = "neither safetensors nor a pickle of tensors alone"
        raise ArgumentError(f"{_OP}: {path}: cannot be read as weights ({reason})") from error
    if not isinstance(found, Mapping):
        raise ArgumentError(f"{_OP}: {path}: expected a state dict, got {type(found).__name__}")
    return dict(found)


def _unwrapped(state: dict[str, Any]) -> State:
    for key in ("state_dict", "model"):
        if isinstance(state.get(key), Mapping):
            state = dict(state[key])
            break
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ArgumentError(f"{_OP}: expected tensors, got {type(value).__name__} for {name}")
    return state


# --- different networks with the same names and shapes ----------------------------------------------------------------

# Models of timm that cannot be recognised by their weights. All others differ in names or shapes.
_BLURRED = re.compile(r"(?<![a-z])(resnet|efficientnet_?)(blur|aa)")


def _said_names(weights: Any, found: Mapping[str, Any]) -> list[str]:
    """Return the texts that may name the network of the weights; paths can contain more than a name."""
    if isinstance(weights, nn.Module):
        config = getattr(weights, "pretrained_cfg", None)
        if isinstance(config, Mapping):
            return [str(config.get("architecture", ""))]
        # The wrapped parts of another library's model.
        return [name for part in weights.children() for name in _said_names(part, {})]
    names = [str(found.get(key, "")) for key in ("arch", "architecture")]
    if isinstance(weights, str | os.PathLike):
        path = Path(weights)
        names.append(os.path.abspath(path))
        with contextlib.suppress(OSError, ValueError, AttributeError):
            names.append(str(json.loads((path.parent / "config.json").read_bytes()).get("architecture", "")))
    return names


def _check_blurred(names: Sequence[str]) -> None:
    """Refuse weights of networks that blur before strides: they would load, but give other results."""
    blurred = next((match for name in names for match in [_BLURRED.search(name)] if match), None)
    if blurred:
        raise ArgumentError(f"{_OP}: there is no model here with the blurred strides of {blurred.group()}")
