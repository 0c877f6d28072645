"""Arguments that torch rejects raise an error that names op and argument, for arrays and tensors."""

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops
import fastcnn.ops as F
from fastcnn import ArgumentError
from tests.conv.cases import ALGORITHMS, algorithm

HUGE = 2**62
IMAGE, WEIGHT, TRANSPOSED = (1, 4, 5, 5), (6, 4, 3, 3), (4, 6, 3, 3)
# (op, input's shape, weight's shape, more arguments, exception, text). torch raises for each, or cannot be asked.
ERRORS = [
    ("conv2d", IMAGE, WEIGHT, {"groups": 0}, ArgumentError, "conv2d: expected groups of at least 1, got 0"),
    ("conv2d", IMAGE, WEIGHT, {"groups": -2}, ArgumentError, "conv2d: expected groups of at least 1, got -2"),
    ("conv2d", IMAGE, WEIGHT, {"groups": 3}, ArgumentError, r"4 channels per group \(groups = 3"),
    ("conv2d", IMAGE, (5, 2, 3, 3), {"groups": 2}, ArgumentError, "first dimension to be divisible by groups = 2"),
    ("conv2d", IMAGE, WEIGHT, {"groups": 1.0}, TypeError, "conv2d: expected groups to be an int, got float"),
    ("conv2d", IMAGE, WEIGHT, {"groups": HUGE}, ArgumentError, "conv2d: expected "),
    ("conv2d", IMAGE, WEIGHT, {"stride": 0}, ArgumentError, "conv2d: expected stride of at least 1, got 0"),
    ("conv2d", IMAGE, WEIGHT, {"stride": (1, -1)}, ArgumentError, "conv2d: expected stride of at least 1, got -1"),
    ("conv2d", IMAGE, WEIGHT, {"stride": (1, 1, 1)}, ArgumentError, "expected stride of 1 or 2 values, got 3"),
    ("conv2d", IMAGE, WEIGHT, {"stride": ()}, ArgumentError, "expected stride of 1 or 2 values, got 0"),
    ("conv2d", IMAGE, WEIGHT, {"stride": 1.5}, TypeError, "conv2d: expected stride of integers, got 1.5"),
    ("conv2d", IMAGE, WEIGHT, {"stride": "same"}, TypeError, "conv2d: expected stride of integers, got 'same'"),
    ("conv2d", IMAGE, WEIGHT, {"stride": None}, TypeError, "conv2d: expected stride of integers, got None"),
    ("conv2d", IMAGE, WEIGHT, {"padding": -1}, ArgumentError, "expected padding of at least 0 and at most .*, got -1"),
    ("conv2d", IMAGE, WEIGHT, {"padding": True}, TypeError, "conv2d: expected padding of integers, got True"),
    ("conv2d", IMAGE, WEIGHT, {"padding": "full"}, ArgumentError, 'expected padding to be integers, "same" or "valid"'),
    ("conv2d", IMAGE, WEIGHT, {"padding": "same", "stride": 2}, ArgumentError, 'expected stride 1 for padding="same"'),
    ("conv2d", IMAGE, WEIGHT, {"dilation": 0}, ArgumentError, "conv2d: expected dilation of at least 1, got 0"),
    ("conv2d", IMAGE, WEIGHT, {"dilation": 3}, ArgumentError, "under an extent of 7"),
    ("conv2d", (1, 3, 5, 5), WEIGHT, {}, ArgumentError, "conv2d: expected input of 4 channels per group"),
    ("conv2d", (5, 5), WEIGHT, {}, ArgumentError, r"input of shape \(N, C, H, W\) or \(C, H, W\), got \(5, 5\)"),
    ("conv2d", (1, 1, 4, 5, 5), WEIGHT, {}, ArgumentError, "conv2d: expected input of shape"),
    ("conv2d", IMAGE, (4, 3, 3), {}, ArgumentError, r"conv2d: expected weight of 4 dimensions, got \(4, 3, 3\)"),
    ("conv2d", IMAGE, (6, 4, 6, 3), {}, ArgumentError, "input of at least the kernel's extent, got a padded size of 5"),
    ("conv2d", (1, 4, 0, 5), WEIGHT, {}, ArgumentError, "conv2d: expected input without empty spatial dimensions"),
    ("conv2d", (1, 4, 0, 5), WEIGHT, {"padding": 2}, ArgumentError, "expected input without empty spatial dimensions"),
    ("conv2d", IMAGE, (0, 4, 3, 3), {}, ArgumentError, "conv2d: expected weight without empty dimensions"),
    ("conv2d", IMAGE, (6, 4, 0, 3), {}, ArgumentError, "conv2d: expected weight without empty dimensions"),
    ("conv2d", IMAGE, WEIGHT, {"bias": (5,)}, ArgumentError, r"conv2d: expected bias of shape \(6,\), got \(5,\)"),
    ("conv2d", IMAGE, WEIGHT, {"bias": (1, 6)}, ArgumentError, r"conv2d: expected bias of shape \(6,\), got \(1, 6\)"),
    ("conv1d", (4, 9), (6, 3, 3), {}, ArgumentError, "conv1d: expected input of 3 channels"),
    ("conv3d", IMAGE, (6, 4, 3, 3), {}, ArgumentError, "conv3d: expected weight of 5 dimensions"),
    ("conv3d", (1, 2, 3, 4, 5), (6, 2, 3, 3, 6), {}, ArgumentError, "conv3d: expected input of at least the kernel's"),
    ("conv2d", IMAGE, WEIGHT, {"padding": HUGE}, ArgumentError, "padding of at least 0 and at most 274877906944"),
    ("conv2d", IMAGE, WEIGHT, {"padding": 2**63 - 1}, ArgumentError, "padding of at least 0 and at most "),
    ("conv2d", IMAGE, WEIGHT, {"padding": 2**31}, ArgumentError, "is too large"),
    ("conv2d", IMAGE, WEIGHT, {"dilation": HUGE}, ArgumentError, "conv2d: expected "),
    ("conv2d", IMAGE, WEIGHT, {"dilation": HUGE, "padding": "same"}, ArgumentError, "conv2d: "),
    ("conv2d", IMAGE, WEIGHT, {"padding": 2**63}, ArgumentError, "conv2d: expected padding to fit in 64 bits"),
    ("conv2d", IMAGE, WEIGHT, {"stride": 10**30}, ArgumentError, "conv2d: expected stride to fit in 64 bits"),
    ("conv_transpose2d", IMAGE, WEIGHT, {}, ArgumentError, "conv_transpose2d: expected input of 6 channels"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"groups": 3}, ArgumentError, "divisible by groups = 3"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"bias": (4,)}, ArgumentError, r"bias of shape \(6,\), got \(4,\)"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"output_padding": 1}, ArgumentError, "output_padding at least 0"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"stride": 2, "output_padding": -1}, ArgumentError, "output_padding at"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"output_padding": (0, 0, 0)}, ArgumentError, "output_padding of 1 or 2"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"padding": 5}, ArgumentError, "conv_transpose2d: expected an output size"),
    ("conv_transpose2d", (1, 4, 1, 1), (4, 6, 2, 2), {"padding": 1}, ArgumentError, "at least 1, got 0"),
    ("conv_transpose2d", (1, 4, 0, 5), TRANSPOSED, {}, ArgumentError, "conv_transpose2d: expected "),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"padding": "same"}, ArgumentError, "expected padding to be integers"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"stride": 0}, ArgumentError, "conv_transpose2d: expected "),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"dilation": 0}, ArgumentError, "conv_transpose2d: expected "),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"stride": HUGE}, ArgumentError, "sizes whose products fit in 64 bits"),
    ("conv_transpose2d", IMAGE, TRANSPOSED, {"stride": 2**40}, ArgumentError, "output_size of at most"),
    ("conv_transpose1d", (4, 9), (3, 3, 3), {}, ArgumentError, "conv_transpose1d: expected input of 3 channels"),
    ("conv_transpose3d", IMAGE, TRANSPOSED, {}, ArgumentError, "conv_transpose3d: expected weight of 5 dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "input", "weight", "options", "kind", "text"), ERRORS)
def test_wrong_arguments(op, input, weight, options, kind, text):
    options = dict(options)
    bias = options.pop("bias", None)
    arrays = [np.zeros(s, np.float32) for s in (input, weight, *([bias] if bias else []))]
    with pytest.raises(kind, match=text):
        getattr(fastcnn.ops, op)(*arrays, **options)
    tensors = [torch.from_numpy(a) for a in arrays]
    with pytest.raises(kind, match=text):
        getattr(F, op)(*tensors, **options)
    # torch asks for the memory of the one, and wraps round at the other.
    if options not in ({"padding": 2**31}, {"dilation": HUGE}):
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            getattr(torch.nn.functional, op)(*tensors, **options)


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
def test_dtypes(op):
    """One floating dtype for all."""
    weight = WEIGHT if op == "conv2d" else TRANSPOSED
    for front, make in ((fastcnn.ops, np.zeros), (F, lambda shape, dtype: torch.zeros(shape, dtype=dtype))):
        f32, f64, i32 = (np.float32, np.float64, np.int32) if make is np.zeros else (torch.float32, torch.float64,
                                                                                     torch.int32)  # fmt: skip
        run = getattr(front, op)
        with pytest.raises(TypeError, match=f"{op}: expected weight of the input's dtype float32, got float64"):
            run(make(IMAGE, f32), make(weight, f64))
        with pytest.raises(TypeError, match=f"{op}: expected bias of the input's dtype float64, got float32"):
            run(make(IMAGE, f64), make(weight, f64), make((6,), f32))
        with pytest.raises(TypeError, match=f"{op}: expected input of dtype .*, got int32"):
            run(make(IMAGE, i32), make(weight, i32))
    with pytest.raises(TypeError, match=f"{op}: expected input of dtype .*, got complex64"):
        getattr(F, op)(torch.zeros(IMAGE, dtype=torch.complex64), torch.zeros(weight, dtype=torch.complex64))


def test_kinds():
    for other in (torch.zeros(WEIGHT), [[1.0]]):
        kinds = r"input of \S*, weight of \S*"
        with pytest.raises(TypeError, match=f"conv2d: expected arrays only or tensors only, got {kinds}"):
            F.conv2d(np.zeros(IMAGE) if isinstance(other, torch.Tensor) else torch.zeros(IMAGE), other)
    with pytest.raises(TypeError, match=r"conv2d: expected arrays only or tensors only, got .* bias of numpy\.ndarray"):
        F.conv2d(torch.zeros(IMAGE), torch.zeros(WEIGHT), 1.0)
    with pytest.raises(TypeError, match=r"conv2d: expected input .*dtype"):
        fastcnn.ops.conv2d(np.full(IMAGE, "a"), np.full(WEIGHT, "a"))
    with pytest.raises(TypeError, match="conv2d: expected weight to be an array or a tensor, got NoneType"):
        fastcnn.ops.conv2d(np.zeros(IMAGE), None)


def test_devices():
    image, weight = torch.zeros(IMAGE), torch.zeros(WEIGHT)
    with pytest.raises(TypeError, match="conv2d: expected weight on the input's device cpu, got meta"):
        F.conv2d(image, weight.to("meta"))
    with pytest.raises(TypeError, match="conv2d: expected bias on the input's device cpu, got meta"):
        F.conv2d(image, weight, torch.zeros(6, device="meta"))
    with pytest.raises(
        fastcnn.BackendError, match=r"convolution: expected strided tensors .*, got a sparse_coo one on cpu"
    ):
        F.conv2d(image.to_sparse(), weight)
    assert F.conv2d(image.to("meta"), weight.to("meta")).shape == (1, 6, 3, 3)


def test_numbers_of_any_kind():
    """NumPy's integers, and one number in a sequence for all dimensions, as torch takes them."""
    image, weight = torch.randn(IMAGE), torch.randn(WEIGHT)
    expected = F.conv2d(image, weight, stride=2, padding=1)
    for two, one in ((np.int64(2), np.uint8(1)), ([2], (1,)), (torch.Size([2, 2]), [np.int32(1), 1])):
        assert torch.equal(F.conv2d(image, weight, stride=two, padding=one), expected)
        got = fastcnn.ops.conv2d(image.numpy(), weight.numpy(), stride=two, padding=one)
        np.testing.assert_array_equal(got, expected)


def test_huge_steps_that_fit():
    """One result: the stride is never taken."""
    image, weight = torch.randn(IMAGE), torch.randn(WEIGHT)
    for name in ("auto", *ALGORITHMS):
        with algorithm(name):
            got = F.conv2d(image, weight, stride=HUGE)
            torch.testing.assert_close(got, torch.nn.functional.conv2d(image, weight)[:, :, :1, :1])


def test_a_huge_dilation_of_one_tap():
    image, weight = torch.randn(2, 3, 10), torch.randn(3, 4, 1)
    got = F.conv_transpose1d(image, weight, dilation=2**63 - 1)
    torch.testing.assert_close(got, torch.nn.functional.conv_transpose1d(image, weight))


@pytest.mark.parametrize("step", [2**20, 2**36])
def test_taps_far_apart(step):
    """Only the middle tap of three meets the image."""
    image, weight = torch.randn(2, 8, 12), torch.randn(16, 8, 3)
    grad = torch.randn(2, 16, 12)
    expected = torch.nn.functional.conv1d(image, weight[:, :, 1:2])
    for name in ("auto", *ALGORITHMS):
        with algorithm(name):
            x, w = image.clone().requires_grad_(), weight.clone().requires_grad_()
            got = F.conv1d(x, w, padding=step, dilation=step)
            torch.testing.assert_close(got, expected)
            got.backward(grad)
    torch.testing.assert_close(x.grad, torch.nn.functional.conv_transpose1d(grad, weight[:, :, 1:2]))
    torch.testing.assert_close(w.grad[:, :, 1], torch.einsum("nkl,ncl->kc", grad, image))
    assert not w.grad[:, :, ::2].any()


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize(
    ("padding", "stride", "dilation"), [((3, 40), (1, 1), (1, 40)), ((0, 99), (1, 70), (1, 35)), ((2, 0), (9, 9), 1)]
)
def test_gradients_of_sparse_taps(padding, stride, dilation, groups):
    image, weight = torch.randn(2, 6, 9, 10), torch.randn(12, 6 // groups, 3, 3)
    pairs = []
    for conv in (F.conv2d, torch.nn.functional.conv2d):
        x, w = image.clone().requires_grad_(), weight.clone().requires_grad_()
        y = conv(x, w, None, stride, padding, dilation, groups)
        y.backward(torch.linspace(-1, 1, y.numel()).view(y.shape))
        pairs.append((y.detach(), x.grad, w.grad))
    for ours, expected in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)


def test_set_conv_algorithm():
    for name in ("", "Auto", "fft", "winograd_f9"):
        with pytest.raises(ArgumentError, match="set_conv_algorithm: expected one of auto, direct, winograd"):
            fastcnn.set_conv_algorithm(name)
    assert fastcnn.get_conv_algorithm() == "auto"
    for name in ("direct", "winograd", *ALGORITHMS):
        with algorithm(name):
            assert fastcnn.get_conv_algorithm() == name
    assert ALGORITHMS[-1] == "reference"


def test_the_environment_sets_the_algorithm():
    from tests.package.test_import import run

    show = "import fastcnn; print(fastcnn.get_conv_algorithm())"
    assert run(show, FASTCNN_CONV_ALGORITHM="direct").stdout.strip() == "direct"
    over = "import fastcnn; fastcnn.set_conv_algorithm('auto'); print(fastcnn.get_conv_algorithm())"
    assert run(over, FASTCNN_CONV_ALGORITHM="direct").stdout.strip() == "auto"
    assert "FASTCNN_CONV_ALGORITHM: expected one of" in run(show, FASTCNN_CONV_ALGORITHM="fft").stderr
