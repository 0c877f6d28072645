"""First and second derivatives: numerically in float64, and against torch's in every dtype and layout."""

import pytest
import torch

import fastcnn.ops as F
from tests.conv.cases import KINDS, assert_accurate, case_of, random_layers

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

SMALL = (
    "2x2x5, 3x2x3, padding 1",
    "1x4x7, 2x2x2, stride 2, dilation 2",
    "1x2x4x5, 3x2x3x2, padding 1",
    "1x2x6x5, 2x1x3x3, stride 2x1, padding 2x0, dilation 1x2",
    "1x3x4x4, 3x1x3x3, padding same",
    "1x2x4x3, 2x2x2x2, padding same",
    "1x2x3x4x3, 2x2x2x3x2, padding 1, stride 1x2x1",
    "2x2x4, 2x3x3, stride 2, padding 1, output_padding 1, transposed",
    "1x2x3x4, 2x3x2x2, stride 2, transposed",
    "1x4x3x2, 4x1x3x2, stride 2x3, padding 1, output_padding 1x2, dilation 2x1, groups 2, transposed",
    "1x2x2x3x2, 2x2x2x2x3, stride 2x1x2, transposed",
    "1x2x4x4, 2x2x2x2, dilation 3, output_padding 2, transposed",  # output_padding reaches past every tap
    "1x2x3, 2x2x1, stride 3, output_padding 2, transposed",
    "1x2x1x3, 2x2x1x2, padding 1, dilation 5, output_padding 3x1, transposed",  # nothing reaches the result
)


def leaves(case, dtype=torch.float64):
    return [t.requires_grad_() for t in case.tensors(dtype)]


def call(front, case):
    return lambda *tensors: getattr(front, case.op)(*tensors, **case.options)


@pytest.mark.parametrize("text", SMALL)
@pytest.mark.parametrize("batched", [True, False])
def test_gradcheck(text, batched):
    case = case_of(text)
    tensors = leaves(case)
    if not batched:
        tensors[0] = tensors[0].detach()[0].requires_grad_()
    assert torch.autograd.gradcheck(call(F, case), tensors)
    assert torch.autograd.gradgradcheck(call(F, case), tensors)


def gradients(front, case, dtype, change=lambda t: t, expanded=False):
    tensors = [t.to(dtype).requires_grad_() for t in case.tensors(torch.float64)]
    result = call(front, case)(*[change(t) if t.dim() > 1 else t for t in tensors])
    torch.manual_seed(3)
    grad = torch.randn(result.shape, dtype=torch.float64).to(dtype)
    if expanded:
        grad = grad[:, :1].expand_as(result)
    return torch.autograd.grad(result, tensors, change(grad) if not expanded else grad)


@pytest.mark.parametrize("text", [*KINDS, *random_layers(seed=2, count=60)])
def test_against_torch(text):
    """In float64 with expanded gradients too, float32 in both layouts."""
    case = case_of(text)
    for expanded in (False, True):
        theirs = gradients(torch.nn.functional, case, torch.float64, expanded=expanded)
        ours = gradients(F, case, torch.float64, expanded=expanded)
        for got, exact in zip(ours, theirs, strict=True):
            assert_accurate(got, exact, what=text, bound=1e-13)
            assert got.is_contiguous()
    exact = gradients(torch.nn.functional, case, torch.float64)
    for change in (lambda t: t, lambda t: t.movedim(1, -1).contiguous().movedim(-1, 1)):
        # Not beside torch's in float32: oneDNN crashes on strided signals shorter than their padding (torch 2.13).
        for got, expected in zip(gradients(F, case, torch.float32, change), exact, strict=True):
            assert_accurate(got, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("text", KINDS[3:5] + KINDS[16:17] + KINDS[28:29] + KINDS[-3:-2])
def test_narrow_floats(text, dtype):
    """Summed in float32 and rounded once."""
    case = case_of(text)
    for got, expected in zip(gradients(F, case, dtype), gradients(F, case, torch.float64), strict=True):
        assert got.dtype == dtype
        rms = float(expected.square().mean().sqrt())
        assert float((got.double() - expected).abs().max()) <= 8 * torch.finfo(dtype).eps * rms


@pytest.mark.parametrize("asked", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_what_is_asked_for(asked, native_calls):
    case = case_of("1x4x6x6, 5x4x3x3")
    tensors = [t.requires_grad_(wanted) for t, wanted in zip(case.tensors(), asked, strict=True)]
    result = call(F, case)(*tensors)
    calls = native_calls(lambda: result.sum().backward())
    assert [t.grad is not None for t in tensors] == list(asked)
    assert len(calls) == (0 if asked[2] else 1)


def test_a_network_learns():
    """Three layers, from noise to a mask, as with torch's own layers."""
    curves = []
    for front in (F, torch.nn.functional):
        torch.manual_seed(1)
        weights = [torch.nn.Parameter(torch.randn(s) * 0.2) for s in ((8, 1, 3, 3), (8, 8, 2, 2), (8, 1, 2, 2))]
        image = torch.randn(4, 1, 16, 16)
        optimizer = torch.optim.SGD(weights, 0.05)
        curves.append([])
        for _ in range(20):
            x = front.conv2d(image, weights[0], padding="same").relu()
            x = front.conv2d(x, weights[1], stride=2).relu()
            loss = (front.conv_transpose2d(x, weights[2], stride=2) - image).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curves[-1].append(loss.item())
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    assert curves[0][-1] < 0.98 * curves[0][0]
