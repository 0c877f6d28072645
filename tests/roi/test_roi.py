"""Pooling of regions against loops by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fastcnn.ops as F
from fastcnn import ArgumentError, _core
from tests.roi import loops

OPS = {
    "roi_align": [{}, {"sampling_ratio": 2}, {"aligned": True}, {"sampling_ratio": 3, "aligned": True}],
    "roi_pool": [{}],
    "ps_roi_align": [{}, {"sampling_ratio": 2}],
    "ps_roi_pool": [{}],
}
CASES = [(op, options) for op, all in OPS.items() for options in all]
SIZE = (3, 2)


def example(channels: int = 35, height: int = 13, width: int = 17, n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Regions inside and outside, thin, empty and inverted ones."""
    rng = np.random.default_rng(1)
    input = rng.permutation(2 * channels * height * width).reshape(2, channels, height, width) / 1000
    corner = rng.uniform(-8, 34, (n, 2))
    rois = np.concatenate([rng.integers(0, 2, (n, 1)), corner, corner + rng.uniform(-3, 25, (n, 2))], 1)
    rois[0, 1:], rois[1, 1:], rois[2, 1:] = (0, 0, 32, 26), (4, 4, 4, 4), (-90, -90, -80, -80)
    return input, rois


def channels_of(op: str) -> int:
    return 4 * SIZE[0] * SIZE[1] if op.startswith("ps") else 35


def oracle(op: str, input: np.ndarray, rois: np.ndarray, options: dict) -> np.ndarray:
    names = {"sampling_ratio": "ratio", "aligned": "aligned"}
    return getattr(loops, op)(input, rois, SIZE, 0.5, **{names[k]: v for k, v in options.items()})


@pytest.mark.parametrize(("op", "options"), CASES)
def test_by_definition(op: str, options: dict) -> None:
    input, rois = example(channels_of(op))
    expected = oracle(op, input, rois, options)
    for dtype, eps in (("float64", 1e-12), ("float32", 1e-6)):
        arrays = input.astype(dtype), rois.astype(dtype)
        wanted = expected if dtype == "float64" else oracle(op, *(a.astype(np.float64) for a in arrays), options)
        got = getattr(F, op)(*map(torch.from_numpy, arrays), SIZE, 0.5, **options)
        np.testing.assert_allclose(got.numpy(), wanted, rtol=eps, atol=eps * np.abs(expected).max())
        np.testing.assert_array_equal(getattr(F, op)(*arrays, SIZE, 0.5, **options), got.numpy())


@pytest.mark.parametrize(("op", "options"), CASES)
def test_layouts_and_half(op: str, options: dict) -> None:
    input, rois = (torch.from_numpy(a).float() for a in example(channels_of(op)))
    run = lambda i, r=rois: getattr(F, op)(i, r, SIZE, 0.5, **options)  # noqa: E731
    expected = run(input)
    last = run(input.to(memory_format=torch.channels_last))
    assert torch.equal(last, expected)
    if not op.startswith("ps"):
        assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(run(input.transpose(2, 3).contiguous().transpose(2, 3)), expected)
    assert torch.equal(run(input, rois.T.contiguous().T), expected)
    for dtype in (torch.float16, torch.bfloat16):
        half = input.to(dtype)
        assert torch.equal(run(half), run(half.float()).to(dtype))
    boxes = [rois[rois[:, 0] == i, 1:] for i in range(2)]
    sorted_rois = rois[rois[:, 0].argsort(stable=True)]
    assert torch.equal(run(input, boxes), run(input, sorted_rois))


@pytest.mark.parametrize(("op", "options"), CASES)
def test_gradients(op: str, options: dict) -> None:
    input, rois = example(12 if not op.startswith("ps") else SIZE[0] * SIZE[1] * 2, 6, 7, 9)
    input, rois = torch.from_numpy(input).requires_grad_(), torch.from_numpy(rois)
    run = lambda i: getattr(F, op)(i, rois, SIZE, 0.3, **options)  # noqa: E731
    assert torch.autograd.gradcheck(run, input)
    assert torch.autograd.gradgradcheck(run, input)


@pytest.mark.parametrize(("op", "options"), CASES)
def test_threads_and_isas(op: str, options: dict) -> None:
    input, rois = (torch.from_numpy(a).float() for a in example(70 if not op.startswith("ps") else 66))
    before, found = torch.get_num_threads(), []
    input.requires_grad_()
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            out = getattr(F, op)(input, rois, SIZE, 0.5, **options)
            found.append((out, *torch.autograd.grad((out * out.detach().cos()).sum(), input)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("op", ["roi_align", "roi_pool"])
def test_isas(op: str, isa_runner) -> None:
    input, rois = (a.astype(np.float32) for a in example())
    for dtype in (np.float32, np.float64):
        arrays = input.astype(dtype), rois.astype(dtype)
        expected = getattr(F, op)(*arrays, SIZE, 0.5)
        for (got,) in isa_runner(op, arrays, {"output_size": SIZE, "spatial_scale": 0.5}):
            np.testing.assert_array_equal(got, expected)


def test_strange_regions() -> None:
    """NaN, infinite and enormous ones end, quickly, and read nothing outside."""
    input = torch.ones(1, 3, 5, 6)
    odd = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e9, 0.0]
    rois = torch.tensor([[0.0, a, b, c, a] for a in odd for b in odd for c in odd])
    for op in OPS:
        map = input if not op.startswith("ps") else torch.ones(1, 12, 5, 6)
        for options in OPS[op]:
            out = getattr(F, op)(map, rois, SIZE, **options)
            assert out.isfinite().all()
            assert (out.abs() <= 1.001).all()
    whole = F.roi_align(input, torch.tensor([[0.0, -1e6, -1e6, 1e6, 1e6]]), 1)
    assert 0 < whole.max() < 1e-8


def test_nan_is_no_maximum() -> None:
    input = torch.tensor([[[[float("nan"), 1.0], [2.0, float("nan")]]]])
    rois = torch.tensor([[0.0, 0, 0, 1, 1]])
    assert F.roi_pool(input, rois, 1).item() == 2
    lowest = F.roi_pool(torch.full((1, 1, 2, 2), -float("inf")), rois, 1)
    assert lowest.item() == torch.finfo(torch.float32).min


def test_empty() -> None:
    for op in OPS:
        map = torch.rand(2, 12, 5, 6, requires_grad=True)
        out = getattr(F, op)(map, torch.zeros(0, 5), SIZE)
        assert out.shape == (0, 2 if op.startswith("ps") else 12, *SIZE)
        assert (torch.autograd.grad(out.sum(), map)[0] == 0).all()
        assert getattr(F, op)(map, [torch.zeros(0, 4)] * 2, SIZE).shape == out.shape
        assert getattr(F, op)(map[:, :0], torch.zeros(3, 5), SIZE).shape[:2] == (3, 0)


@pytest.mark.parametrize(("op", "options"), CASES)
def test_graphs(op: str, options: dict, native_calls) -> None:
    input, rois = (torch.from_numpy(a).float() for a in example(channels_of(op)))
    run = lambda i, r: getattr(F, op)(i, r, SIZE, 0.5, **options)  # noqa: E731
    for form in (input.clone().requires_grad_(), input.to(memory_format=torch.channels_last).requires_grad_()):
        for native, args in native_calls(lambda form=form: run(form, rois)):
            torch.library.opcheck(native, args)

    class Module(torch.nn.Module):
        def forward(self, i, r):
            return run(i, r)

    dims = [torch.export.Dim(d) for d in "bhwk"]
    dynamic = ({0: dims[0], 2: dims[1], 3: dims[2]}, {0: dims[3]})
    program = torch.export.export(Module(), (input, rois), dynamic_shapes=dynamic)
    torch._dynamo.reset()
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager", dynamic=True)
    for i, r in ((input, rois), (input.repeat(2, 1, 1, 1)[:3, :, :9, :11], rois[:7])):
        assert torch.equal(program.module()(i, r), run(i, r))
        assert torch.equal(compiled(i, r), run(i, r))
    stacked, regions = torch.stack([input, input + 1]), torch.stack([rois, rois.flip(0)])
    got = torch.vmap(run)(stacked, regions)
    for v in range(2):
        assert torch.equal(got[v], run(stacked[v], regions[v]))


def test_scratch() -> None:
    """One block of channels of the map, never a copy of it."""
    input, rois = torch.rand(2, 256, 100, 120), torch.tensor([[1.0, 3, 4, 90, 80]] * 50)
    for op in ("roi_align", "roi_pool"):
        _core.take_peak_scratch()
        getattr(F, op)(input, rois, 7)
        assert _core.take_peak_scratch() <= input.numel() // 256 * 32 * 4 + (1 << 20)


MAP, ROIS = np.zeros((1, 3, 5, 6), np.float32), np.zeros((2, 5), np.float32)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((MAP[0], ROIS, 2), ArgumentError, r"expected input of shape \(N, C, H, W\), got \(3, 5, 6\)"),
        ((MAP, ROIS[:, :4], 2), ArgumentError, r"expected rois of shape \(K, 5\), got \(2, 4\)"),
        ((MAP, ROIS + 1, 2), ArgumentError, "expected rois of images 0 to 0, got image 1 in row 0"),
        ((MAP, ROIS - 1, 2), ArgumentError, "expected rois of images 0 to 0, got image -1 in row 0"),
        ((MAP, ROIS * np.float32("nan"), 2), ArgumentError, "expected rois of images 0 to 0, got image nan"),
        ((MAP, ROIS, 0), ArgumentError, "expected output_size of at least 1, got 0 x 0"),
        ((MAP.astype(int), ROIS, 2), TypeError, "expected input of dtype"),
        ((MAP, ROIS.astype(int), 2), TypeError, "expected rois of dtype"),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_errors(op: str, args, error, text: str) -> None:
    if op.startswith("ps") and args[0].ndim == 4:
        args = (np.repeat(args[0], 4, 1), *args[1:])
    with pytest.raises(error, match=f"{op}: {text}"):
        getattr(F, op)(*(torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args))
    with pytest.raises(error, match=f"{op}: {text}"):
        getattr(F, op)(*args)


def test_more_errors() -> None:
    map, rois = torch.from_numpy(MAP), torch.from_numpy(ROIS)
    with pytest.raises(ArgumentError, match="ps_roi_pool: expected input of a multiple of 4 channels, got 3"):
        F.ps_roi_pool(map, rois, 2)
    with pytest.raises(ArgumentError, match=r"roi_align: expected boxes\[1\] of shape \(L, 4\), got \(2, 5\)"):
        F.roi_align(map, [rois[:, 1:], rois], 2)


def test_pooling_with_and_without_a_gradient() -> None:
    """Without one the places of the maxima are not written; torch.func asks for one where none is seen."""
    map = torch.rand(2, 5, 9, 8, dtype=torch.float64)
    rois = torch.tensor([[0, 1, 1, 6, 5], [1, 0, 2, 7, 8.0]], dtype=torch.float64)
    weight = torch.rand(2, 5, 3, 3, dtype=torch.float64)
    leaf = map.clone().requires_grad_()
    result = F.roi_pool(leaf, rois, 3)
    with torch.no_grad():
        assert torch.equal(F.roi_pool(leaf, rois, 3), result)
    (result * weight).sum().backward()
    assert torch.equal(torch.func.grad(lambda x: (F.roi_pool(x, rois, 3) * weight).sum())(map), leaf.grad)
    torch.library.opcheck(torch.ops.fastcnn._roi_pool_values, (map, rois, 1.0, 3, 3))
    assert torch.autograd.gradcheck(lambda x: torch.ops.fastcnn._roi_pool_values(x, rois, 1.0, 3, 3), (leaf,))


def test_arrays_and_lists() -> None:
    """Boxes of each image as a list, for arrays as for tensors; both kinds in one call are an error."""
    map = np.random.default_rng(0).random((2, 3, 9, 11), np.float32)
    boxes = [np.array([[0, 0, 5, 5.0]], np.float32), np.array([[1, 2, 8, 7.0], [2, 2, 4, 4]], np.float32)]
    got = F.roi_align(map, boxes, 2)
    assert isinstance(got, np.ndarray)
    tensors = [torch.from_numpy(b) for b in boxes]
    np.testing.assert_array_equal(got, F.roi_align(torch.from_numpy(map), tensors, 2).numpy())
    for wrong in (tensors, torch.zeros(1, 5)):
        with pytest.raises(TypeError, match="roi_align: expected arrays only or tensors only"):
            F.roi_align(map, wrong, 2)
