"""Depthwise convolutions along lines, and taps far outside the image, on random shapes, layouts and epilogues."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from tests.conv.cases import assert_accurate

T = torch.nn.functional
ACTIVATIONS = {"none": lambda v: v, "relu": T.relu, "silu": T.silu, "clamp": lambda v: v.clamp(0, 6)}
# Rounding of the arithmetic and of the stored result. float64's reference rounds as much as the kernel.
UNITS = {torch.float32: (2.0**-24, 0.0), torch.float64: (2 * 2.0**-53, 0.0), torch.bfloat16: (2.0**-24, 2.0**-8)}
# Sums of n fused products are within n units of the sum of magnitudes (N. Higham, "Accuracy and stability of numerical
# algorithms", 2002, section 3.1); these are the other roundings: factors, bias, residual, and the exponential of silu,
# which is accurate to 4 units. The slope of silu is at most 1.1.
OTHERS, SLOPE = 12, 1.1


def image(rng: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Random values in one of four layouts."""
    n, c, h, w = shape
    layout = rng.integers(4)
    wide = torch.randn(n, c + 3, h, w + 5, dtype=torch.float64).to(dtype)
    if layout == 0:
        return wide[:, :c, :, :w].contiguous()
    if layout == 1:
        return wide[:, :c, :, :w].contiguous(memory_format=torch.channels_last)
    if layout == 2:
        return wide.contiguous(memory_format=torch.channels_last)[:, 1 : c + 1, :, 2 : w + 2]
    return wide[:, 2 : c + 2, :, 1 : w + 1]


def check(got: torch.Tensor, want: torch.Tensor, magnitude: torch.Tensor, terms: int, what: object) -> None:
    assert got.shape == want.shape, what
    unit, stored = UNITS[got.dtype]
    allowed = SLOPE * (terms + OTHERS) * unit * magnitude
    allowed = allowed + stored * (want.abs() + allowed)
    excess = (got.double() - want).abs() - allowed
    assert not want.numel() or excess.max() <= 0, (what, float(excess.max()))


@pytest.mark.parametrize("seed", range(80))
def test_depthwise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, dtype = int(rng.choice([*range(1, 18), 20, 33])), list(UNITS)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    size = int(rng.integers(1, 20)), int(rng.choice([1, 3, 7, 16, 17, 31, 65, 130]))
    kernel = int(rng.choice([1, 2, 3, 7])), int(rng.choice([1, 2, 3, 5, 9, 21]))
    stride = int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2, 3, 4, 5]))
    dilation = int(rng.choice([1, 1, 2, 5])), int(rng.choice([1, 1, 2, 7]))
    padding = tuple(
        max(int(rng.integers(0, 9)), ((k - 1) * d - n) // 2 + 1) for k, d, n in zip(kernel, dilation, size, strict=True)
    )
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    x = image(rng, (int(rng.integers(1, 4)), channels, *size), dtype)
    weight = torch.randn(channels, 1, *kernel).to(dtype)
    bias = torch.randn(channels).to(dtype) if rng.random() < 0.5 else None
    what = (x.shape, x.stride(), kernel, geometry, dtype)

    def exact(input: torch.Tensor, of: Callable[..., torch.Tensor]) -> torch.Tensor:
        """The convolution of `of` (the values or their magnitudes)."""
        return T.conv2d(
            of(input.double()), of(weight.double()), None if bias is None else of(bias.double()), **geometry
        )

    want, magnitude, terms = exact(x, torch.clone), exact(x, torch.abs), kernel[0] * kernel[1]
    check(F.conv2d(x, weight, bias, **geometry), want, magnitude, terms, what)

    name = str(rng.choice(list(ACTIVATIONS)))
    convolve = F.PackedConvolution(weight, bias, activation=name, alpha=6.0, **geometry)
    residual = image(rng, tuple(want.shape), dtype) if rng.random() < 0.5 else None
    scale, input_scale = (torch.randn(x.shape[0], channels).to(dtype) for _ in range(2))
    if dtype != torch.bfloat16:
        scaled = x.double() * input_scale.double()[..., None, None]
        want, magnitude = exact(scaled, torch.clone), exact(scaled, torch.abs)
    if residual is not None:
        want, magnitude = want + residual.double(), magnitude + residual.double().abs()
    want = ACTIVATIONS[name](want) * scale.double()[..., None, None]
    magnitude = magnitude * scale.double().abs()[..., None, None]
    got = convolve(x, residual=residual, scale=scale, input_scale=None if dtype == torch.bfloat16 else input_scale)
    check(got, want, magnitude, terms, (*what, name))


@pytest.mark.parametrize("seed", range(40))
def test_taps_outside_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, filters = int(rng.choice([16, 18, 32, 40])), int(rng.choice([1, 3, 6, 17, 40]))
    size = int(rng.integers(1, 20)), int(rng.integers(1, 40))
    dilation = int(rng.integers(1, 30)), int(rng.integers(1, 45))
    stride = int(rng.choice([1, 1, 2])), int(rng.choice([1, 1, 3]))
    geometry = {"stride": stride, "padding": tuple(d + int(rng.integers(0, 3)) for d in dilation), "dilation": dilation}
    x = image(rng, (2, channels, *size), torch.float32).requires_grad_()
    weight = torch.randn(filters, channels, 3, 3, requires_grad=True)
    got = F.conv2d(x, weight, **geometry)
    wide = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    want = T.conv2d(*wide, **geometry)
    narrow = x.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_()
    torchs = T.conv2d(*narrow, **geometry)
    what = f"{tuple(x.shape)}, {tuple(weight.shape)}, {geometry}"
    assert_accurate(got.detach(), want.detach(), torchs.detach(), what)  # 3e-5 is what the docstring promises
    grad = torch.randn_like(got)
    ours, theirs = torch.autograd.grad(got, (x, weight), grad), torch.autograd.grad(want, wide, grad.double())
    for g, w, t in zip(ours, theirs, torch.autograd.grad(torchs, narrow, grad), strict=True):
        assert_accurate(g, w, t, what)


def test_far_taps_are_not_copied_for_every_result() -> None:
    """Bands of one pixel each copied the whole image: 4.6 s instead of milliseconds."""
    from time import process_time

    x, weight = torch.randn(1, 320, 32, 32), torch.randn(64, 320, 3, 3)
    start = process_time()
    got = F.conv2d(x, weight, padding=24, dilation=24)
    assert process_time() - start < 1.0
    assert_accurate(got, T.conv2d(x.double(), weight.double(), padding=24, dilation=24))


@pytest.mark.parametrize("channels", [1, 3, 4, 6, 12])
def test_pixels_that_share_memory(channels: int) -> None:
    """Nothing lies behind the only column of an expanded image."""
    torch.manual_seed(channels)
    column = torch.randn(2, channels, 5, 1).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, 3, 3)
    for stride in (1, 2, 3):
        geometry = {"stride": stride, "padding": 1, "groups": channels}
        x = column.expand(-1, -1, -1, 33)
        assert torch.equal(F.conv2d(x, weight, **geometry), F.conv2d(x.contiguous(), weight, **geometry))
        whole = torch.randn(2, channels, 5, 33)
        flipped = torch.from_numpy(whole.numpy()[..., ::-1].copy())
        backwards = F.conv2d(whole.numpy()[..., ::-1], weight.numpy(), **geometry)
        np.testing.assert_array_equal(backwards, F.conv2d(flipped, weight, **geometry).numpy())
