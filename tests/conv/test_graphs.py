"""The convolutions under opcheck, compile, export, vmap, torch.func and autocast."""

import itertools

import pytest
import torch

import fastcnn.ops as F
from fastcnn import _core
from tests.conv.cases import case_of

OPS = (
    "2x4x9, 6x4x3, padding 1",
    "2x4x9x8, 6x2x3x3, stride 2, padding 1, groups 2",
    "2x5x6x7, 5x1x3x3, padding same",
    "1x3x4x5x6, 4x3x3x3x3, padding 1",
    "2x4x9, 4x6x3, stride 2, padding 1, output_padding 1, transposed",
    "2x4x5x6, 4x3x2x2, stride 2, groups 2, transposed",
    "1x3x3x4x5, 3x4x2x2x2, stride 2, transposed",
)


def call(case, *tensors, front=F):
    return getattr(front, case.op)(*tensors, **case.options)


@pytest.mark.parametrize(
    ("text", "layout"), [*((text, "contiguous") for text in OPS), (OPS[1], "channels last"), (OPS[5], "channels last")]
)
def test_opcheck_of_every_op(text, layout, native_calls):
    """Forward and backward, and the ops that backward's backward calls."""
    case = case_of(text)
    tensors = case.tensors(torch.float32)
    if layout == "channels last":
        tensors[:2] = [t.movedim(1, -1).contiguous().movedim(-1, 1) for t in tensors[:2]]
    tensors = [t.requires_grad_() for t in tensors]

    def run():
        result = call(case, *tensors)
        grads = torch.autograd.grad(result, tensors, torch.ones_like(result), create_graph=True)
        torch.autograd.grad(sum(g.square().sum() for g in grads), tensors, allow_unused=True)

    calls = native_calls(run)
    names = {op.__name__.split(".")[0] for op, _ in calls}
    assert names == {"convolution", "convolution_transpose", "_convolution_weight_grad"}
    # The last call of each is the one of the second derivative.
    for op, args in dict(calls).items():
        torch.library.opcheck(
            op, tuple(a.detach().requires_grad_() if isinstance(a, torch.Tensor) else a for a in args)
        )


@pytest.mark.parametrize("text", OPS)
def test_opcheck_of_packed_ops(text, native_calls):
    case = case_of(text)
    image, weight, *bias = case.tensors(torch.float32)
    convolve = F.PackedConvolution(
        weight, *bias, transposed=case.layer.transposed, activation="elu", alpha=0.5, **case.options
    )
    more = {"residual": torch.randn(case.layer.output), "scale": torch.rand(case.layer.output[:2]),
            "input_scale": torch.rand(case.layer.input[:2])}  # fmt: skip
    calls = native_calls(lambda: (convolve(image), convolve(image, **more), convolve(image, out=more["residual"])))
    names = [op.__name__.split(".")[0] for op, _ in calls]
    assert names == ["_pack_convolution", "packed_convolution", "packed_convolution", "packed_convolution_out"]
    for op, args in calls:
        torch.library.opcheck(op, args)


def test_packed_convolution_says_that_it_has_no_gradient():
    convolve = F.PackedConvolution(torch.randn(2, 2, 3, 3))
    result = convolve(torch.randn(1, 2, 5, 5, requires_grad=True))
    with pytest.raises(NotImplementedError, match="packed_convolution has no gradient"):
        result.sum().backward()


@pytest.mark.parametrize("text", OPS[1:6])
def test_compile(text):
    """One graph for any batch and size, with its backward."""
    torch._dynamo.reset()
    case = case_of(text)
    compiled = torch.compile(lambda *t: call(case, *t), fullgraph=True, backend="aot_eager", dynamic=True)
    for grow in (0, 1, 3):
        tensors = case.tensors(torch.float64)
        tensors[0] = torch.randn([n + grow if i != 1 else n for i, n in enumerate(tensors[0].shape)]).double()
        tensors = [t.requires_grad_() for t in tensors]
        got, expected = compiled(*tensors), call(case, *tensors)
        torch.testing.assert_close(got, expected)
        weights = torch.randn_like(expected)
        for g, e in zip(
            torch.autograd.grad(got, tensors, weights), torch.autograd.grad(expected, tensors, weights), strict=True
        ):
            torch.testing.assert_close(g, e)


@pytest.mark.parametrize("text", OPS)
def test_export(text):
    """Batch and sizes are dynamic in the program."""
    case = case_of(text)

    class Module(torch.nn.Module):
        def forward(self, image, weight):
            return call(case, image, weight)

    image, weight, *_ = case.tensors(torch.float32)
    image = torch.randn(2, *image.shape[1:])
    dims = {0: torch.export.Dim("n", max=64)}
    dims |= {i: torch.export.Dim(f"d{i}", min=4, max=64) for i in range(2, image.dim())}
    dims = dict.fromkeys(dims, torch.export.Dim.AUTO)  # sizes that a stride divides are guards of their own
    program = torch.export.export(Module(), (image, weight), dynamic_shapes=(dims, None))
    shape = program.graph_module.graph.find_nodes(op="placeholder")[0].meta["val"].shape
    assert all(isinstance(shape[i], torch.SymInt) for i in dims)
    for grow in (1, 2, 5):
        larger = torch.randn(3, image.shape[1], *[n + grow for n in image.shape[2:]])
        torch.testing.assert_close(program.module()(larger, weight), call(case, larger, weight))


def test_exported_programs_keep_their_shape_errors():
    for image, text in (((1, 3, 2, 2), "kernel's extent"), ((1, 2, 5, 5), "3 channels per group")):
        with pytest.raises(Exception, match=f"conv2d: expected input of .*{text}"):
            torch.export.export(Conv(), (torch.randn(image), torch.randn(4, 3, 3, 3)))


class Conv(torch.nn.Module):
    def forward(self, image, weight):
        return F.conv2d(image, weight)


@pytest.mark.parametrize("text", OPS)
@pytest.mark.parametrize("dims", [d for d in itertools.product([None, 0, 1], [None, 0, 1], [None, 0]) if any(
    v is not None for v in d)])  # fmt: skip
def test_vmap(text, dims):
    """Over the image, the weight, the bias and any of them together, forward and backward."""
    case = case_of(text)
    tensors = case.tensors()
    batch = [t if d is None else torch.stack([t, -t, t * 0.5], d) for t, d in zip(tensors, dims, strict=True)]
    got = torch.vmap(lambda *t: call(case, *t), in_dims=dims)(*batch)
    single = [[t if d is None else t.select(d, i) for t, d in zip(batch, dims, strict=True)] for i in range(3)]
    torch.testing.assert_close(got, torch.stack([call(case, *s) for s in single]))

    def loss(*t):
        return call(case, *t).square().sum()

    grads = torch.vmap(torch.func.grad(loss, (0, 1, 2)), in_dims=dims)(*batch)
    expected = [torch.func.grad(lambda *t: call(case, *t, front=torch.nn.functional).square().sum(), (0, 1, 2))(*s)
                for s in single]  # fmt: skip
    for g, e in zip(grads, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(g, torch.stack(e))


def test_nested_vmap():
    image, weight = torch.randn(3, 2, 1, 4, 6, 6).double(), torch.randn(3, 5, 4, 3, 3).double()
    run = torch.vmap(torch.vmap(F.conv2d, (0, None)), (0, 0))
    expected = torch.vmap(torch.vmap(torch.nn.functional.conv2d, (0, None)), (0, 0))
    torch.testing.assert_close(run(image, weight), expected(image, weight))


@pytest.mark.parametrize("text", OPS[:2] + OPS[4:6])
def test_functional_derivatives(text):
    """grad, the Jacobian and a Hessian by torch.func."""
    case = case_of(text)
    image, weight, _ = case.tensors()

    def loss(front):
        return lambda w: call(case, image, w, front=front).sigmoid().sum()

    ours, theirs = loss(F), loss(torch.nn.functional)
    torch.testing.assert_close(torch.func.grad(ours)(weight), torch.func.grad(theirs)(weight))
    torch.testing.assert_close(
        torch.func.jacrev(lambda w: call(case, image, w))(weight),
        torch.func.jacrev(lambda w: call(case, image, w, front=torch.nn.functional))(weight),
    )
    vector = torch.randn_like(weight)
    product = lambda f: torch.autograd.functional.vhp(f, weight, vector)[1]  # noqa: E731
    torch.testing.assert_close(product(ours), product(theirs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("text", OPS[1:2] + OPS[5:6])
def test_autocast(text, dtype):
    """The result's dtype and the gradients' are torch's."""
    case = case_of(text)
    for given in itertools.product([torch.float32, dtype], repeat=2):
        found = []
        for front in (F, torch.nn.functional):
            image, weight, bias = case.tensors(torch.float32)
            tensors = [image.to(given[0]).requires_grad_(), weight.to(given[1]).requires_grad_(), bias.requires_grad_()]
            with torch.autocast("cpu", dtype=dtype):
                result = call(case, *tensors, front=front)
            found.append([result, *torch.autograd.grad(result, tensors, torch.ones_like(result))])
        # Exact: rounded inputs in float64. Tolerance: float32 sums (see assert_accurate), result rounded once.
        exact = [t.detach().to(dtype).double().requires_grad_() for t in tensors]
        result = call(case, *exact, front=torch.nn.functional)
        wanted = [result, *torch.autograd.grad(result, exact, torch.ones_like(result))]
        for ours, theirs, want in zip(*found, wanted, strict=True):
            assert ours.dtype == theirs.dtype
            atol = 3e-5 * float(want.detach().square().mean().sqrt())
            torch.testing.assert_close(
                ours.detach().double(), want.detach(), rtol=torch.finfo(dtype).eps / 2, atol=atol
            )
    wide = case.tensors(torch.float64)
    with torch.autocast("cpu", dtype=dtype):
        assert call(case, *wide).dtype == call(case, *wide, front=torch.nn.functional).dtype
    with torch.autocast("cpu", enabled=False):
        assert call(case, *case.tensors(torch.float32)).dtype == torch.float32


def test_autocast_under_compile():
    torch._dynamo.reset()
    case = case_of(OPS[1])

    def run(*t):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return call(case, *t)

    tensors = case.tensors(torch.float32)
    got = torch.compile(run, fullgraph=True, backend="aot_eager")(*tensors)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got, run(*tensors))


def test_inference_mode_and_no_grad():
    case = case_of(OPS[1])
    tensors = [t.requires_grad_() for t in case.tensors(torch.float32)]
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert not call(case, *tensors).requires_grad


@pytest.mark.parametrize("name", _core.conv_algorithms())
def test_compiled_graphs_follow_the_setting(name):
    """The choice is made when a graph runs, not when it is traced."""
    from tests.conv.cases import algorithm

    torch._dynamo.reset()
    case = case_of("1x16x12x12, 16x16x3x3, padding 1")
    compiled = torch.compile(lambda *t: call(case, *t), fullgraph=True, backend="aot_eager")
    tensors = case.tensors(torch.float32)
    compiled(*tensors)
    with algorithm(name):
        torch.testing.assert_close(compiled(*tensors), call(case, *tensors), rtol=0, atol=0)
