"""Weights that are not finite: one answer for every number of channels, layout and algorithm."""

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops as F
from fastcnn import _core, nn
from tests.conv.cases import ALGORITHMS


def exact(x, weight, bias=None, stride=1, padding=0, groups=1):
    """NumPy's products and sums in float64, zeros around the image among the factors: what IEEE 754 gives."""
    rank = x.ndim - 2
    x = np.pad(x.double().numpy(), [(0, 0)] * 2 + [(padding, padding)] * rank)
    w = weight.double().numpy()
    taps = w.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, taps, tuple(range(2, rank + 2)))
    windows = windows[(slice(None), slice(None), *[slice(None, None, stride)] * rank)]
    per = w.shape[0] // groups
    results = []
    with np.errstate(invalid="ignore"):
        for k in range(w.shape[0]):
            first = k // per * w.shape[1]
            products = windows[:, first : first + w.shape[1]] * w[k].reshape(-1, *[1] * rank, *taps)
            results.append(products.sum((1, *range(rank + 2, 2 * rank + 2))))
    result = torch.from_numpy(np.stack(results, 1))
    return result if bias is None else result + bias.reshape(-1, *[1] * rank)


def problem(channels, filters, groups, rank, value, size=6):
    generator = torch.Generator().manual_seed(channels)
    x = torch.rand(2, channels, *[size] * rank, generator=generator) + 0.5
    weight = torch.randn(filters, channels // groups, *[3] * rank, generator=generator)
    weight[0].flatten()[0] = value  # the first tap falls on the padding above and to the left
    weight[-1].flatten()[-1] = -value
    return x, weight


def same(got, expected):
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4, equal_nan=True)


LAYOUTS = [torch.contiguous_format, torch.channels_last]
VALUES = [float("inf"), float("nan")]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("channels", "filters", "groups"),
    [(1, 1, 1), (1, 16, 1), (3, 4, 1), (8, 8, 1), (15, 16, 1), (16, 16, 1), (16, 3, 1), (8, 8, 8), (16, 16, 4)],
)
def test_forward(channels, filters, groups, layout, value):
    """The padding is zeros, and zero times infinity is NaN: torch's own kernels, which float64 takes, say so too.

    In float32 it calls oneDNN, which skips the padding for some channel counts and layouts.
    """
    x, weight = problem(channels, filters, groups, 2, value)
    for stride in (1, 2):
        expected = exact(x, weight, None, stride, 1, groups)
        got = F.conv2d(x.to(memory_format=layout), weight, None, stride, 1, groups=groups)
        same(got, expected)
        same(got, torch.nn.functional.conv2d(x.double(), weight.double(), None, stride, 1, groups=groups))
        batch = x.repeat(8, 1, 1, 1)  # enough images for planes
        assert torch.equal(F.conv2d(batch, weight, None, stride, 1, groups=groups)[:2].isnan(), got.isnan())


@pytest.mark.parametrize("algorithm", ["auto", "direct", "winograd", *ALGORITHMS])
def test_algorithms(algorithm):
    x, weight = problem(8, 8, 1, 2, float("inf"), 12)
    expected = exact(x, weight, None, 1, 1)
    before = _core.get_conv_algorithm()
    try:
        fastcnn.set_conv_algorithm(algorithm)
        same(F.conv2d(x, weight, padding=1), expected)
        packed = F.PackedConvolution(weight, padding=1)
        same(packed(x), expected)
    finally:
        fastcnn.set_conv_algorithm(before)


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("channels", [1, 8, 15])
def test_ranks(rank, channels):
    x, weight = problem(channels, 4, 1, rank, float("inf"), 5)
    same(getattr(F, f"conv{rank}d")(x, weight, padding=1), exact(x, weight, None, 1, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    x, weight = (t.to(dtype) for t in problem(8, 8, 1, 2, float("inf")))
    expected = exact(x, weight, None, 1, 1)
    got = F.conv2d(x, weight, padding=1)
    assert torch.equal(got.isnan(), expected.isnan())
    assert torch.equal(got.isinf(), expected.isinf())


@pytest.mark.parametrize("channels", [1, 3, 8, 15, 16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stride", [1, 2])
def test_transposed(channels, layout, stride):
    """It has no zeros to multiply: torch's result. The gradient of a convolution's input is one."""
    x, weight = problem(channels, 8, 1, 2, float("inf"))
    weight = weight.transpose(0, 1).contiguous()
    expected = torch.nn.functional.conv_transpose2d(x.double(), weight.double(), None, stride, 1).float()
    got = F.conv_transpose2d(x.to(memory_format=layout), weight, None, stride, 1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4, equal_nan=True)
    packed = F.PackedConvolution(weight, stride=stride, padding=1, transposed=True)
    torch.testing.assert_close(packed(x), expected, rtol=1e-4, atol=1e-4, equal_nan=True)


def test_layers():
    """A layer in eval mode packs its weight: the same answer."""
    x, weight = problem(8, 8, 1, 2, float("inf"), 12)
    layer = nn.Conv2d(8, 8, 3, padding=1, bias=False).eval()
    with torch.no_grad():
        layer.weight.copy_(weight)
        same(layer(x), exact(x, weight, None, 1, 1))
        layer.weight.copy_(torch.ones_like(weight))
        assert layer(x).isfinite().all()
