"""Weights of fastcnn and of others, by the maps of names that the models' files register."""

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
    """Load weights, our own or those of another library's model of the same kind.

    Args:
        model: one of `fastcnn.models`; it is changed, or not at all where anything does not fit.
        weights: a file (safetensors, or a PyTorch checkpoint, which is read with ``weights_only=True``: no code of a
            file is ever run), or a state dict, which a checkpoint may have under "state_dict" or "model". A wrapper's
            prefix "module." goes. Or a model of that library itself.
        source: whose names they have: "fastcnn"; "torchvision" (every classifier); "timm" (ResNet, VGG, MobileNet V2,
            EfficientNet of its variant); "segmentation_models" (Unet on ResNet, VGG, MobileNet V2, and
            "tu-efficientnet_b..." of its variant); "yolox".
        skip: beginnings of our names that keep their values: ``("fc.",)`` where the number of classes differs.
        fitting_only: layers of another shape keep their values: for a start from a model of other classes. Their names
            have to fit all the same.

    Returns:
        The model.

    Raises:
        ArgumentError: an unknown source, no map for this model, a file that cannot be read, or weights that do not
            fit: the first few names that are missing, unknown, of another shape, or not of finite numbers.

    Some networks have the same names and shapes, but other layers: timm's tf_efficientnet_b0 pads as TensorFlow does,
    with another eps than efficientnet_b0; resnetblur50 blurs. A state dict does not say which it is of. A model, a
    file's path (with the folders of the Hugging Face hub's cache), a config.json beside it and a checkpoint's "arch"
    do, and what is known not to be this model is refused. Make the model that you mean, with the argument `variant` of
    `efficientnet_b0` and its like.

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
    # Counted by batch norm, of no effect on results, and left out by some.
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
    """Whether values are of the kind of the layer's own, and finite as such."""
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
    except Exception as error:  # whatever a reader says of a broken file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, pickle.UnpicklingError):
            # torch advises to unpickle it all the same.
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


# --- networks that have the names and shapes of others ----------------------------------------------------------------

# Models of timm; nothing in their weights shows it. Others differ in names or shapes.
_BLURRED = re.compile(r"(?<![a-z])(resnet|efficientnet_?)(blur|aa)")


def _said_names(weights: Any, found: Mapping[str, Any]) -> list[str]:
    """Return what says which network weights are of; a path may say more."""
    if isinstance(weights, nn.Module):
        config = getattr(weights, "pretrained_cfg", None)
        if isinstance(config, Mapping):
            return [str(config.get("architecture", ""))]
        # Inside of another library's model.
        return [name for part in weights.children() for name in _said_names(part, {})]
    names = [str(found.get(key, "")) for key in ("arch", "architecture")]
    if isinstance(weights, str | os.PathLike):
        path = Path(weights)
        names.append(os.path.abspath(path))
        with contextlib.suppress(OSError, ValueError, AttributeError):
            names.append(str(json.loads((path.parent / "config.json").read_bytes()).get("architecture", "")))
    return names


def _check_blurred(names: Sequence[str]) -> None:
    """Refuse weights of networks that blur before their strides, which would load and give other numbers."""
    blurred = next((match for name in names for match in [_BLURRED.search(name)] if match), None)
    if blurred:
        raise ArgumentError(f"{_OP}: there is no model here with the blurred strides of {blurred.group()}")
