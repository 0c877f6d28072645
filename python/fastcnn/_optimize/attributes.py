"""Attributes of modules by dotted paths, as a graph's nodes name them."""

from __future__ import annotations

import operator
from typing import Any

import torch


def attribute(module: torch.nn.Module, path: Any) -> Any:
    """Return what a node's dotted path names."""
    return operator.attrgetter(path)(module)


def set_attribute(module: torch.nn.Module, path: str, value: torch.Tensor) -> None:
    """Let a dotted path name a tensor."""
    owner, _, name = path.rpartition(".")
    holder = module.get_submodule(owner)
    if hasattr(holder, name):
        delattr(holder, name)
    holder.register_buffer(name, value)
