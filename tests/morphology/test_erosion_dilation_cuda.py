"""Erosion and dilation of CUDA tensors: the CPU's results, bit for bit."""

import pytest
import torch
from torch.nn.functional import pad

import fastcnn
import fastcnn.ops as F

pytestmark = pytest.mark.needs_cuda

OPS = ["erosion", "dilation"]
BORDERS = ["geodesic", "constant", "reflect", "mirror", "replicate"]
INTEGERS = [torch.bool, torch.uint8, torch.uint16, torch.int16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DTYPES = INTEGERS + FLOATS


def disk(radius):
    r = torch.arange(-radius, radius + 1)
    return r[:, None] ** 2 + r**2 <= radius**2


def sparse(*size, share=0.2):
    mask = torch.rand(size, generator=torch.Generator().manual_seed(7)) < share
    mask.view(-1)[-1] = True
    return mask


# Every kernel: tiles, van Herk, chords of one pass and of several; even sizes; members that meet no pixel.
FOOTPRINTS = {
    "1": 1,
    "3": 3,
    "even": [4, 6],
    "row": [1, 9],
    "column": [31, 1],
    "tile": [33, 65],
    "high": [40, 3],
    "wide": [3, 150],
    "larger than the image": [301, 403],
    "disk": disk(5),
    "large disk": disk(24),
    "sparse": sparse(45, 70),
    "one far member": pad(torch.ones(1, 1, dtype=torch.bool), (0, 300, 0, 40)),
}
FOOTPRINTS_3D = {
    "3": 3,
    "even": [2, 4, 6],
    "deep": [40, 1, 1],
    "all": [35, 37, 140],
    "ball": sparse(5, 7, 9, share=0.6),
}


def image_of(shape, dtype, special=False):
    """Random bits are NaN of many payloads, infinite and -0 often enough where the dtype is small; else few values."""
    g = torch.Generator().manual_seed(sum(shape) + dtype.itemsize)
    if special and dtype in FLOATS:
        values = torch.tensor([0.0, -0.0, 1.0, -1.0, torch.inf, -torch.inf, torch.nan, 1e-40], dtype=dtype)
        return values[torch.randint(8, shape, generator=g)]
    if dtype in (torch.float16, torch.bfloat16):
        return torch.randint(-(2**15), 2**15, shape, generator=g, dtype=torch.int16).view(dtype)
    if dtype == torch.bool:
        return torch.rand(shape, generator=g) < 0.5
    if dtype == torch.uint16:
        return torch.randint(-(2**15), 2**15, shape, generator=g, dtype=torch.int16).view(dtype)
    return torch.randint(0, 250, shape, generator=g).to(dtype)


def bits(tensor):
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8)


def check(op, image, footprint, **kwargs):
    expected = getattr(F, op)(image.cpu(), footprint, **kwargs)
    got = getattr(F, op)(image.cuda(), footprint, **kwargs)
    assert got.is_cuda
    assert got.is_contiguous()
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert torch.equal(bits(got), bits(expected))


@pytest.mark.parametrize("footprint", FOOTPRINTS.values(), ids=FOOTPRINTS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("op", OPS)
def test_footprints(op, border, footprint):
    for dtype in (torch.uint8, torch.float32, torch.float64):
        check(op, image_of((2, 129, 203), dtype), footprint, border=border, value=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_dtypes(op, dtype):
    for footprint in (3, [5, 80], [60, 2], disk(7)):
        for border in ("geodesic", "constant"):
            for special in (False, True):
                check(op, image_of((3, 71, 90), dtype, special), footprint, border=border, value=1)


@pytest.mark.parametrize("footprint", FOOTPRINTS_3D.values(), ids=FOOTPRINTS_3D)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("op", OPS)
def test_volumes(op, border, footprint):
    for dtype in (torch.uint8, torch.bfloat16, torch.int64):
        check(op, image_of((2, 19, 23, 67), dtype), footprint, border=border, value=1, spatial_dims=3)


@pytest.mark.parametrize("op", OPS)
def test_awkward_sizes(op):
    for height in (1, 2, 7, 8, 9, 31, 32, 33):
        for width in (1, 2, 3, 63, 64, 65, 129):
            image = image_of((height, width), torch.int16)
            for footprint in (3, [2, 4], disk(3)):
                check(op, image, footprint, border="mirror")


@pytest.mark.parametrize("shape", [(0, 5, 5), (2, 0, 5), (2, 5, 0), (0, 0, 0)])
@pytest.mark.parametrize("op", OPS)
def test_empty(op, shape):
    result = getattr(F, op)(torch.zeros(shape, device="cuda"), 3)
    assert result.is_cuda
    assert result.shape == shape


@pytest.mark.parametrize("op", OPS)
def test_strides(op):
    image = image_of((4, 3, 70, 90), torch.float32).cuda()
    for view in (
        image.mT,
        image[..., ::2, 1::3],
        image[:1].expand(4, 3, 70, 90),
        image.contiguous(memory_format=torch.channels_last),
        image[1:, 1:, 3:, 5:],
        image[..., 1:].flip(-1),
    ):
        for footprint in (5, disk(4)):
            check(op, view, footprint)


@pytest.mark.parametrize("op", OPS)
def test_input_is_unchanged(op):
    image = image_of((2, 80, 80), torch.uint8).cuda()
    before = image.clone()
    getattr(F, op)(image, [40, 3])
    assert torch.equal(image, before)


@pytest.mark.parametrize("op", OPS)
def test_side_stream(op):
    """The kernels wait for what the stream was given before them, and for nothing else."""
    image = image_of((8, 512, 512), torch.uint8)
    expected = getattr(F, op)(image, [50, 3])
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        late = torch.empty_like(image, device="cuda").zero_()
        torch.cuda._sleep(50_000_000)
        late.copy_(image)
        results = [getattr(F, op)(late, [50, 3]) for _ in range(5)]
    assert not stream.query(), "the call waited for its kernels"
    stream.synchronize()
    for result in results:
        assert torch.equal(result.cpu(), expected)


@pytest.mark.parametrize("footprint", [3, [50, 3], disk(24)], ids=["tile", "passes", "disk"])
def test_graph(footprint):
    """A launch copies nothing from the host and waits for nothing, so a CUDA graph captures it."""
    image = image_of((300, 400), torch.float32).cuda()
    F.erosion(image, footprint)  # loads the kernels
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = F.erosion(image, footprint)
    image.copy_(image.flip(0))
    graph.replay()
    assert torch.equal(result.cpu(), F.erosion(image.cpu(), footprint))


def test_other_device():
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    image = image_of((100, 100), torch.uint8)
    with torch.cuda.device(0):
        result = F.dilation(image.to("cuda:1"), disk(3))
        assert torch.cuda.current_device() == 0
    assert result.device.index == 1
    assert torch.equal(result.cpu(), F.dilation(image, disk(3)))


@pytest.mark.parametrize("footprint", [5, disk(2)], ids=["box", "disk"])
def test_large(footprint):
    """Past 2**31 pixels."""
    height, width = 32_769, 65_537
    if torch.cuda.mem_get_info()[0] < 3 * height * width:
        pytest.skip("too little memory")
    image = torch.zeros(height, width, dtype=torch.uint8, device="cuda")
    for y, x in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
        image[y, x] = 9
    result = F.dilation(image, footprint)
    for y, x in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
        near = slice(max(y - 8, 0), y + 8), slice(max(x - 8, 0), x + 8)
        assert torch.equal(result[near].cpu(), F.dilation(image[near].cpu(), footprint))
        result[near] = 0
    assert not result.any()


def test_vmap():
    image = image_of((3, 4, 30, 40), torch.uint8)
    result = torch.vmap(lambda i: F.erosion(i, disk(2)), in_dims=1)(image.cuda())
    assert torch.equal(result.cpu(), F.erosion(image, disk(2)).movedim(1, 0))


@pytest.mark.parametrize("op", OPS)
def test_opcheck(op):
    arguments = (image_of((2, 30, 40), torch.float32).cuda(), [5, 5], disk(2), "reflect", 0.0)
    torch.library.opcheck(getattr(torch.ops.fastcnn, op).default, arguments)


@pytest.mark.parametrize("op", OPS)
def test_errors(op):
    """The same as on the CPU."""
    for image, arguments, error, text in [
        (torch.zeros(7), {}, fastcnn.ArgumentError, r"expected image of shape \(\.\.\., H, W\), got \(7,\)"),
        (torch.zeros(7, 7), {"border": "wrap"}, fastcnn.ArgumentError, "expected border"),
        (torch.zeros(7, 7), {"footprint": 0}, fastcnn.ArgumentError, "expected a footprint of positive size"),
        (
            torch.zeros(7, 7),
            {"footprint": torch.zeros(3, 3)},
            fastcnn.ArgumentError,
            "expected a footprint with a member",
        ),
        (torch.zeros(7, 7).int(), {"border": "constant", "value": 0.5}, fastcnn.ArgumentError, "expected value"),
        (torch.zeros(7, 7, dtype=torch.complex64), {}, TypeError, "expected image of"),
    ]:
        for device in ("cpu", "cuda"):
            with pytest.raises(error, match=f"^{op}: {text}"):
                getattr(F, op)(image.to(device), **arguments)


@pytest.mark.parametrize("op", OPS)
def test_devices_that_do_not_fit(op):
    function = getattr(torch.ops.fastcnn, op)
    mask = torch.ones(3, 3, dtype=torch.bool)
    with pytest.raises(RuntimeError, match="expected image on the GPU"):
        function(torch.zeros(7, 7), [3, 3], mask.cuda(), "geodesic", 0.0)
    with pytest.raises(RuntimeError, match="expected footprint to be a dense bool tensor on the CPU"):
        function(torch.zeros(7, 7, device="cuda"), [3, 3], mask.cuda(), "geodesic", 0.0)
    with pytest.raises(fastcnn.BackendError, match=f"^{op}: expected strided tensors"):
        getattr(F, op)(torch.eye(7, device="cuda").to_sparse())


def test_gradient_needs_the_cpu():
    image = torch.rand(7, 7, device="cuda", requires_grad=True)
    with pytest.raises(fastcnn.BackendError, match="_erosion_index"):
        F.erosion(image).sum().backward()
