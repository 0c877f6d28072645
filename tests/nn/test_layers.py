"""fastcnn.nn against torch.nn: the same constructors, state dicts, representation and results."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

import fastcnn.nn

# ruff: noqa: E501  (a layer a line)
# name, constructor's arguments, input's shape
LAYERS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": "same"}, (2, 4, 17)),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1, "groups": 2}, (2, 4, 9, 11)),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": (2, 3), "stride": (2, 1), "bias": False}, (4, 9, 8)),
    ("Conv2d", {"in_channels": 3, "out_channels": 5, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"}, (1, 3, 7, 9)),
    ("Conv3d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "dilation": 2}, (1, 2, 7, 8, 9)),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "stride": 2}, (2, 4, 7)),
    ("ConvTranspose2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}, (2, 4, 5, 6)),
    ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "stride": 2, "groups": 2}, (4, 3, 4, 5)),
    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, (2, 4, 17)),
    ("MaxPool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True, "dilation": 2}, (2, 4, 17, 12)),
    ("MaxPool3d", {"kernel_size": 2}, (2, 4, 6, 8, 7)),
    ("AvgPool1d", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, (2, 4, 9)),
    ("AvgPool2d", {"kernel_size": (2, 3), "divisor_override": 5}, (2, 4, 9, 9)),
    ("AvgPool3d", {"kernel_size": 2, "stride": 1}, (4, 4, 5, 6)),
    ("AdaptiveAvgPool1d", {"output_size": 3}, (2, 4, 7)),
    ("AdaptiveAvgPool2d", {"output_size": (None, 2)}, (2, 4, 7, 5)),
    ("AdaptiveAvgPool3d", {"output_size": 2}, (4, 5, 6, 7)),
    ("AdaptiveMaxPool1d", {"output_size": 3}, (2, 4, 7)),
    ("AdaptiveMaxPool2d", {"output_size": 2, "return_indices": True}, (2, 4, 7, 5)),
    ("AdaptiveMaxPool3d", {"output_size": 2}, (4, 5, 6, 7)),
]  # fmt: skip
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(LAYERS)]


def pair(name: str, arguments: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    theirs = getattr(torch.nn, name)(**arguments).to(dtype)
    ours = getattr(fastcnn.nn, name)(**arguments).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(got: Any, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(got, expected, **(tolerance or {"rtol": 1e-4, "atol": 1e-5}))


def test_every_layer_is_here() -> None:
    names = {name for name, _, _ in LAYERS} | {"MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}
    assert names == set(fastcnn.nn.__all__)


@pytest.mark.parametrize(("name", "arguments", "shape"), LAYERS, ids=IDS)
def test_twin(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours, theirs = pair(name, arguments)
    assert isinstance(ours, getattr(torch.nn, name))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape)
    close(ours(x), theirs(x))
    with torch.no_grad():
        close(ours.eval()(x), theirs.eval()(x))
        close(ours(x), theirs(x))  # now from the packed copy, where there is one
    again = pickle.loads(pickle.dumps(copy.deepcopy(ours)))
    assert type(again) is type(ours)
    close(again(x), theirs(x))


@pytest.mark.parametrize(("name", "arguments", "shape"), LAYERS, ids=IDS)
def test_gradients(name: str, arguments: dict[str, Any], shape: tuple[int, ...], apart: Any) -> None:
    ours, theirs = pair(name, arguments, torch.float64)
    x = apart(*shape)
    results = []
    for layer in (ours.train(), theirs):
        y = layer(x)
        y = y[0] if isinstance(y, tuple) else y
        inputs = [x, *layer.parameters()]
        results.append(torch.autograd.grad((y * torch.linspace(0, 1, y.numel()).view_as(y)).sum(), inputs))
    close(results[0], results[1])


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpool(dims: int) -> None:
    x = torch.randn(2, 3, *[6, 4, 8][:dims])
    pooled, indices = getattr(torch.nn, f"MaxPool{dims}d")(2, return_indices=True)(x)
    ours = getattr(fastcnn.nn, f"MaxUnpool{dims}d")(2)
    theirs = getattr(torch.nn, f"MaxUnpool{dims}d")(2)
    assert repr(ours) == repr(theirs)
    close(ours(pooled, indices), theirs(pooled, indices))
    larger = [n + 1 for n in x.shape[2:]]
    close(ours(pooled, indices, output_size=larger), theirs(pooled, indices, output_size=larger))


def test_output_size_of_transposed() -> None:
    ours, theirs = pair("ConvTranspose2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "stride": 2})
    x = torch.randn(2, 4, 5, 6)
    with torch.no_grad():
        for size in [(11, 13), (12, 14)]:
            for layer in (ours.train(), ours.eval()):
                close(layer(x, output_size=size), theirs(x, output_size=size))


def test_narrow_dtypes() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        ours, theirs = pair("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, dtype)
        x = torch.randn(1, 4, 8, 8).to(dtype)
        with torch.no_grad():
            exact = theirs.double()(x.double()).to(dtype)
            close(ours.eval()(x), exact, rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore:Complex modules")
def test_without_kernels_it_is_torchs() -> None:
    """Complex values, and devices without kernels (meta stands for them)."""
    ours, theirs = pair("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, torch.complex64)
    x = torch.randn(1, 2, 5, 5, dtype=torch.complex64)
    close(ours(x), theirs(x))
    model = torch.nn.Sequential(fastcnn.nn.Conv2d(2, 3, 3), fastcnn.nn.MaxPool2d(2)).to("meta")
    assert model(torch.empty(1, 2, 8, 8, device="meta")).shape == (1, 3, 3, 3)


def test_channels_last_stays() -> None:
    x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for layer in (fastcnn.nn.Conv2d(4, 8, 3), fastcnn.nn.Conv2d(4, 8, 3).eval(), fastcnn.nn.MaxPool2d(2)):
            assert layer(x).is_contiguous(memory_format=torch.channels_last)
