"""Convolutions of few channels, by their own algorithm: random shapes, layouts, dtypes, epilogues and threads."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from tests.conv.cases import algorithm
from tests.conv.test_lines import ACTIVATIONS, UNITS, check, image

CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}


@pytest.mark.parametrize("seed", range(120))
def test_few_channels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, dtype = int(rng.integers(1, 7)), list(UNITS)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    filters = int(rng.choice([1, 2, 3, 5, 8, 9, 16, 17, 24, 31, 33, 48]))
    # Widths around those of vectors, tiles, chunks (48) and stretches (480).
    size = int(rng.integers(1, 12)), int(rng.choice([1, 5, 8, 17, 47, 48, 49, 97, 479, 481, 500, 970]))
    kernel = int(rng.choice([1, 2, 3, 5])), int(rng.choice([1, 2, 3, 5, 7]))
    stride = int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2, 3, 4, 8]))
    dilation = int(rng.choice([1, 1, 2, 5])), int(rng.choice([1, 1, 2, 7, 60]))
    padding = tuple(
        max(int(rng.integers(0, 9)), ((k - 1) * d - n) // 2 + 1) for k, d, n in zip(kernel, dilation, size, strict=True)
    )
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    x = image(rng, (int(rng.integers(1, 4)), channels, *size), dtype)
    weight = torch.randn(filters, channels, *kernel).to(dtype)
    bias = torch.randn(filters).to(dtype) if rng.random() < 0.5 else None
    name = str(rng.choice(list(ACTIVATIONS)))
    residual_wanted, scaled = rng.random() < 0.5, rng.random() < 0.5
    what = (x.shape, x.stride(), weight.shape, geometry, dtype, name)
    with algorithm("few_channels"):
        convolve = F.PackedConvolution(weight, bias, activation=name, alpha=6.0, **geometry)
        assert convolve.algorithm(x.shape) == "few_channels"

        def exact(of: Callable[..., torch.Tensor]) -> torch.Tensor:
            """The convolution of `of` (the values or their magnitudes)."""
            values = x.double()
            if scaled:
                values = values * input_scale.double()[..., None, None]
            return CONVOLUTIONS[2](
                of(values), of(weight.double()), None if bias is None else of(bias.double()), **geometry
            )

        input_scale, scale = torch.randn(x.shape[0], channels).to(dtype), torch.randn(x.shape[0], filters).to(dtype)
        scaled = scaled and dtype != torch.bfloat16  # the scaled input would be rounded to another number
        want, magnitude = exact(torch.clone), exact(torch.abs)
        residual = image(rng, tuple(want.shape), dtype) if residual_wanted else None
        if residual is not None:
            want, magnitude = want + residual.double(), magnitude + residual.double().abs()
        want = ACTIVATIONS[name](want) * scale.double()[..., None, None]
        magnitude = magnitude * scale.double().abs()[..., None, None]
        arguments = {"residual": residual, "scale": scale, "input_scale": input_scale if scaled else None}
        got = convolve(x, **arguments)
        check(got, want, magnitude, channels * kernel[0] * kernel[1], what)
        # Each layout has its own kernel, and a thread its own rows: not a bit depends on them.
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1 + seed % 4)
            for layout in (torch.contiguous_format, torch.channels_last):
                other = {n: t.contiguous(memory_format=layout) if n == "residual" and t is not None else t
                         for n, t in arguments.items()}  # fmt: skip
                assert torch.equal(convolve(x.contiguous(memory_format=layout), **other), got), (*what, layout)
        finally:
            torch.set_num_threads(threads)


@pytest.mark.parametrize("dims", [1, 3])
def test_signals_and_volumes(dims: int) -> None:
    torch.manual_seed(0)
    for channels, stride, last in [(1, 1, False), (2, 2, True), (4, 3, False)]:
        x, weight = torch.randn(2, channels, *(6, 9, 70)[3 - dims :]), torch.randn(7, channels, *[3] * dims)
        if last and dims == 3:
            x = x.contiguous(memory_format=torch.channels_last_3d)
        geometry = {"stride": stride, "padding": 1}
        with algorithm("few_channels"):
            got = F.PackedConvolution(weight, **geometry)(x)
        want, magnitude = (
            CONVOLUTIONS[dims](of(x.double()), of(weight.double()), **geometry) for of in (torch.clone, torch.abs)
        )
        check(got, want, magnitude, weight[0].numel(), (dims, channels, stride, last))


@pytest.mark.parametrize("stride", [1, 2])
def test_an_infinite_scale_of_the_input_spares_the_padding(stride: int) -> None:
    x, weight = torch.rand(1, 2, 4, 60) + 1, torch.rand(5, 2, 3, 3) + 1
    scale = torch.tensor([[torch.inf, 1.0]])
    with algorithm("few_channels"):
        convolve = F.PackedConvolution(weight, stride=stride, padding=1)
        for layout in (torch.contiguous_format, torch.channels_last):
            assert convolve(x.contiguous(memory_format=layout), input_scale=scale).isposinf().all(), layout


def test_where_it_is_taken() -> None:
    """First layers of known networks; more channels, groups and single taps have faster algorithms."""
    for channels, filters, kernel, groups, wanted in [
        (3, 32, 3, 1, True),
        (1, 6, 5, 1, True),
        (3, 64, 7, 1, True),
        (4, 24, 3, 1, True),
        (8, 32, 3, 1, False),
        (3, 3, 3, 3, False),
        (3, 8, 1, 1, False),
    ]:
        weight = torch.randn(filters, channels // groups, kernel, kernel)
        taken = F.PackedConvolution(weight, padding=kernel // 2, groups=groups).algorithm((1, channels, 64, 64))
        assert (taken == "few_channels") == wanted, (channels, filters, kernel, groups, taken)
