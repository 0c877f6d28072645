"""The bound of "auto": 3e-5 of the output's root mean square, or twice torch's own error, on every kind of input."""

import pytest
import torch

import fastcnn.ops as F
from fastcnn.ops._conv_layer import Layer
from tests.conv.cases import ALGORITHMS, algorithm, assert_accurate, fits

LAYERS = (
    "1x64x56x56, 64x64x3x3, padding 1",
    "1x128x28x28, 128x128x3x3, padding 1",
    "1x256x14x14, 256x256x3x3, padding 1",
    "1x512x7x7, 256x512x3x3, padding 1",
    "8x128x7x7, 96x128x3x3, padding 1",
    "1x32x96x100, 32x32x3x3, padding 1",
    "1x64x29x31, 64x32x3x3, padding 1, groups 2",
    "1x1024x14x14, 64x1024x1x1",
    "1x64x28x28, 128x64x3x3, stride 2, padding 1",
    "1x3x64x64, 64x3x7x7, stride 2, padding 3",
    "1x96x40x40, 96x1x5x5, padding 2",
    "1x128x24x24, 64x128x3x3, dilation 2, padding 2",
    "1x256x12x12, 256x128x4x4, stride 2, padding 1, transposed",
    "1x256x300, 128x256x5, padding 2",
    "1x256x1000, 256x256x7, padding 3",
    "1x64x500, 64x64x3, padding 1",
    "1x32x8x20x20, 32x32x3x3x3, padding 1",
)


def inputs(kind: str, layer: Layer) -> tuple[torch.Tensor, torch.Tensor]:
    """Random numbers; what stands behind a ReLU; a large mean that the filters cancel; large steps."""
    weight = torch.randn(layer.weight)
    image = torch.randn(layer.input)
    if kind == "activations":
        image = torch.relu(image + 0.3) * torch.rand(1, layer.input[1], *[1] * layer.dims) * 5
    elif kind == "large mean":
        image = image + 100
        weight = weight - weight.mean([1, *range(2, weight.dim())], keepdim=True)
    elif kind == "steps":
        image = torch.sign(image.cumsum(-1)) * 1000 + image
    return image, weight


def worst_of_torch(layer, image, weight, options, exact):
    """The less exact of torch's results in its layouts. A signal has one."""
    convolve = getattr(torch.nn.functional, layer.op)
    layouts = [torch.contiguous_format]
    if layer.dims > 1:
        layouts.append(torch.channels_last_3d if layer.dims == 3 else torch.channels_last)
    found = [convolve(image.contiguous(memory_format=f), weight, **options) for f in layouts]
    return max(found, key=lambda f: float((f - exact).abs().max()))


@pytest.mark.parametrize("kind", ["random", "activations", "large mean", "steps"])
@pytest.mark.parametrize("text", LAYERS)
def test_bound(text, kind):
    layer = Layer.parse(text)
    options = {**layer.options, "groups": layer.groups}
    image, weight = inputs(kind, layer)
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(image.dim(), torch.contiguous_format)
    torchs = getattr(torch.nn.functional, layer.op)
    exact = torchs(image.double(), weight.double(), **options)
    theirs = worst_of_torch(layer, image, weight, options, exact)
    names = ["auto", *(name for name in ALGORITHMS if fits(name, layer) and name != "reference")]
    for name in names:
        with algorithm(name):
            ours = getattr(F, layer.op)(image.contiguous(memory_format=last), weight, **options)
            assert_accurate(ours, exact, theirs, name)
            packed = F.PackedConvolution(weight, transposed=layer.transposed, **options)(image)
            assert_accurate(packed, exact, theirs, f"{name}, packed")


@pytest.mark.parametrize("kind", ["random", "activations", "large mean", "steps"])
@pytest.mark.parametrize("text", LAYERS[:3] + LAYERS[4:6] + LAYERS[7:10] + LAYERS[12:13])
def test_gradients_keep_the_bound(text, kind):
    layer = Layer.parse(text)
    options = {**layer.options, "groups": layer.groups}
    image, weight = (t.requires_grad_() for t in inputs(kind, layer))
    torchs = getattr(torch.nn.functional, layer.op)
    grad = torch.randn(layer.output)
    ours = torch.autograd.grad(getattr(F, layer.op)(image, weight, **options), (image, weight), grad)
    theirs = torch.autograd.grad(torchs(image, weight, **options), (image, weight), grad)
    wide = image.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    exact = torch.autograd.grad(torchs(*wide, **options), wide, grad.double())
    for o, t, e in zip(ours, theirs, exact, strict=True):
        assert_accurate(o, e, t)
