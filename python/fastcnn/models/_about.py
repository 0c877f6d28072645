"""The metadata in a model's file that fastcnn itself uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from fastcnn._errors import ArgumentError
from fastcnn.models._common import Model
from fastcnn.models._detection import Detector
from fastcnn.models.unet import EncoderUNet, UNet

_KINDS: dict[str, Any] = {"classify": Model, "segment": UNet | EncoderUNet, "detect": Detector}


def check_about(model: nn.Module, about: Mapping[str, Any]) -> None:
    """Refuse entries that contradict the model, or have another type than ``fastcnn train`` writes.

    Metadata of models for other tasks is not checked: it belongs to the model's owner.

    Raises:
        ArgumentError: names the entry, the expected and the actual value.
    """
    task = about.get("task")
    if not isinstance(task, str) or task not in _KINDS:
        return
    if not isinstance(model, _KINDS[task]):
        raise _error("task", f"one that a {type(model).__name__} is for", task)
    classes, size = about.get("classes", []), about.get("image_size", [0, 0])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise _error("classes", "a list of names", classes)
    if classes and task != "segment" and len(classes) != model.num_classes:
        raise _error("classes", f"{model.num_classes} names, one for each class of the network", classes)
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side >= 0 for side in size):
        raise _error("image_size", "[height, width]", size)
    if task != "segment":
        return
    objects, multiple = about.get("objects", False), about.get("multiple", model.multiple)
    if not isinstance(objects, bool) or (objects and model.num_classes != 2):
        raise _error("objects", "true, for a network of two classes (body, border), or false", objects)
    if type(multiple) is not int or multiple != model.multiple:
        raise _error("multiple", f"{model.multiple}, as of the network", multiple)


def _error(name: str, expected: str, value: Any) -> ArgumentError:
    shown = repr(value)
    return ArgumentError(
        f"load_model: expected about.{name} to be {expected}, got {shown if len(shown) <= 60 else f'{shown[:60]}...'}"
    )
