"""PackedConvolution: activations, residual, scales, outputs in place, layouts, threads."""

import dataclasses
import pickle
import threading

import pytest
import torch
import torch.nn.functional as T

import fastcnn
from fastcnn import _core
from fastcnn._torch.packed import unpacked
from fastcnn.ops import PackedConvolution
from tests.conv.cases import ALGORITHMS, KINDS, algorithm, assert_accurate, case_of, fits

ACTIVATIONS = {
    "none": (0.0, lambda x: x),
    "relu": (0.0, T.relu),
    "clamp": (6.0, T.relu6),
    "leaky_relu": (0.2, lambda x: T.leaky_relu(x, 0.2)),
    "elu": (0.7, lambda x: T.elu(x, 0.7)),
    "silu": (0.0, T.silu),
    "hardswish": (0.0, T.hardswish),
    "hardsigmoid": (0.0, T.hardsigmoid),
    "sigmoid": (0.0, torch.sigmoid),
    "tanh": (0.0, torch.tanh),
    "softplus": (0.0, T.softplus),
}
LAYERS = (
    "2x19x11x13, 37x19x3x3, padding 1",
    "2x24x9x7, 18x24x1x1",
    "2x16x14x15, 24x16x3x3, stride 2, padding 1",
    "2x3x15x17, 20x3x3x3, padding 1",
    "2x33x12x10, 33x1x3x3, padding 1",
    "2x16x9x8, 24x4x3x3, padding 1",
    "2x10x33, 22x10x5",
    "1x8x5x6x7, 9x8x3x3x3, padding 1",
    "2x12x7x6, 12x11x2x2, stride 2, transposed",
    "1x16x9x8, 16x20x3x3, stride 2, padding 1, output_padding 1, transposed",  # phases of 2x2, 2x1, 1x2 and 1x1
    "1x12x7x9, 12x17x5x5, stride 2, padding 2, output_padding 1, transposed",  # phases of 3x3, 3x2, 2x3 and 2x2
    "2x8x5x6, 8x6x3x3, stride 3, padding 1, output_padding 2, groups 2, transposed",
    "1x6x4x5, 6x5x1x1, stride 2, output_padding 1, transposed",  # phases that no tap reaches
    "1x6x1x5, 6x5x3x3, stride 4, padding 1, transposed",  # fewer rows than phases
    "1x33x2x5, 33x8x1x1, stride 2, padding 1, transposed",  # the only row is of a phase that no tap reaches
)


def spread(values, dims):
    return values.reshape(*values.shape, *[1] * dims)


def last(t):
    return t.movedim(1, -1).contiguous().movedim(-1, 1)


def packed(case, dtype=torch.float32, **more):
    weight, *bias = case.tensors(dtype)[1:]
    return PackedConvolution(weight, *bias, transposed=case.layer.transposed, **case.options, **more)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("text", LAYERS)
def test_epilogue(text, activation):
    """By every algorithm: activation(conv(input * input_scale) + bias + residual) * scale, any of them left out."""
    case, dims = case_of(text), case_of(text).layer.dims
    alpha, function = ACTIVATIONS[activation]
    image, weight, bias = case.tensors()
    # Values on both sides of every activation's corners.
    weight = weight / (case.layer.flops / 2 / torch.tensor(case.layer.output).prod()) ** 0.5 * 4
    generator = torch.Generator().manual_seed(0)
    residual = torch.randn(case.layer.output, generator=generator).double()
    scale = torch.rand(case.layer.output[:2], generator=generator).double() - 0.3
    input_scale = torch.rand(case.layer.input[:2], generator=generator).double()
    names = [name for name in ALGORITHMS if fits(name, case.layer)]
    convolve = getattr(T, case.op)
    for use in ({}, {"residual": residual}, {"scale": scale}, {"input_scale": input_scale},
                {"residual": residual, "scale": scale, "input_scale": input_scale}):  # fmt: skip
        scaled = image * spread(input_scale, dims) if "input_scale" in use else image
        exact = convolve(scaled, weight, bias, **case.options)
        exact = function(exact + use.get("residual", 0)) * (spread(scale, dims) if "scale" in use else 1)
        for dtype in (torch.float32, torch.float64):
            for name in names:
                with algorithm(name):
                    layer = PackedConvolution(weight.to(dtype), bias.to(dtype), transposed=case.layer.transposed,
                                              activation=activation, alpha=alpha, **case.options)  # fmt: skip
                    got = layer(last(image.to(dtype)), **{k: v.to(dtype) for k, v in use.items()})
                    assert name not in layer.algorithm(image.shape) or dtype == torch.float64 or name in layer._packed
                    assert_accurate(
                        got, exact, what=f"{name} {list(use)}", bound=3e-5 if dtype == torch.float32 else 1e-13
                    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["auto", *ALGORITHMS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_of_extreme_values(activation, name, dtype):
    """As torch's: at infinities, NaN, zeros and where exponentials overflow or vanish."""
    alpha, function = ACTIVATIONS[activation]
    values = [0.0, -0.0, 1e-30, -1e-30, 1e-8, -1e-8, 0.5, -0.5, 3.0, -3.0, 6.0, 19.99, 20.01, -20.0, 88.0, -88.0, 89.0,
              -89.0, 104.0, -104.0, 710.0, -710.0, 1e4, -1e4, 1e30, -1e30, float("inf"), -float("inf"),
              float("nan")]  # fmt: skip
    image = torch.tensor(values, dtype=dtype).reshape(1, 1, 1, -1)
    with algorithm(name):
        got = PackedConvolution(torch.ones(1, 1, 1, 1, dtype=dtype), activation=activation, alpha=alpha)(image)
    # vector_math.inl is within 2.5 ulp, torch within 1. x sigmoid(x) loses what its sigmoid loses below the smallest
    # normal number, |x| times that; from |x| = 746 on nothing is left in float64 either.
    rtol, atol = 3.5 * torch.finfo(dtype).eps, 746 * torch.finfo(dtype).tiny
    torch.testing.assert_close(got, function(image), rtol=rtol, atol=atol, equal_nan=True)


@pytest.mark.parametrize("text", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_equals_the_unpacked_op(text, dtype):
    case = case_of(text)
    image, weight, bias = (t / 8 for t in case.tensors(dtype))
    layer = PackedConvolution(weight, bias, transposed=case.layer.transposed, **case.options)
    run = getattr(fastcnn.ops, case.op)
    for x in (image, last(image)):
        got, expected = layer(x), run(x, weight, bias, **case.options)
        assert got.dtype == dtype
        assert got.stride() == expected.stride()
        tolerance = 3e-5 if dtype in (torch.float32, torch.float64) else 2 * torch.finfo(dtype).eps
        assert_accurate(got.double(), expected.double(), bound=tolerance * 4)
    assert layer(image[:0]).shape == (0, *case.layer.output[1:])


@pytest.mark.parametrize("text", LAYERS)
def test_out_is_any_slice(text):
    """A channel slice of a concatenation, a spatial window, another layout; nothing beside it is touched."""
    case = case_of(text)
    layer, image = packed(case, activation="relu"), case.tensors(torch.float32)[0]
    expected = layer(image)
    n, filters, *size = case.layer.output
    for x in (image, last(image)):
        for make in (last, torch.Tensor.contiguous):
            whole = make(torch.full((n, filters + 7, *[s + 3 for s in size]), -1.0))
            window = (slice(None), slice(3, 3 + filters), *(slice(1, 1 + s) for s in size))
            got = layer(x, out=whole[window])
            assert got.data_ptr() == whole[window].data_ptr()
            assert_accurate(got, expected)
            whole[window] = -1
            assert bool((whole == -1).all())
    backwards = torch.empty(expected.shape).transpose(-1, 1).contiguous().transpose(-1, 1)
    assert_accurate(layer(image, out=backwards), expected)
    for x in (image, last(image)):  # accumulates in place
        residual = torch.randn_like(layer(x))
        wanted = layer(x, residual=residual)
        assert torch.equal(layer(x, residual=residual, out=residual), wanted)
        wide = torch.randn(n, 2 * filters, *size).to(memory_format=torch.channels_last) if len(size) == 2 else None
        if wide is not None:  # beside the result in each pixel, and over half of it
            for first in (filters, filters // 2):
                part = wide[:, first : first + filters]
                wanted = layer(x, residual=part.clone())
                assert torch.equal(layer(x, residual=part, out=wide[:, :filters]), wanted)


def test_packed_weights_are_portable_and_lazy():
    """Packed once per algorithm, whatever the image's size; more only where an image asks for another algorithm."""
    case = case_of(LAYERS[0])
    layer = packed(case)
    assert not layer._packed
    layer(case.tensors(torch.float32)[0])
    first = dict(layer._packed)
    assert len(first) == 1
    layer(torch.randn(1, 19, 40, 50))
    for name, values in first.items():
        assert layer._packed[name] is values
        assert values.numel() == _core.packed_conv_size(*case.layer.arguments[1:6], False, False, name)
        assert torch.equal(values, packed(case).packed(name))


def test_drop_weight_serves_every_size():
    case = case_of(LAYERS[0])
    layer = packed(case)
    image = case.tensors(torch.float32)[0]
    expected = layer(image)
    layer.drop_weight()
    assert torch.equal(layer(image), expected)
    for size in ((1, 19, 3, 3), (5, 19, 40, 8)):
        other = torch.randn(size)
        assert_accurate(layer(other), T.conv2d(other.double(), *[t.double() for t in case.tensors()[1:]], padding=1))
    assert len(layer._packed) == 1


def test_it_follows_the_setting():
    case = case_of(LAYERS[0])
    layer, image = packed(case), case.tensors(torch.float32)[0]
    for name in ALGORITHMS:
        if fits(name, case.layer):
            with algorithm(name):
                assert layer.plan(image)[0] == name


def test_threads_share_one():
    """Calls from several threads, of sizes that want different algorithms, while the weight is packed."""
    case = case_of(LAYERS[0])
    images = [torch.randn(1, 19, n, n) for n in (3, 7, 14, 28, 40)]
    expected = [packed(case)(image) for image in images]
    layer, failures = packed(case), []

    def work(seed):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).tolist()
        for i in order * 3:
            if not torch.equal(layer(images[i]), expected[i]):
                failures.append(i)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


@pytest.mark.parametrize("text", KINDS[:12] + KINDS[14:20] + KINDS[-6:])
def test_packed_once_equals_packed_each_time(text):
    """For each algorithm, bit for bit: the weight does not know the image."""
    case = case_of(text)
    image = last(case.tensors(torch.float32)[0])
    weight, *bias = case.tensors(torch.float32)[1:]
    for name in ALGORITHMS:
        if fits(name, case.layer):
            with algorithm(name):
                got = packed(case)(image)
                assert torch.equal(got, getattr(fastcnn.ops, case.op)(image, weight, *bias, **case.options)), name


def test_the_weight_is_not_kept_alive_by_autograd():
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    layer = PackedConvolution(weight, torch.zeros(4, requires_grad=True))
    assert not layer(torch.randn(1, 3, 5, 5)).requires_grad


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"residual": torch.zeros(1, 4, 3, 4)}, ValueError, r"conv2d: expected residual of shape \(1, 4, 3, 3\)"),
        ({"scale": torch.zeros(4)}, ValueError, r"conv2d: expected scale of shape \(1, 4\), got \(4,\)"),
        ({"input_scale": torch.zeros(1, 4)}, ValueError, r"conv2d: expected input_scale of shape \(1, 3\)"),
        ({"residual": torch.zeros(1, 4, 3, 3).double()}, TypeError, "expected residual of the input's dtype float32"),
        ({"out": torch.zeros(1, 4, 3, 4)}, ValueError, r"conv2d: expected dst of shape|conv2d: expected out of shape"),
        ({"out": torch.zeros(1, 4, 3, 3).double()}, TypeError, "dtype float32, got float64"),
    ],
)
def test_wrong_arguments_of_a_call(arguments, kind, text):
    layer = PackedConvolution(torch.randn(4, 3, 3, 3))
    with pytest.raises(kind, match=text):
        layer(torch.randn(1, 3, 5, 5), **arguments)


@pytest.mark.parametrize(
    ("image", "kind", "text"),
    [
        (torch.zeros(1, 2, 5, 5), ValueError, "conv2d: expected input of 3 channels"),
        (torch.zeros(1, 3, 2, 5), ValueError, "conv2d: expected input of at least the kernel's extent"),
        (torch.zeros(1, 3, 5), ValueError, r"conv2d: expected input of shape \(N, C, H, W\)"),
        (torch.zeros(3, 5, 5), ValueError, r"conv2d: expected input of shape \(N, C, H, W\)"),
        (torch.zeros(1, 3, 5, 5).double(), TypeError, "dtype"),
        (torch.zeros(1, 3, 5, 5).int(), TypeError, "dtype"),
    ],
)
def test_wrong_inputs(image, kind, text):
    with pytest.raises(kind, match=text):
        PackedConvolution(torch.randn(4, 3, 3, 3))(image)


def test_wrong_constructions():
    with pytest.raises(fastcnn.ArgumentError, match=r'expected activation to be one of .*, got "?gelu'):
        PackedConvolution(torch.randn(4, 3, 3, 3), activation="gelu")(torch.zeros(1, 3, 5, 5))
    with pytest.raises(fastcnn.ArgumentError, match=r"padding to be integers, got 'same'"):
        PackedConvolution(torch.randn(4, 3, 3, 3), transposed=True, padding="same")
    with pytest.raises(fastcnn.ArgumentError, match="weight of 3 to 5 dimensions"):
        PackedConvolution(torch.randn(4, 3))
    with pytest.raises(fastcnn.ArgumentError, match=r"bias of shape \(4,\)"):
        PackedConvolution(torch.randn(4, 3, 3, 3), torch.zeros(3))(torch.zeros(1, 3, 5, 5))


def test_wrong_packed_weights():
    """Arguments that a damaged or untrusted program may pass to the op."""
    layer = PackedConvolution(torch.randn(4, 3, 3, 3))
    image = torch.randn(1, 3, 5, 5)
    name = layer.plan(image)[0]
    good = (layer.packed(name), None, None, None, None, [4, 3, 3, 3], [1, 1], [0] * 4, [1, 1], 1, [], "none", 0.0, name)

    def call(**changes):
        position = {"packed": 0, "weight_size": 5, "stride": 6, "padding": 7, "dilation": 8, "groups": 9, "name": 13}
        arguments = list(good)
        for key, value in changes.items():
            arguments[position[key]] = value
        return torch.ops.fastcnn.packed_convolution(image, *arguments)

    assert torch.equal(call(), layer(image))
    for changes in (
        {"packed": good[0][:-1]},
        {"packed": good[0].double()},
        {"packed": good[0].repeat_interleave(2)[::2]},
        {"weight_size": [4, 3, 3]},
        {"weight_size": [40, 3, 3, 3]},
        {"weight_size": [4, 3, 3, -3]},
        {"weight_size": []},
        {"stride": [1]},
        {"stride": []},
        {"padding": [0, 0]},
        {"dilation": [0, 1]},
        {"groups": 0},
        {"groups": 2},
        {"name": "fft"},
    ):
        with pytest.raises(RuntimeError, match=r"\[fastcnn"):
            call(**changes)


def test_it_pickles_with_its_weight():
    layer = packed(case_of(LAYERS[0]), activation="relu")
    image = case_of(LAYERS[0]).tensors(torch.float32)[0]
    expected = layer(image)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(image), expected)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("text", [*LAYERS, KINDS[-3]])
def test_unpacked(text, dtype, name):
    """The weight again: what is only moved to the bit, what is transformed to rounding."""
    case = case_of(text)
    if not fits(name, dataclasses.replace(case.layer, dtype=str(dtype).removeprefix("torch."))):
        pytest.skip("does not fit")
    weight = case.tensors(dtype)[1]
    convolve = packed(case, dtype)
    got = unpacked(
        convolve.packed(name), convolve.weight_size, convolve.geometry, convolve.groups, convolve.transposed, name
    )
    if name.startswith("winograd"):
        torch.testing.assert_close(got, weight, rtol=0, atol=1e-6 * float(weight.abs().max()))
    else:
        assert torch.equal(got, weight)
