"""Weights that others have published, by a map from their names of layers to ours."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fastcnn._arguments import check_choice
from fastcnn._errors import ArgumentError
from fastcnn.models.efficientnet import EfficientNet, MBConv
from fastcnn.models.mobilenet import InvertedResidual, MobileNetV2
from fastcnn.models.resnet import ResNet
from fastcnn.models.unet import EncoderUNet
from fastcnn.models.vgg import VGG
from fastcnn.models.yolox import YOLOX

_OP = "load_weights"
_Model = TypeVar("_Model", bound=nn.Module)
State = dict[str, Tensor]
# Two prefixes of names each: theirs and ours.
Pairs = Iterator[tuple[str, str]]


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
    check_choice(source, tuple(_MAPS), _OP, "source")
    if isinstance(weights, nn.Module):
        found: dict[str, Any] = dict(weights.state_dict())
    else:
        found = dict(weights) if isinstance(weights, Mapping) else _read(weights)
    _check_variant(model, source, _said_names(weights, found))
    state = _unwrapped(found)
    state = _MAPS[source](model, state)
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

# Of timm's: nothing in their weights shows what is different. Others differ in names or shapes.
_TENSORFLOW = re.compile(r"(?<![a-z])tf_efficientnet")
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


def _check_variant(model: nn.Module, source: str, names: Sequence[str]) -> None:
    """Refuse weights of a network with other layers, which would load and give other numbers."""
    if source == "fastcnn":
        return
    blurred = next((match for name in names for match in [_BLURRED.search(name)] if match), None)
    if blurred:
        raise ArgumentError(f"{_OP}: there is no model here with the blurred strides of {blurred.group()}")
    network = model.encoder if isinstance(model, EncoderUNet) else model
    if not isinstance(network, EfficientNet):
        return
    wanted: tuple[str, ...] = ("torchvision",) if source == "torchvision" else ("timm", "tensorflow")
    if source == "torchvision":
        pass
    elif any(_TENSORFLOW.search(name) for name in names):
        wanted = ("tensorflow",)
    elif any(name.startswith("efficientnet_b") for name in names):
        wanted = ("timm",)
    if not set(wanted) & set(network.fits):
        at = "encoder_arguments={'variant': ...}" if isinstance(model, EncoderUNet) else "variant=..."
        raise ArgumentError(
            f"{_OP}: these weights of {source} need another padding or another eps of the norms: expected an "
            f"EfficientNet of variant {' or '.join(wanted)}, got one of {' or '.join(network.fits)}; make it with {at}"
        )


# --- maps: a model and their state to ours ----------------------------------------------------------------------------


def _renamed(state: State, pairs: Pairs) -> State:
    """Change the beginnings of names. What no pair names stays, to be told as unknown."""
    table = dict(pairs)
    result = {}
    for name, value in state.items():
        prefix, _, last = name.rpartition(".")
        result[f"{table[prefix]}.{last}" if prefix in table else name] = value
    return result


def _none(model: nn.Module, source: str) -> ArgumentError:
    return ArgumentError(f"{_OP}: there is no map from {source} to {type(model).__name__}")


def _same(model: nn.Module, state: State) -> State:
    return state


def _torchvision(model: nn.Module, state: State) -> State:
    if isinstance(model, EncoderUNet | YOLOX):
        raise _none(model, "torchvision")
    return state


def _yolox(model: nn.Module, state: State) -> State:
    if not isinstance(model, YOLOX):
        raise _none(model, "yolox")
    return state


def _timm(model: nn.Module, state: State) -> State:
    if isinstance(model, ResNet):
        return state
    if isinstance(model, VGG):
        state = _renamed(
            state,
            iter((("pre_logits.fc1", "classifier.0"), ("pre_logits.fc2", "classifier.3"), ("head.fc", "classifier.6"))),
        )
        # Its linear layers are convolutions over all pixels.
        return {k: v.flatten(1) if k.startswith("classifier.") and v.ndim == 4 else v for k, v in state.items()}
    if isinstance(model, EfficientNet):
        return _renamed(state, _timm_efficientnet(model))
    if isinstance(model, MobileNetV2):
        return _renamed(state, _timm_mobilenet(model))
    raise _none(model, "timm")


def _timm_ends(last: int) -> Pairs:
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", f"features.{last}.0"), ("bn2", f"features.{last}.1"), ("classifier", "classifier.1"))


def _timm_efficientnet(model: EfficientNet) -> Pairs:
    yield from _timm_ends(8)
    for s, stage in enumerate(list(model.features)[1:8]):
        assert isinstance(stage, nn.Sequential)
        for b, block in enumerate(stage):
            theirs, ours = f"blocks.{s}.{b}", f"features.{s + 1}.{b}.block"
            assert isinstance(block, MBConv)
            expands = len(block.block) == 4
            names = [("conv_pw", "bn1")] if expands else []
            names += [("conv_dw", "bn2"), ("conv_pwl", "bn3")] if expands else [("conv_dw", "bn1"), ("conv_pw", "bn2")]
            squeeze = len(names) - 1
            for i, (conv, norm) in enumerate(names):
                at = i if i < squeeze else i + 1
                yield from ((f"{theirs}.{conv}", f"{ours}.{at}.0"), (f"{theirs}.{norm}", f"{ours}.{at}.1"))
            for layer, number in (("conv_reduce", 1), ("conv_expand", 2)):
                yield f"{theirs}.se.{layer}", f"{ours}.{squeeze}.fc{number}"


def _timm_mobilenet(model: MobileNetV2) -> Pairs:
    yield from _timm_ends(len(model.features) - 1)
    stage, at, width = -1, 0, None
    for i, block in enumerate(list(model.features)[1:-1], 1):
        assert isinstance(block, InvertedResidual)
        # A new stage begins where the width changes.
        if (out := block.conv[-1].num_features) != width:
            stage, at, width = stage + 1, 0, out
        theirs, ours = f"blocks.{stage}.{at}", f"features.{i}.conv"
        at += 1
        layers = [
            ("conv_pw", "0.0"),
            ("bn1", "0.1"),
            ("conv_dw", "1.0"),
            ("bn2", "1.1"),
            ("conv_pwl", "2"),
            ("bn3", "3"),
        ]
        if len(block.conv) == 3:
            layers = [("conv_dw", "0.0"), ("bn1", "0.1"), ("conv_pw", "1"), ("bn2", "2")]
        yield from ((f"{theirs}.{a}", f"{ours}.{b}") for a, b in layers)


def _segmentation_models(model: nn.Module, state: State) -> State:
    if not isinstance(model, EncoderUNet):
        raise _none(model, "segmentation_models")
    # It keeps some encoders' classifiers, which no result depends on.
    state = {k: v for k, v in state.items() if not k.startswith(("encoder.classifier.", "encoder.fc."))}
    state = {k.replace("encoder.model.", "encoder.", 1): v for k, v in state.items()}
    if not isinstance(model.encoder, EfficientNet):
        return state
    if not any(name.startswith("encoder.blocks.") for name in state):
        raise ArgumentError(
            f"{_OP}: of segmentation_models' EfficientNets only tu-efficientnet_b... has our padding and stages"
        )
    return _renamed(state, ((f"encoder.{a}", f"encoder.{b}") for a, b in _timm_efficientnet(model.encoder)))


_MAPS: dict[str, Callable[[nn.Module, State], State]] = {
    "fastcnn": _same,
    "torchvision": _torchvision,
    "timm": _timm,
    "segmentation_models": _segmentation_models,
    "yolox": _yolox,
}
