"""Attributes of modules by the dotted paths that graph nodes use."""

from __future__ import annotations

import operator
from typing import Any

import torch


def attribute(module: torch.nn.Module, path: Any) -> Any:
    """Return the attribute at a node's dotted path."""
    return operator.attrgetter(path)(module)


def set_attribute(module: torch.nn.Module, path: str, value: torch.Tensor) -> None:
    """Set the attribute at a dotted path to a tensor."""
    owner, _, name = path.rpartition(".")
    holder = module.get_submodule(owner)
    if hasattr(holder, name):
        delattr(holder, name)
    holder.register_buffer(name, value)
