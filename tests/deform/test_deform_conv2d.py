"""Deformable convolution against loops by definition, and against plain convolution where nothing is moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.roi.loops import bilinear

# (C, K, kernel, groups, offset groups, stride, padding, dilation, masked)
CASES = [
    (6, 9, (3, 2), 1, 1, (2, 1), (1, 2), (1, 1), True),
    (6, 9, (3, 3), 3, 2, (1, 1), (1, 1), (1, 2), True),
    (4, 4, (1, 1), 4, 4, (1, 1), (0, 0), (1, 1), False),
    (20, 3, (2, 3), 1, 5, (1, 2), (0, 1), (2, 1), False),
]


def example(case: tuple, dtype: torch.dtype = torch.float64) -> tuple[list[torch.Tensor | None], dict]:
    channels, filters, kernel, groups, offset_groups, stride, padding, dilation, masked = case
    g = torch.Generator().manual_seed(1)
    height, width = 7, 8
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip((height, width), padding, dilation, kernel, stride, strict=True)
    ]
    taps = kernel[0] * kernel[1]

    def random(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)

    tensors = [
        random(2, channels, height, width),
        2 * random(2, 2 * offset_groups * taps, *size),
        random(filters, channels // groups, *kernel),
        random(filters),
        random(2, offset_groups * taps, *size) if masked else None,
    ]
    return tensors, {"stride": stride, "padding": padding, "dilation": dilation}


def run(tensors: list[torch.Tensor | None], options: dict) -> torch.Tensor:
    input, offset, weight, bias, mask = tensors
    return F.deform_conv2d(input, offset, weight, bias, mask=mask, **options)


def by_definition(tensors: list[torch.Tensor | None], options: dict) -> np.ndarray:
    input, offset, weight, bias, mask = (None if t is None else t.numpy() for t in tensors)
    filters, of_group, kh, kw = weight.shape
    taps, channels = kh * kw, input.shape[1]
    per_group, per_offset = filters // (channels // of_group), channels // (offset.shape[1] // (2 * taps))
    out = np.zeros((len(input), filters, *offset.shape[2:]))
    for n, k, y, x in np.ndindex(out.shape):
        total = bias[k]
        for c in range(of_group):
            channel = k // per_group * of_group + c
            og = channel // per_offset
            for i, j in np.ndindex(kh, kw):
                tap = og * taps + i * kw + j
                sy = y * options["stride"][0] - options["padding"][0] + i * options["dilation"][0]
                sx = x * options["stride"][1] - options["padding"][1] + j * options["dilation"][1]
                # Zero around the image: bilinear() repeats its border instead.
                plane = np.pad(input[n, channel], 1)
                value = bilinear(plane, sy + offset[n, 2 * tap, y, x] + 1, sx + offset[n, 2 * tap + 1, y, x] + 1)
                total += weight[k, c, i, j] * value * (1 if mask is None else mask[n, tap, y, x])
        out[n, k, y, x] = total
    return out


@pytest.mark.parametrize("case", CASES)
def test_by_definition(case: tuple) -> None:
    tensors, options = example(case)
    expected = by_definition(tensors, options)
    np.testing.assert_allclose(run(tensors, options).numpy(), expected, atol=1e-12)  # 36 terms of at most 50
    for dtype, eps in ((torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)):
        narrow = [None if t is None else t.to(dtype) for t in tensors]
        exact = by_definition([None if t is None else t.double() for t in narrow], options)
        got = run(narrow, options)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.double().numpy(), exact, atol=eps * np.abs(exact).max())
    last = [tensors[0].to(memory_format=torch.channels_last), *tensors[1:]]
    torch.testing.assert_close(run(last, options), run(tensors, options))


@pytest.mark.parametrize("case", CASES)
def test_gradients(case: tuple) -> None:
    tensors, options = example(case)
    given = [t.requires_grad_() for t in tensors if t is not None]
    masked = tensors[4] is not None
    assert torch.autograd.gradcheck(lambda *t: run([*t, *([] if masked else [None])], options), given)
    (first,) = torch.autograd.grad(run(tensors, options).sin().sum(), tensors[0], create_graph=True)
    with pytest.raises(NotImplementedError, match="deform_conv2d: second derivatives are not implemented"):
        first.sum().backward()


def test_nothing_moved_is_a_convolution() -> None:
    tensors, options = example(CASES[1], torch.float32)
    tensors[1].zero_()
    tensors[4].fill_(1)
    expected = torch.nn.functional.conv2d(tensors[0], tensors[2], tensors[3], groups=3, **options)
    torch.testing.assert_close(run(tensors, options), expected)


def test_threads() -> None:
    tensors, options = example((40, 8, (3, 3), 2, 4, (1, 1), (1, 1), (1, 1), True), torch.float32)
    given = [t.requires_grad_() for t in tensors]
    before, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            out = run(tensors, options)
            found.append((out, *torch.autograd.grad(out.sum(), given)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_strange_offsets() -> None:
    tensors, options = example(CASES[0], torch.float32)
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
    tensors[1].view(-1)[: 5 * (tensors[1].numel() // 5)] = odd.repeat(tensors[1].numel() // 5)
    bias = tensors[3][None, :, None, None]
    out = run(tensors, options)
    assert torch.equal(out[0, :, 0, 0], bias.expand_as(out)[0, :, 0, 0])


def test_graphs(native_calls) -> None:
    tensors, options = example(CASES[0], torch.float32)
    for op, args in native_calls(lambda: run(tensors, options)):
        if "deform" in str(op):
            torch.library.opcheck(op, args, test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"))
    torch._dynamo.reset()
    compiled = torch.compile(lambda *t: run(list(t), options), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*tensors), run(tensors, options))


def test_errors() -> None:
    (input, offset, weight, bias, mask), options = example(CASES[0], torch.float32)
    for args, text in (
        ((input[0], offset, weight), "expected input and weight of 4 dimensions"),
        ((input, offset[:, :3], weight), "expected offset of a multiple of 12 channels"),
        ((input, offset[:1], weight), "expected offset of 12 channels for 2 images"),
        ((input, offset[..., :3], weight), "expected offset of the result's width"),
        ((input, offset, weight[:, :4]), "expected weight for 6 channels in equal groups"),
        ((input, offset, weight, bias, 0), "expected stride and dilation of at least 1"),
    ):
        with pytest.raises(ArgumentError, match=f"deform_conv2d: {text}"):
            F.deform_conv2d(*args, **({} if len(args) > 4 else options))
    with pytest.raises(ArgumentError, match="deform_conv2d: expected mask of 6 channels"):
        F.deform_conv2d(input, offset, weight, bias, mask=mask[:, :5], **options)
    with pytest.raises(TypeError, match="deform_conv2d: expected offset and mask of input's dtype, float32"):
        F.deform_conv2d(input, offset.double(), weight, bias, **options)
