"""`fastcnn.convert`: a finished model's layers become fastcnn's, in place."""

from __future__ import annotations

from typing import TypeVar

import torch

from fastcnn import nn

Model = TypeVar("Model", bound=torch.nn.Module)

_TWINS: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    getattr(torch.nn, name): getattr(nn, name) for name in nn.__all__
}


def convert(model: Model) -> Model:
    """Run a model's convolutions and pooling on fastcnn's kernels.

    Every submodule whose type is exactly the torch.nn one, and the model itself, becomes its twin of `fastcnn.nn`. The
    objects stay the same, only their class changes, as with torch's own parametrisations: Parameters, buffers, hooks,
    attributes, sharing, and references from elsewhere all survive, and an optimiser made before goes on working.

    Left as they are: subclasses (whose forward may differ), parametrised layers, and convolutions with another
    padding_mode than "zeros". Calls of `torch.nn.functional` inside a forward are not layers; `fastcnn.optimize`
    finds those.

    Args:
        model: any module tree; it is changed.

    Returns:
        The model.

    Raises:
        TypeError: where model is no module.

    Example:
        >>> import torch, fastcnn
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        >>> [type(layer).__module__ for layer in fastcnn.convert(model)]
        ['fastcnn.nn.convolution', 'torch.nn.modules.activation', 'fastcnn.nn.pooling']
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"convert: expected model to be a torch.nn.Module, got {type(model).__name__}")
    for module in model.modules():
        twin = _TWINS.get(type(module))
        if twin is not None and getattr(module, "padding_mode", "zeros") == "zeros":
            module.__class__ = twin
    return model
