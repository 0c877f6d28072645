"""The convolutions against torch's in float64: every algorithm, dtype and layout, on both fronts."""

from functools import cache

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops
import fastcnn.ops as F
from fastcnn.ops._conv_layer import Layer
from tests.conv.cases import (
    ALGORITHMS,
    KINDS,
    WINOGRAD,
    Case,
    algorithm,
    assert_accurate,
    case_of,
    fits,
    kinds,
    random_layers,
)

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

RANDOM = list(random_layers(seed=1, count=120))


@pytest.mark.parametrize("name", ["auto", "direct", *ALGORITHMS])
def test_against_torch(name):
    """float32 and float64 on both fronts. An algorithm must have run, and on more than its own kind."""
    ran = 0
    with algorithm(name):
        for i, text in enumerate((*KINDS, *RANDOM)):
            case = case_of(text, i)
            if name in ALGORITHMS and not fits(name, case.layer):
                continue
            ran += 1
            if name in ALGORITHMS:
                assert case.layer.algorithm(packed=False, threads=2) == name
            exact = case.torch()
            assert_accurate(case.run(), exact, what=text, bound=1e-13)
            assert_accurate(case.run(torch.float32), case.torch(torch.float32), what=text)
            arrays = [a.astype(np.float32) for a in case.arrays]
            np.testing.assert_array_equal(
                getattr(fastcnn.ops, case.op)(*arrays, **case.options), case.run(torch.float32), err_msg=text
            )
    assert ran >= 5, f"{name} fits next to nothing"


def test_direct_never_takes_winograd():
    with algorithm("direct"):
        for text in KINDS:
            assert Layer.parse(text).algorithm(packed=True, threads=2) not in WINOGRAD


def test_winograd_is_taken_where_it_fits():
    with algorithm("winograd"):
        for text in KINDS:
            layer = Layer.parse(text)
            fitting = [name for name in WINOGRAD if fits(name, layer)]
            assert not fitting or layer.algorithm(packed=False, threads=2) == fitting[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["auto", *ALGORITHMS])
def test_narrow_floats_round_once(name, dtype):
    """Accumulated in float32: the float32 result of the same values, rounded."""
    with algorithm(name):
        for case in kinds():
            if name in ALGORITHMS and not fits(name, case.layer):
                continue
            tensors = [t / 8 for t in case.tensors(dtype)]
            got = getattr(F, case.op)(*tensors, **case.options)
            assert got.dtype == dtype
            wide = getattr(F, case.op)(*[t.float() for t in tensors], **case.options)
            torch.testing.assert_close(got, wide.to(dtype), rtol=0, atol=0, msg=case.layer.text)
            if dtype == torch.float16:
                halves = [t.numpy() for t in tensors]
                np.testing.assert_array_equal(getattr(fastcnn.ops, case.op)(*halves, **case.options), got)


def layouts(t: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same values with other strides."""
    rank = t.dim()
    spaced = torch.full([n * 2 for n in t.shape], float("nan"), dtype=t.dtype)
    spaced[tuple(slice(None, None, 2) for _ in t.shape)] = t
    found = {
        "every second": spaced[tuple(slice(None, None, 2) for _ in t.shape)],
        "channels last": t.movedim(1, -1).contiguous().movedim(-1, 1),
        "channel slice": torch.cat([t, t * float("nan"), t], 1)
        .movedim(1, -1)
        .contiguous()
        .movedim(-1, 1)[:, : t.shape[1]],
        "row slice": torch.cat([t * float("nan"), t], -1)[..., t.shape[-1] :],
        "transposed": t.transpose(-1, 1).contiguous().transpose(-1, 1),
        "batch last": t.movedim(0, -1).contiguous().movedim(-1, 0),
    }
    if rank > 3:
        found["columns first"] = t.transpose(-1, -2).contiguous().transpose(-1, -2)
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("text", KINDS[1:5] + KINDS[12:17] + KINDS[21:24] + KINDS[28:36] + KINDS[-3:])
def test_layouts(text, dtype):
    """No stride changes the result by more than rounding, and the result's layout is torch's."""
    case = case_of(text)
    image, weight, *bias = (t / 8 for t in case.tensors(dtype))
    run, torchs = getattr(F, case.op), getattr(torch.nn.functional, case.op)
    expected = run(image, weight, *bias, **case.options)
    scale = float(expected.double().square().mean().sqrt())
    tolerance = {torch.float32: 3e-5, torch.float64: 1e-13, torch.bfloat16: 0.04}[dtype] * scale
    for name, other in layouts(image).items():
        got = run(other, weight, *bias, **case.options)
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance, msg=f"input {name}, {text}")
        if dtype == torch.float32 and image.dim() == 4:
            assert got.stride() == torchs(other, weight, *bias, **case.options).stride(), name
        elif image.dim() == 5 and name == "channels last":  # torch's layout depends on which of its kernels ran
            assert got.is_contiguous(memory_format=torch.channels_last_3d)
    for name, other in layouts(weight).items():
        got = run(image, other, *bias, **case.options)
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance, msg=f"weight {name}, {text}")
    if bias:
        spaced = torch.stack([bias[0], bias[0] * float("nan")], 1)[:, 0]
        torch.testing.assert_close(run(image, weight, spaced, **case.options), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("text", ["2x6x9x10, 4x6x3x3, padding 1", "2x6x9x10, 6x4x3x3, stride 2, transposed"])
def test_expanded_tensors(text):
    """Stride 0 in every argument."""
    case = case_of(text)
    image, weight, bias = case.tensors()
    run, torchs = getattr(F, case.op), getattr(torch.nn.functional, case.op)
    for dim in range(4):
        expanded = image.narrow(dim, 0, 1).expand_as(image)
        torch.testing.assert_close(run(expanded, weight, bias, **case.options),
                                   torchs(expanded, weight, bias, **case.options))  # fmt: skip
        expanded = weight.narrow(dim, 0, 1).expand_as(weight)
        torch.testing.assert_close(run(image, expanded, bias, **case.options),
                                   torchs(image, expanded, bias, **case.options))  # fmt: skip
    one = torch.ones((), dtype=torch.float64)
    got = run(one.expand_as(image), one.expand_as(weight), one.expand_as(bias), **case.options)
    torch.testing.assert_close(
        got, torchs(torch.ones_like(image), torch.ones_like(weight), torch.ones_like(bias), **case.options)
    )


@pytest.mark.parametrize("text", KINDS[4:8] + KINDS[16:18] + KINDS[28:30] + KINDS[-2:])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_arrays_of_any_stride(text, dtype):
    """Negative strides, foreign byte order, Fortran order and misaligned data reach the NumPy front only."""
    case = case_of(text)
    arrays = [(a / 8).astype(dtype) for a in case.arrays]
    run = getattr(fastcnn.ops, case.op)
    expected = run(*arrays, **case.options)
    tolerance = {np.float32: 3e-5, np.float64: 1e-12, np.float16: 2e-3}[dtype] * np.abs(expected).max()

    def misaligned(a: np.ndarray) -> np.ndarray:
        raw = np.zeros(a.nbytes + 1, np.uint8)
        raw[1:] = np.frombuffer(a.tobytes(), np.uint8)
        return raw[1:].view(a.dtype).reshape(a.shape)

    for name, change in {
        "reversed": lambda a: a[(slice(None, None, -1),) * a.ndim].copy()[(slice(None, None, -1),) * a.ndim],
        "foreign": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "fortran": np.asfortranarray,
        "misaligned": misaligned,
        "channels last": lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) if a.ndim > 1 else a,
    }.items():
        got = run(*map(change, arrays), **case.options)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance, err_msg=name)


def test_array_likes():
    image = [[[1, 2.5, 4], [0, 1, 0], [2, 2, 2]]]
    np.testing.assert_array_equal(fastcnn.ops.conv2d(image, [[[[1.0]]]], [0.5])[0], np.array(image[0]) + 0.5)


@pytest.mark.parametrize("text", KINDS[3:4] + KINDS[28:29] + KINDS[31:32] + KINDS[34:35] + KINDS[-2:])
def test_unbatched_and_empty_batches(text):
    case = case_of(text)
    image, *rest = case.tensors()
    run = getattr(F, case.op)
    whole = run(image, *rest, **case.options)
    torch.testing.assert_close(run(image[0], *rest, **case.options), whole[0])
    np.testing.assert_allclose(
        getattr(fastcnn.ops, case.op)(case.input[0], *case.arrays[1:], **case.options), whole[0], rtol=1e-12
    )
    empty = run(image[:0], *rest, **case.options)
    assert empty.shape == (0, *whole.shape[1:])
    arrays = case.arrays
    assert getattr(fastcnn.ops, case.op)(arrays[0][:0], *arrays[1:], **case.options).shape == empty.shape
    grads = [t.clone().requires_grad_() for t in (image[:0], *rest)]
    run(*grads, **case.options).sum().backward()
    assert all(float(t.grad.abs().sum()) == 0 and t.grad.shape == t.shape for t in grads)


@cache
def spoilt(text: str) -> Case:
    case, rng = case_of(text), np.random.default_rng(5)
    image = case.input.copy()
    for value in (np.nan, np.inf, -np.inf):
        image[tuple(rng.integers(0, n) for n in image.shape)] = value
    return case.with_input(image)


@pytest.mark.parametrize("name", ["direct", *(a for a in ALGORITHMS if a not in WINOGRAD)])
def test_non_finite_go_where_torch_puts_them(name):
    """To the results whose window holds them, and to no other channel, pixel or image."""
    with algorithm(name):
        for case in map(spoilt, KINDS):
            if name in ALGORITHMS and not fits(name, case.layer):
                continue
            for dtype in (torch.float32, torch.float64):
                expected, got = case.torch(dtype), case.run(dtype)
                for kind in (torch.isnan, torch.isposinf, torch.isneginf):
                    assert torch.equal(kind(got), kind(expected)), case.layer.text
                finite = expected.isfinite()
                assert_accurate(got[finite], expected[finite], what=case.layer.text)


@pytest.mark.parametrize("name", WINOGRAD)
def test_winograd_keeps_non_finite_near(name):
    """They reach the tiles of at most 4 x 4 results that see them, and no other image."""
    with algorithm(name):
        taps = 2 if name == "winograd_f3" else 3
        case = case_of(f"2x19x40x37, 21x19x{taps}x{taps}, padding 1")
        assert case.layer.algorithm(packed=False, threads=2) == name
        clean = case.run(torch.float32)
        image = case.input.copy()
        image[1, 3, 20, 11] = np.inf
        got = case.with_input(image).run(torch.float32)
        far = torch.ones_like(got, dtype=torch.bool)
        far[1, :, 20 - 5 : 20 + 6, 11 - 5 : 11 + 6] = False
        torch.testing.assert_close(got[far], clean[far])
        assert not got[1, :, 22 - taps : 22, 13 - taps : 13].isfinite().any()


def test_large_and_tiny_values():
    """No overflow on the way where the result fits, and no flush of what is normal."""
    for scale in (1e-30, 1e30):
        case = case_of("1x16x12x12, 16x16x3x3, padding 1", 3)
        case = case.with_input(case.input * scale)
        assert_accurate(case.run(torch.float32) / scale, case.torch(torch.float32) / scale)


def conv(case: Case, *tensors: torch.Tensor) -> torch.Tensor:
    return getattr(F, case.op)(*tensors, **case.options)


def test_inputs_survive():
    for case in kinds()[::5]:
        tensors = case.tensors(torch.float32)
        copies = [t.clone() for t in tensors]
        conv(case, *tensors)
        assert all(torch.equal(a, b) for a, b in zip(tensors, copies, strict=True))
