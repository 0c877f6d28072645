"""Odd calls, which give torch's results and torch's kinds of errors."""

import pytest
import torch
import torch.nn.functional as T

import fastcnn.nn
import fastcnn.ops as F


@pytest.mark.parametrize("name", fastcnn.nn.__all__)
def test_a_layer_called_with_none(name):
    arguments = (2, 2, 3) if "Conv" in name else (2,)
    layer = getattr(fastcnn.nn, name)(*arguments).eval()
    others = (None,) if "Unpool" in name else ()
    with pytest.raises(TypeError):
        layer(None, *others)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"])
def test_a_pool_of_no_tensor(name, rank):
    with pytest.raises(TypeError, match=f"{name}{rank}d: expected input to be an array or a tensor, got NoneType"):
        getattr(F, f"{name}{rank}d")(None, 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_no_input_channels(rank):
    """torch gives a result without channels, and gradients of the inputs' sizes."""
    ours, theirs = getattr(F, f"conv{rank}d"), getattr(T, f"conv{rank}d")
    for batch in ((2,), ()):
        x = torch.ones(*batch, 0, *[6] * rank, requires_grad=True)
        weight = torch.ones(4, 0, *[3] * rank, requires_grad=True)
        got, expected = ours(x, weight, stride=2), theirs(x, weight, stride=2)
        assert got.shape == expected.shape
        got.sum().backward()
        assert x.grad.shape == x.shape
    with pytest.raises(RuntimeError):
        ours(torch.ones(2, 1, *[6] * rank), weight)
    with pytest.warns(UserWarning, match="zero-element"):
        layer = getattr(fastcnn.nn, f"Conv{rank}d")(0, 4, 3)
    with torch.no_grad():
        assert layer.eval()(x).shape == theirs(x, layer.weight, layer.bias).shape


@pytest.mark.parametrize("argument", ["stride", "padding", "dilation"])
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
@pytest.mark.parametrize(
    "value",
    [
        *(2, [2], (2,), torch.tensor(2), [torch.tensor(2)], torch.Size([2])),
        *(None, 2.0, "2", True, torch.tensor(2.0), [2, 2, 2, 2], ()),
    ],
    ids=repr,
)
def test_geometry(name, argument, value):
    """Arguments that torch accepts give its result; those it rejects raise its error class or a subclass."""
    if (name, argument) == ("conv_transpose", "padding") and isinstance(value, str):
        pytest.skip("a wrong value here, as for conv2d; a wrong type to torch")
    x, weight = torch.rand(2, 3, 9, 9), torch.rand(3, 3, 3, 3)
    ours, theirs = (getattr(front, f"{name}2d") for front in (F, T))
    try:
        expected = theirs(x, weight, **{argument: value})
    except (RuntimeError, TypeError) as error:
        with pytest.raises(type(error)):
            ours(x, weight, **{argument: value})
    else:
        torch.testing.assert_close(ours(x, weight, **{argument: value}), expected)
