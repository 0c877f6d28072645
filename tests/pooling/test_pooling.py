"""Pooling against torch, which takes float64 where it has no kernel for a dtype."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import fastcnn
import fastcnn.ops
import fastcnn.ops as F
from fastcnn import ArgumentError, _core
from tests.op_tester import AWKWARD, OpTester, random_image

CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
ALL = ("bool", "uint8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64")
VOLUMES = [(1, 1, 1), (2, 5, 7), (4, 1, 9), (5, 7, 1), (3, 8, 17)]


class PoolTester(OpTester):
    """Images here have a channel axis before the spatial ones: (C, H, W)."""

    batched = False
    differentiable = True
    rank = 2
    exact = True

    def inputs(self, rng, shape, dtype):
        shape = (1,) * (self.rank + 1 - len(shape)) + tuple(shape)
        return (random_image(rng, shape, dtype),)

    def oracle(self, image, **kwargs):
        result = getattr(T, self.op)(torch.from_numpy(image.astype(np.float64)), **kwargs)
        values = (result[0] if isinstance(result, tuple) else result).numpy()
        if image.dtype.kind in "biu":  # a window of padding only holds the least value
            values = np.maximum(values, 0 if image.dtype.kind == "b" else np.iinfo(image.dtype).min)
        values = values.astype(image.dtype)
        return (values, result[1].numpy()) if isinstance(result, tuple) else values

    def compare(self, got, expected):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        if self.exact:
            np.testing.assert_array_equal(got, expected)
        else:
            tolerance = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}[got.dtype.name]
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)

    def test_strides(self, case):
        if self.rank != 2:
            pytest.skip("of batches of images; others in test_random and test_strides")
        super().test_strides(case)

    def test_export(self, case):
        pytest.skip("a size of 1 is another graph to torch's pooling too: see test_graphs")

    def test_vmap(self, case):
        images = torch.from_numpy(self.inputs(self.rng(), (3, 2, 9, 11, 8)[: self.rank + 2], self.dtypes[-1])[0])
        got = torch.vmap(lambda t: self.run(t, **case), in_dims=1)(images.movedim(0, 1).contiguous())
        self.check(got, self.run(images, **case))

    def test_empty(self, case):
        shape = (0, 2, *(9, 11, 8)[: self.rank])
        arrays = self.inputs(self.rng(), shape, self.dtypes[-1])
        expected = self.oracle(*arrays, **case)
        self.check(self.run(*arrays, **case), expected)
        self.check(self.run(torch.from_numpy(arrays[0]), **case), expected)
        with pytest.raises(ArgumentError, match="no empty dimension"):
            self.run(self.inputs(self.rng(), (2, 0, *shape[2:]), "float32")[0], **case)


class TestMaxPool2d(PoolTester):
    op = "max_pool2d"
    dtypes = ALL
    cases = [
        {"kernel_size": 2, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1, "return_indices": True},
        {"kernel_size": [5, 2], "stride": [1, 3], "padding": [2, 1], "ceil_mode": True, "return_indices": True},
        {"kernel_size": 3, "stride": 3, "padding": 1, "dilation": 2, "ceil_mode": True},
        {"kernel_size": 13, "stride": 1, "padding": 6},
    ]
    errors = [
        ((np.zeros((5, 5), np.float32), 2), {}, ArgumentError, r"max_pool2d: expected input of shape \(N, C, H, W\)"),
        ((np.zeros((1, 5, 5), np.float32), 0), {}, ArgumentError, r"max_pool2d: expected kernel_size of at least 1"),
        ((np.zeros((1, 5, 5), np.float32), 2, 0), {}, ArgumentError, r"max_pool2d: expected stride of at least 1"),
        ((np.zeros((1, 5, 5), np.float32), 2, 1, -1), {}, ArgumentError, r"max_pool2d: expected padding of at least"),
        (
            (np.zeros((1, 5, 5), np.float32), 2, 1, 2),
            {},
            ArgumentError,
            r"max_pool2d: expected padding of at most half",
        ),
        (
            (np.zeros((1, 5, 5), np.float32), 2, 1, 0, 0),
            {},
            ArgumentError,
            r"max_pool2d: expected dilation of at least",
        ),
        ((np.zeros((1, 5, 5), np.float32), 6), {}, ArgumentError, r"max_pool2d: expected input at least as large"),
        ((np.zeros((1, 5, 5), np.float32), 1 << 62), {}, ArgumentError, r"max_pool2d: expected kernel_size of at"),
        (
            (np.zeros((1, 5, 5), np.float32), (2, 2, 2)),
            {},
            ArgumentError,
            "kernel_size of 1 or 2 values",
        ),
        ((np.zeros((1, 5, 5), np.float32), 2.5), {}, TypeError, r"max_pool2d: expected kernel_size of integers"),
        ((np.zeros((1, 5, 5), np.complex64), 2), {}, TypeError, r"max_pool.*: expected input of"),
    ]


class TestMaxPool1d(PoolTester):
    op, rank = "max_pool1d", 1
    dtypes = ("uint8", "float64", "float32")
    shapes = [(1, 1), (1, 17), (3, 16), (2, 33), (2, 130), (1, 9000)]
    cases = [{"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 3, "padding": 1, "return_indices": True}]


class TestMaxPool3d(PoolTester):
    op, rank = "max_pool3d", 3
    dtypes = ("uint8", "float64", "float32")
    shapes = VOLUMES
    cases = [
        {"kernel_size": 2, "ceil_mode": True},
        {"kernel_size": 3, "stride": [1, 2, 2], "padding": 1, "return_indices": True},
    ]


class TestAvgPool2d(PoolTester):
    op = "avg_pool2d"
    dtypes = ("float16", "float64", "float32")
    exact = False
    isa_tolerance = 1e-6
    cases = [
        {"kernel_size": 2, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
        {"kernel_size": [5, 2], "stride": [1, 3], "padding": [2, 1], "ceil_mode": True},
        {"kernel_size": 3, "stride": 3, "padding": 1, "divisor_override": -2},
        {"kernel_size": 9, "stride": 5, "padding": 4, "ceil_mode": True, "count_include_pad": False},
    ]
    errors = [
        ((np.zeros((5, 5), np.float32), 2), {}, ArgumentError, r"avg_pool2d: expected input of shape \(N, C, H, W\)"),
        (
            (np.zeros((1, 5, 5), np.float32), 2, 1, 2),
            {},
            ArgumentError,
            r"avg_pool2d: expected padding of at most half",
        ),
        ((np.zeros((1, 5, 5), np.int32), 2), {}, TypeError, r"avg_pool2d: expected input of dtype float16"),
        (
            (np.zeros((1, 5, 5), np.float32), 2),
            {"divisor_override": 0},
            ArgumentError,
            r"divisor_override other than 0",
        ),
        ((np.zeros((1, 5, 5), np.float32), 2), {"divisor_override": 0.5}, TypeError, r"divisor_override to be an int"),
    ]


class TestAvgPool1d(PoolTester):
    op, rank = "avg_pool1d", 1
    dtypes = ("float64", "float32")
    exact = False
    isa_tolerance = 1e-6
    shapes = [(1, 1), (1, 17), (3, 16), (2, 33), (2, 130), (1, 9000)]
    cases = [{"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 4, "padding": 2, "ceil_mode": True}]


class TestAvgPool3d(PoolTester):
    op, rank = "avg_pool3d", 3
    dtypes = ("float64", "float32")
    exact = False
    isa_tolerance = 1e-6
    shapes = [(2, 5, 7), (4, 6, 9), (3, 8, 17)]
    cases = [{"kernel_size": 2, "ceil_mode": True}, {"kernel_size": 2, "stride": [1, 2, 2], "padding": 1}]


class TestAdaptiveAvgPool2d(PoolTester):
    op = "adaptive_avg_pool2d"
    dtypes = ("float16", "float64", "float32")
    exact = False
    isa_tolerance = 1e-6
    cases = [{"output_size": 1}, {"output_size": 7}, {"output_size": [3, None]}, {"output_size": [1, 4]}]
    errors = [
        ((np.zeros((5, 5), np.float32), 2), {}, ArgumentError, r"adaptive_avg_pool2d: expected input of shape"),
        ((np.zeros((1, 5, 5), np.float32), -1), {}, ArgumentError, r"adaptive_avg_pool2d: expected output_size of at"),
        ((np.zeros((1, 5, 5), np.float32), (1, 2, 3)), {}, ArgumentError, r"expected output_size of 2 values, got 3"),
        ((np.zeros((1, 5, 5), np.int64), 2), {}, TypeError, r"adaptive_avg_pool2d: expected input of dtype float16"),
    ]


class TestAdaptiveMaxPool2d(PoolTester):
    op = "adaptive_max_pool2d"
    dtypes = ALL
    cases = [
        {"output_size": 1},
        {"output_size": 7},
        {"output_size": 1, "return_indices": True},
        {"output_size": [3, None], "return_indices": True},
    ]
    shapes = [*AWKWARD, (40, 70)]
    errors = [
        ((np.zeros((5, 5), np.float32), 2), {}, ArgumentError, r"adaptive_max_pool2d: expected input of shape"),
        ((np.zeros((1, 5, 5), np.float32), -1), {}, ArgumentError, r"adaptive_max_pool2d: expected output_size of at"),
    ]


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("name", ["adaptive_max_pool", "adaptive_avg_pool"])
def test_adaptive_ranks(name, rank, rng):
    for size in [1, 2, 5, 16]:
        image = torch.from_numpy(rng.standard_normal((2, 3, *(12, 7, 18)[:rank]))).requires_grad_()
        got, expected = (getattr(m, f"{name}{rank}d")(image, size) for m in (F, T))
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
        weights = torch.randn_like(expected)
        grads = [torch.autograd.grad(r, image, weights)[0] for r in (got, expected)]
        torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)
        front = getattr(fastcnn.ops, f"{name}{rank}d")(image.detach().numpy(), size)
        np.testing.assert_array_equal(front, got.detach().numpy())


def random_case(rng, rank):
    """A shape around the vectors' widths and a window that fits into it."""
    spatial = [int(n) for n in rng.integers(1, (0, 150, 40, 12)[rank], rank)]
    kernel = [int(k) for k in rng.choice([1, 2, 3, 5, 7, 13], rank, p=[0.2, 0.3, 0.3, 0.1, 0.05, 0.05])]
    window = {
        "kernel_size": kernel,
        "stride": [int(s) for s in rng.choice([1, 2, 3, 5], rank)],
        "padding": [int(rng.integers(0, k // 2 + 1)) for k in kernel],
        "ceil_mode": bool(rng.random() < 0.4),
    }
    fits = all(n + 2 * p >= k and n >= k for n, k, p in zip(spatial, kernel, window["padding"], strict=True))
    shape = (int(rng.integers(1, 3)), int(rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 64])), *spatial)
    return (shape, window) if fits else random_case(rng, rank)


def in_layout(tensor, last):
    rank = tensor.ndim - 2
    return tensor.to(memory_format=CHANNELS_LAST[rank]) if last and rank > 1 else tensor


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_random(rank, dtype, rng):
    """Random windows, both layouts: values, indices, strides of the result and gradients equal torch's."""
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 4e-3, torch.bfloat16: 4e-2}[dtype]
    for round_ in range(40):
        shape, window = random_case(rng, rank)
        image = torch.from_numpy(rng.integers(-6, 7, shape) * 0.5).to(dtype)
        image[torch.from_numpy(rng.random(shape)) < 0.02 * (round_ % 3)] = float("nan")
        image = in_layout(image, round_ % 2)
        maximum = {**window, "dilation": 1 + int(round_ % 5 == 0 and max(window["kernel_size"]) == 1)}
        got, where = getattr(F, f"max_pool{rank}d")(image, **maximum, return_indices=True)
        expected, place = getattr(T, f"max_pool{rank}d")(image.double(), **maximum, return_indices=True)
        assert torch.equal(got.double().nan_to_num(99), expected.nan_to_num(99)), (shape, window)
        assert torch.equal(where, place), (shape, window)
        assert got.stride() == expected.stride()
        assert where.stride() == place.stride()
        alone = getattr(F, f"max_pool{rank}d")(image, **maximum)
        assert torch.equal(alone.nan_to_num(99), got.nan_to_num(99)), (shape, window)

        image = in_layout(
            torch.from_numpy(rng.permutation(image.numel()).reshape(shape) / image.numel()).to(dtype), round_ % 2
        )
        mean = {**window, "count_include_pad": bool(round_ % 4 > 1)}
        for name, arguments in [("max_pool", maximum), ("avg_pool", mean)]:
            mine, theirs = image.clone().requires_grad_(), image.to(torch.float64, copy=True).requires_grad_()
            got, expected = (
                getattr(F, f"{name}{rank}d")(mine, **arguments),
                getattr(T, f"{name}{rank}d")(theirs, **arguments),
            )
            weights = in_layout(torch.from_numpy(rng.standard_normal(got.shape)).to(dtype), round_ % 3)
            (got * weights).sum().backward()
            (expected * weights.double()).sum().backward()
            torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)
            if dtype in (torch.float32, torch.float64):  # elsewhere rounding makes ties
                torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=10 * tolerance, atol=10 * tolerance)
            assert mine.grad.stride() == image.stride()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("last", [False, True])
def test_narrow_gradients(dtype, last, rng):
    """Sums in float32, rounded once; the channels are split among threads in the second shape."""
    for shape in [(2, 3, 17, 19), (1, 160, 9, 9)]:
        image = in_layout(torch.from_numpy(rng.integers(0, 200, shape)).to(dtype), last).requires_grad_()
        values, indices = F.max_pool2d(image, 5, 1, 2, return_indices=True)
        weights = torch.from_numpy(rng.standard_normal(values.shape)).to(dtype)
        exact = torch.zeros(*shape[:2], shape[2] * shape[3], dtype=torch.float32)
        exact.scatter_add_(2, indices.flatten(2), weights.flatten(2).float())
        for result in (values, F.max_pool2d(image, 5, 1, 2)):
            (grad,) = torch.autograd.grad(result, image, weights)
            torch.testing.assert_close(grad.flatten(2).float(), exact, rtol=1e-2, atol=1e-2)


def test_ties_nan_and_infinity():
    """The first maximum, the last NaN; -inf is found too."""
    image = torch.full((1, 3, 8, 40), -float("inf"))
    image[0, 1] = 2.0
    image[0, 2, 1, 3] = image[0, 2, 2, 4] = float("nan")
    for layout in (image, in_layout(image, True)):
        values, indices = F.max_pool2d(layout, 3, 2, 1, return_indices=True)
        expected = T.max_pool2d(layout, 3, 2, 1, return_indices=True)
        assert torch.equal(values.nan_to_num(9), expected[0].nan_to_num(9))
        assert torch.equal(indices, expected[1])
        assert indices[0, 2, 1, 2] == 2 * 40 + 4
        assert F.avg_pool2d(layout, 3, 2, 1)[0, 2, 1, 2].isnan()


def test_extremes_of_integers():
    for dtype in (torch.uint8, torch.int16, torch.int32, torch.int64, torch.uint16):
        low, high = torch.iinfo(dtype).min, torch.iinfo(dtype).max
        image = np.full((1, 2, 5, 67), low, str(dtype).removeprefix("torch."))
        assert (fastcnn.ops.max_pool2d(image, 3, 2, 1) == low).all()
        image[..., 2, 33] = high
        values, indices = fastcnn.ops.max_pool2d(image, 3, 2, 1, return_indices=True)
        assert (values[..., 1, 16:18] == high).all()
        assert (indices[..., 1, 16:18] == 2 * 67 + 33).all()


def test_windows_of_padding_only():
    """Dilation can step over a narrow image: such a window holds the least value."""
    got = F.max_pool1d(torch.ones(1, 1, 2), 2, 1, 1, 3)
    assert torch.equal(got, T.max_pool1d(torch.ones(1, 1, 2), 2, 1, 1, 3))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpool(rank, rng):
    for last, window in itertools.product([False, True], [(2, 2, 0), (3, 2, 1), (3, 3, 0), (2, 1, 0)]):
        image = in_layout(torch.from_numpy(rng.standard_normal((2, 5, *(9, 12, 7)[:rank]))), last)
        values, indices = getattr(F, f"max_pool{rank}d")(image, *window, return_indices=True)
        output_size = image.shape[2:]
        mine, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
        unpool = [getattr(m, f"max_unpool{rank}d") for m in (F, T)]
        got, expected = unpool[0](mine, indices, *window, output_size), unpool[1](theirs, indices, *window, output_size)
        assert torch.equal(got, expected)
        weights = torch.randn_like(expected)
        for r in (got, expected):
            (r * weights).sum().backward()
        assert torch.equal(mine.grad, theirs.grad)
        front = getattr(fastcnn.ops, f"max_unpool{rank}d")(values.numpy(), indices.numpy(), *window, output_size)
        np.testing.assert_array_equal(front, expected.detach().numpy())


def test_unpool_dtypes(rng):
    for dtype in ALL:
        image = random_image(rng, (2, 3, 8, 10), dtype)
        values, indices = fastcnn.ops.max_pool2d(image, 2, return_indices=True)
        full = fastcnn.ops.max_unpool2d(values, indices, 2)
        assert full.dtype == image.dtype
        flat = np.take_along_axis(full.reshape(2, 3, -1), indices.reshape(2, 3, -1), -1)
        np.testing.assert_array_equal(flat, values.reshape(2, 3, -1))
        assert np.count_nonzero(full) == np.count_nonzero(values)


def test_unpool_errors():
    values, indices = F.max_pool2d(torch.rand(1, 2, 4, 4), 2, return_indices=True)
    for wrong, text in [
        ((values, indices.int(), 2), "max_unpool2d: expected indices of dtype int64"),
        ((values[0, 0], indices[0, 0], 2), "max_unpool2d: expected input of shape"),
        ((values, indices[:, :1], 2), "max_unpool2d: expected indices of shape"),
        ((values, indices, 2, None, 0, (9, 4)), r"max_unpool2d: expected output_size\[0\] between 3 and 5"),
        ((values, indices, 2, None, 0, (4,)), "max_unpool2d: expected output_size of 2 or 4 values"),
        ((values, indices + 16, 2), "max_unpool2d: found an invalid index in indices: .* of size 4x4"),
        ((values, indices - 16, 2), "max_unpool2d: found an invalid index in indices"),
    ]:
        with pytest.raises((ArgumentError, TypeError), match=text):
            F.max_unpool2d(*wrong)
        arrays = [w.numpy() if isinstance(w, torch.Tensor) else w for w in wrong]
        with pytest.raises((ArgumentError, TypeError), match=text):
            fastcnn.ops.max_unpool2d(*arrays)


@pytest.mark.parametrize("mode", ["max", "avg"])
def test_pyramid(mode, rng):
    image = torch.from_numpy(rng.standard_normal((3, 5, 13, 21))).requires_grad_()
    adaptive = {"max": T.adaptive_max_pool2d, "avg": T.adaptive_avg_pool2d}[mode]
    for batch in (image, image[0], image[:0], in_layout(image, True)):
        expected = torch.cat([adaptive(batch, n).flatten(-3) for n in (1, 2, 4)], -1)
        got = F.spatial_pyramid_pool(batch, mode=mode)
        torch.testing.assert_close(got, expected)
        assert got.shape[-1] == 5 * 21
        front = fastcnn.ops.spatial_pyramid_pool(batch.detach().numpy(), mode=mode)
        np.testing.assert_allclose(front, got.detach().numpy(), rtol=1e-12)
    for arguments, text in [
        (((),), "levels of at least one"),
        (((0,),), "positive"),
        (((1,), "min"), "mode to be one of max, avg, got min"),
    ]:
        with pytest.raises(ArgumentError, match=f"spatial_pyramid_pool: .*{text}"):
            F.spatial_pyramid_pool(image, *arguments)
    small = torch.from_numpy(rng.permutation(2 * 25).reshape(1, 2, 5, 5) / 50.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: F.spatial_pyramid_pool(t, (1, 2), mode), small)


@pytest.mark.parametrize("rank", [2, 3])
def test_slices_of_channels(rank):
    """Part of a concatenation is pooled where it lies."""
    whole = in_layout(torch.randn(2, 48, *(12, 40, 40)[-rank:]), True)
    for part in (whole[:, 16:], whole[:, 3:20]):
        copy = part.contiguous()
        for name, arguments in (("max_pool", (2,)), ("max_pool", (3, 2, 1)), ("avg_pool", (3, 1, 1)),
                                ("adaptive_max_pool", (5,)), ("adaptive_avg_pool", (1,))):  # fmt: skip
            op = getattr(F, f"{name}{rank}d")
            torch.testing.assert_close(op(part, *arguments), op(copy, *arguments))
    _core.take_peak_scratch()
    F.max_pool2d(in_layout(torch.randn(1, 64, 256, 256), True)[:, 32:], 2)
    assert _core.take_peak_scratch() < 1 << 20


@pytest.mark.parametrize("shape", [(2, 64, 1, 1), (2, 64, 8, 1), (2, 64, 1, 8)])
def test_expanded_sources_of_channels_last_results(shape):
    """Native ops are told the result's layout: a source whose pixels share memory has no pitch."""
    source = in_layout(torch.randn(shape), True).expand(2, 64, 8, 8)
    results = []
    for image in (source, in_layout(source.contiguous(), True)):
        result = in_layout(torch.empty(2, 64, 4, 4), True)
        torch.ops.fastcnn.max_pool_out(image, [2, 2], [2, 2], [0, 0], [1, 1], False, result)
        window = ([2, 2], [2, 2], [0, 0], False, True, None)
        results.append((result, torch.ops.fastcnn._avg_pool_backward(image, [16, 16], True, *window)))
    for got, expected in zip(*results, strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("size", [17, 40, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_window_that_leaves_pixels_out(size, dtype):
    """Their gradient is zero, behind the window as well as before the next one."""
    x = torch.rand(2, 3, 2, size, dtype=dtype, requires_grad=True)
    for window, stride in ((size - 6, size - 6), (size // 2 + 1, size)):
        grads = [
            torch.autograd.grad(front.avg_pool2d(x, (2, window), (2, stride)).sum(), x)[0]
            for front in (F, torch.nn.functional)
        ]
        torch.testing.assert_close(*grads)
        assert (grads[0] == 0).any()


NATIVE = [
    ("max", lambda t: F.max_pool2d(t, 3, 2, 1)),
    ("indices", lambda t: F.max_pool2d(t, 3, 2, 1, return_indices=True)),
    ("avg", lambda t: F.avg_pool2d(t, 3, 2, 1, ceil_mode=True)),
    ("adaptive_max", lambda t: F.adaptive_max_pool2d(t, 3)),
    ("adaptive_indices", lambda t: F.adaptive_max_pool2d(t, 3, return_indices=True)),
    ("adaptive_avg", lambda t: F.adaptive_avg_pool2d(t, (1, 2))),
    ("unpool", lambda t: F.max_unpool2d(t, torch.arange(t[0, 0].numel()).reshape(t[0, 0].shape).expand(t.shape), 1)),
    ("gathered", lambda t: torch.ops.fastcnn._pool_gather(t, torch.zeros_like(t, dtype=torch.int64), 2)),
    ("scattered", lambda t: torch.ops.fastcnn._pool_scatter(t, torch.zeros_like(t, dtype=torch.int64), [7, 8])),
]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("function", [pytest.param(f, id=n) for n, f in NATIVE])
def test_opcheck_and_gradients(function, last, native_calls, apart):
    """Every native op in both layouts, its backward ones too, whose fakes have to know the result's strides."""
    image = in_layout(apart(2, 3, 6, 7).detach(), last).requires_grad_()
    first = lambda r: r[0] if isinstance(r, tuple) else r  # noqa: E731
    calls = native_calls(lambda: first(function(image)).sum().backward())
    assert calls
    for op, arguments in calls:
        torch.library.opcheck(op, arguments)
    assert torch.autograd.gradcheck(lambda t: first(function(t)), image)
    assert torch.autograd.gradgradcheck(lambda t: first(function(t)), image)


@pytest.mark.parametrize("last", [False, True])
def test_graphs(last):
    """torch.compile and torch.export, with dynamic batch and image, in both layouts."""

    class Net(torch.nn.Module):
        def forward(self, x):
            x = F.max_pool2d(x, 3, 2, 1)
            x, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            x = F.avg_pool2d(F.max_unpool2d(x, indices, 2), 2, 1)
            return F.adaptive_avg_pool2d(x, 2), F.spatial_pyramid_pool(x, (1, 2)), F.avg_pool2d(x, x.shape[2:])

    images = [in_layout(torch.rand(n, 4, h, w), last) for n, h, w in [(2, 32, 40), (3, 64, 48)]]
    torch._dynamo.reset()
    compiled = torch.compile(Net(), fullgraph=True, backend="aot_eager", dynamic=True)
    dims = {0: torch.export.Dim("n"), 2: 8 * torch.export.Dim("h", min=2), 3: 8 * torch.export.Dim("w", min=2)}
    program = torch.export.export(Net(), (images[0],), dynamic_shapes=(dims,))
    for image in images:
        for got in (compiled(image), program.module()(image)):
            for g, e in zip(got, Net()(image), strict=True):
                assert torch.equal(g, e)
                assert g.stride() == e.stride()


def test_compiled_training(apart):
    image = apart(2, 3, 9, 11)
    run = lambda t: F.max_pool2d(t, 3, 2, 1).square().sum() + F.avg_pool2d(t, 2).square().sum()  # noqa: E731
    torch._dynamo.reset()
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(*(torch.autograd.grad(f(image), image)[0] for f in (run, compiled)))


def test_autocast_leaves_pooling_alone():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert F.max_pool2d(torch.rand(1, 1, 4, 4), 2).dtype == T.max_pool2d(torch.rand(1, 1, 4, 4), 2).dtype
        assert F.avg_pool2d(torch.rand(1, 1, 4, 4).bfloat16(), 2).dtype == torch.bfloat16


def test_threads_in_torch():
    """Both layouts, forward and backward, one image and several: bit for bit."""
    before = torch.get_num_threads()
    try:
        for shape, last in itertools.product([(1, 96, 40, 40), (5, 3, 33, 70)], [False, True]):
            image = in_layout(torch.rand(shape), last).requires_grad_()
            results = []
            for threads in (1, 2, 5):
                torch.set_num_threads(threads)
                outputs = [
                    F.max_pool2d(image, 3, 2, 1),
                    F.max_pool2d(image, 3, 1, 1, return_indices=True)[0],
                    F.avg_pool2d(image, 3, 2, 1),
                    F.adaptive_avg_pool2d(image, 1),
                    F.adaptive_max_pool2d(image, 7),
                ]
                grads = torch.autograd.grad([o.square().sum() for o in outputs], image)
                results.append([*outputs, *grads])
            for other in results[1:]:
                assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    finally:
        torch.set_num_threads(before)


def test_strides():
    """Cropped, permuted and expanded tensors, and gradients that a sum has expanded."""
    base = torch.rand(2, 6, 20, 24)
    for image in [base[:, ::2, 1:, ::3], base.permute(2, 1, 0, 3), base[:, :1].expand(2, 4, 20, 24), base.mT]:
        image = image.detach().requires_grad_()
        for op, arguments in [("max_pool2d", (2, 1)), ("avg_pool2d", (2, 1)), ("adaptive_avg_pool2d", (2,))]:
            got, expected = (getattr(m, op)(image, *arguments) for m in (F, T))
            torch.testing.assert_close(got, expected)
            grads = [torch.autograd.grad(r.sum(), image)[0] for r in (got, expected)]
            torch.testing.assert_close(*grads)


def test_gradient_shapes_are_checked():
    for name, arguments in [
        ("_max_pool_backward", (torch.rand(1, 1, 3, 3), torch.rand(1, 1, 4, 4), [2, 2], [2, 2], [0, 0], [1, 1], False)),
        ("_adaptive_avg_pool_backward", (torch.rand(1, 1, 3, 3), [4, 4], False, [2, 2])),
    ]:
        with pytest.raises(RuntimeError, match="expected grad of the pooled shape"):
            getattr(torch.ops.fastcnn, name)(*arguments)


def test_every_function_has_an_example():
    names = [n for n in fastcnn.ops.__all__ if "pool" in n and "roi" not in n]
    assert len(names) == 16
    for name in names:
        assert ">>>" in inspect.getdoc(getattr(fastcnn.ops, name))


# --- windows wholly in the padding ------------------------------------------------------------------------------------
# torch writes before its tensors here (torch 2.13: max_pool2d of 2 x 2 aborts), so values are by hand: kernel 2 dilated
# by 3 touches -1 and 2 of an axis of 2, both outside.


@pytest.mark.parametrize(
    "dtype",
    [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64],
)
@pytest.mark.parametrize(
    ("rank", "shape", "dilation"), [(1, (2,), 2), (1, (2,), 3), (2, (2, 2), 3), (3, (2, 2, 2), 3), (2, (2, 40), 3)]
)
def test_an_empty_window_has_no_index_and_no_gradient(rank, shape, dilation, dtype):
    """An index of -1, the least value, and no gradient, in every layout."""
    for channels in (1, 3, 40):
        x = (torch.arange(2 * channels * math.prod(shape)) % 100).reshape(2, channels, *shape).to(dtype)
        images = [x]
        if rank > 1:
            images.append(x.to(memory_format=torch.channels_last if rank == 2 else torch.channels_last_3d))
        padding = [1] * (rank - 1) + [0 if len(set(shape)) > 1 else 1]
        kernel = [2] * (rank - 1) + [1 if len(set(shape)) > 1 else 2]
        for image in images:
            image = image.clone().requires_grad_(dtype.is_floating_point)
            op = getattr(F, f"max_pool{rank}d")
            values, indices = op(image, kernel, 1, padding, dilation, return_indices=True)
            # Taps at -1 + o and -1 + o + dilation: inside for some o only.
            for o in range(values.shape[2]):
                inside = [i for i in (o - 1, o - 1 + dilation) if 0 <= i < shape[0]]
                if not inside:
                    assert (indices[:, :, o] == -1).all()
                    minimum = -math.inf if dtype.is_floating_point else torch.iinfo(dtype).min
                    assert (values[:, :, o] == minimum).all()
            assert torch.equal(op(image, kernel, 1, padding, dilation), values)
            if not dtype.is_floating_point:
                continue
            where = indices.flatten(2)
            expected = torch.zeros(2, channels, math.prod(shape)).double()
            expected.scatter_add_(2, where.clamp(min=0), (where >= 0).double())
            for result in (values, op(image, kernel, 1, padding, dilation)):
                (grad,) = torch.autograd.grad(result.sum(), image, retain_graph=True)
                assert torch.equal(grad.double().flatten(2), expected)


@pytest.mark.parametrize(
    ("rank", "kernel", "dilation", "shape"), [(2, 2, 3, (2, 2)), (1, 2, 2, (1,)), (1, 2, 3, (2,)), (3, 2, 3, (2, 2, 2))]
)
def test_the_smallest_empty_windows(rank, kernel, dilation, shape):
    """The gradient is 0 where torch's would go to a pixel outside of the window; nothing is put back from there."""
    x = torch.arange(float(math.prod(shape))).reshape(1, 1, *shape).requires_grad_()
    op, undo = getattr(F, f"max_pool{rank}d"), getattr(F, f"max_unpool{rank}d")
    values, indices = op(x, kernel, 1, 1, dilation, return_indices=True)
    empty = indices == -1
    assert empty.any()
    assert torch.equal(torch.autograd.grad(values[empty].sum(), x)[0], torch.zeros_like(x))
    with torch.no_grad():
        back = undo(torch.where(empty, 5.0, values), indices, shape, output_size=shape)
    assert not (back == 5.0).any()
    values, tangent = torch.func.jvp(lambda x: op(x, kernel, 1, 1, dilation), (x.detach(),), (torch.ones_like(x),))
    assert torch.equal(tangent == 0, empty)


def test_windows_of_infinities_have_an_index():
    x = torch.full((1, 2, 3, 3), -math.inf)
    _, indices = F.max_pool2d(x, 2, 1, return_indices=True)
    assert torch.equal(indices[0, 0], torch.tensor([[0, 1], [3, 4]]))  # torch's


# --- layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2**30, 0), (2**20, 2**30, 2**19), (2**30, 1, 2**29)])
@pytest.mark.parametrize("last", [False, True])
def test_windows_far_beyond_the_image(kernel, stride, padding, last):
    """Memory depends on the size of the image, not of the window."""
    x = torch.rand(2, 8, 3, 40).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    x.requires_grad_()
    window = {"kernel_size": (2, kernel), "stride": (1, stride), "padding": (0, padding)}
    if kernel > 64:  # torch walks all of the kernel
        width = 1 + (40 + 2 * padding - kernel) // stride
        rows = torch.maximum(x[:, :, :-1], x[:, :, 1:])
        values, places = rows.amax(3, keepdim=True).expand(-1, -1, -1, width), None
        mean = (x[:, :, :-1] + x[:, :, 1:]).sum(3, keepdim=True).expand(-1, -1, -1, width) / 80
    else:
        values, places = torch.nn.functional.max_pool2d(x, **window, return_indices=True)
        mean = torch.nn.functional.avg_pool2d(x, **window)
    got, found = F.max_pool2d(x, **window, return_indices=True)
    assert torch.equal(got, values)
    assert torch.equal(F.max_pool2d(x, **window), values)
    if places is not None:
        assert torch.equal(found, places)
    averages = F.avg_pool2d(x, **window, count_include_pad=False)
    torch.testing.assert_close(averages, mean)
    for ours, expected in ((got, values), (averages, mean)):
        (a,), (b,) = (torch.autograd.grad(y.sum(), x, retain_graph=True) for y in (ours, expected))
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize(
    "name", ["max_pool", "max_pool_indices", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "max_unpool", "conv"]
)
def test_a_single_image_keeps_its_layout(name, rank):
    """As a batch does, and as torch's max_pool3d does."""
    x = torch.rand(6, 6, 6, 4)[(0,) * (3 - rank)].movedim(-1, 0)  # (C, [D,] H, W), channels innermost

    def run(image):
        if name == "max_unpool":
            values, indices = run_op("max_pool", image, 2, return_indices=True)
            return [run_op("max_unpool", values, indices, 2)]
        if name == "conv":
            return [run_op("conv", image, torch.ones(5, 4, *[3] * rank))]
        results = run_op(name.removesuffix("_indices"), image, 2, **{"return_indices": True} if "ind" in name else {})
        return list(results) if isinstance(results, tuple) else [results]

    def run_op(op, *args, **kwargs):
        return getattr(F, f"{op}{rank}d")(*args, **kwargs)

    images = torch.stack([x, x]).to(memory_format=CHANNELS_LAST[rank])
    for one, batch, contiguous in zip(run(x), run(images), run(x.contiguous()), strict=True):
        assert one.stride() == batch[0].stride()
        assert one.stride(0) == 1
        assert contiguous.is_contiguous()
        if "avg" in name:  # a mean's terms may be added in another order
            torch.testing.assert_close(one, contiguous)
        else:
            assert torch.equal(one, contiguous)
    if name.startswith("max_pool") and rank == 3:
        assert run(x)[0].stride() == torch.nn.functional.max_pool3d(x, 2).stride()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_tiny_images(dtype):
    """Rows of a window may lie in the padding while its columns do not, and the other way round."""
    checked = 0
    kernels = list(itertools.product([1, 2, 3], repeat=2))
    for size, kernel, dilation in itertools.product([(1, 1), (1, 2), (2, 2)], kernels, kernels):
        x = torch.arange(size[0] * size[1]).reshape(1, 1, *size).to(dtype) + 1
        for padding in itertools.product(*(range(k // 2 + 1) for k in kernel)):
            arguments = kernel, kernel, padding, dilation, True
            try:
                shape = T.max_pool2d(x.to("meta", torch.float32), *arguments).shape
            except RuntimeError:  # no result
                continue
            expected = torch.full(shape, -math.inf if dtype.is_floating_point else torch.iinfo(dtype).min, dtype=dtype)
            for place in itertools.product(*map(range, shape[2:])):
                taps = [
                    [i for i in range(o * k - p, o * k - p + k * d, d) if 0 <= i < n]
                    for o, k, p, d, n in zip(place, kernel, padding, dilation, size, strict=True)
                ]
                if all(taps):
                    expected[0, 0, place[0], place[1]] = x[0, 0, taps[0]][:, taps[1]].max()
            assert torch.equal(F.max_pool2d(x, *arguments), expected), (size, *arguments)
            checked += 1
    assert checked > 300
