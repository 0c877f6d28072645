"""Results do not depend on the machine: number of threads, instruction set, and allocated memory."""

import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import fastcnn
import fastcnn.ops
import fastcnn.ops as F
from fastcnn import _core
from tests.conv.cases import ALGORITHMS, KINDS, algorithm, assert_accurate, case_of, fits
from tests.package.test_import import run

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

# More than one band each: by rows, columns, planes and images; and few rows of many pixels.
LARGE = (
    "1x32x150x170, 24x32x3x3, padding 1",
    "1x4x7x30011, 8x4x3x3, padding 1",
    "1x9x150017, 5x9x5, padding 2",
    "1x12x120013, 12x1x9, padding 4",
    "9x16x45x61, 16x16x3x3, stride 2, padding 1",
    "2x8x30x61x63, 8x8x3x3x3, padding 1",
    "1x48x120x130, 48x1x5x5, padding 2",
    "1x32x90x101, 32x24x2x2, stride 2, transposed",
    "1x64x180x190, 40x64x1x1",
    # Winograd's filters transformed in each call, a large group of tiles.
    "1x1030x9x11, 128x1030x3x3, padding 1",
)


@pytest.fixture
def threads():
    """Sets both fronts' number of threads, and restores it."""
    before = fastcnn.get_num_threads(), torch.get_num_threads()

    def both(n):
        fastcnn.set_num_threads(n)
        torch.set_num_threads(n)

    yield both
    fastcnn.set_num_threads(before[0])
    torch.set_num_threads(before[1])


@pytest.mark.parametrize("name", ["auto", *ALGORITHMS])
def test_every_isa(name, isa_runner):
    """Each in a process of its own; they agree to rounding."""
    with algorithm(name):
        for i, text in enumerate(KINDS):
            case = case_of(text, i)
            if name in ALGORITHMS and not fits(name, case.layer):
                continue
            for dtype in (torch.float32, torch.float64):
                arrays = tuple(t.numpy() for t in case.tensors(dtype))
                exact = case.torch(dtype)
                for (got,) in isa_runner(case.op, arrays, case.options, name):
                    assert got.dtype == arrays[0].dtype
                    bound = 3e-5 if dtype == torch.float32 else 1e-13
                    assert_accurate(got, exact, what=f"{text} {dtype}", bound=bound)


@pytest.mark.parametrize("name", ["auto", *ALGORITHMS])
def test_threads_bit_for_bit(name, threads):
    """Results and gradients, on few pixels and on many, in every dtype that is staged and that is not."""
    texts = KINDS if name == "reference" else (*KINDS, *LARGE)
    with algorithm(name):
        for text in texts:
            case = case_of(text)
            if name in ALGORITHMS and not fits(name, case.layer):
                continue
            for dtype in (torch.float32, torch.bfloat16):
                results = []
                for n in (1, 2, 5):
                    threads(n)
                    results.append(case.run(dtype))
                    if dtype == torch.float32:
                        arrays = [a.astype(np.float32) for a in case.arrays]
                        results.append(torch.from_numpy(getattr(fastcnn.ops, case.op)(*arrays, **case.options)))
                for other in results[1:]:
                    assert torch.equal(results[0], other), f"{text}, {dtype}"


def gradients(front, case, dtype):
    """Return the gradients of a weighted sum of the result, with weights of both signs."""
    tensors = [t.requires_grad_() for t in case.tensors(torch.float32)]
    result = getattr(front, case.op)(*[t.to(dtype) for t in tensors], **case.options)
    weights = torch.linspace(-1, 1, result.numel(), dtype=torch.float32).reshape(result.shape)
    return torch.autograd.grad(result, tensors, weights.to(dtype))


def test_gradients_of_any_number_of_threads(threads):
    for text in (*KINDS, *LARGE):
        found = []
        for n in (1, 2, 5):
            threads(n)
            found.append(gradients(F, case_of(text), torch.float32))
        for other in found[1:]:
            for a, b in zip(found[0], other, strict=True):
                assert torch.equal(a, b), text


EVERY_GRADIENT = """
import warnings
import torch
import fastcnn.ops as F
from fastcnn import _core
from tests.conv.cases import KINDS, algorithm, assert_accurate, case_of
from tests.conv.test_machines import gradients

warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
for text in KINDS:
    case = case_of(text)
    exact = gradients(torch.nn.functional, case, torch.float64)
    for name in ("auto", "winograd"):
        with algorithm(name):
            found = gradients(F, case, torch.float32)
        for got, expected in zip(found, exact, strict=True):
            assert_accurate(got, expected, what=f"{text}, {name}")
print(_core.running_isa())
"""


@pytest.mark.parametrize("isa", _core.isas())
def test_gradients_on_every_isa(isa):
    done = run(EVERY_GRADIENT, FASTCNN_FORCE_ISA=isa, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.stdout.strip() == isa, done.stderr


@pytest.mark.parametrize("text", LARGE)
def test_bands_and_their_memory(text, threads):
    """No converted copy of the whole image: 4 MiB a thread beside the packed weight, in every layout and dtype."""
    case = case_of(text)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        tensors = case.tensors(dtype)
        exact = case.torch(dtype)
        for n in (1, 2):
            threads(n)
            layer, f64 = replace(case.layer, dtype=str(dtype).removeprefix("torch.")), dtype == torch.float64
            name = layer.algorithm(packed=False, threads=n)
            values = _core.packed_conv_size(*layer.arguments[1:6], layer.transposed, f64, name)
            narrow = tensors[1].numel() * 4 if dtype == torch.bfloat16 else 0  # the weight in float32, while packing
            allowed = max(n * (4 << 20), narrow) + values * (8 if f64 else 4) + (1 << 16)
            _core.take_peak_scratch()
            got = getattr(F, case.op)(*tensors, **case.options)
            assert _core.take_peak_scratch() <= allowed, f"{dtype}, {n} threads"
            if dtype == torch.bfloat16:
                # Sums in float32, as assert_accurate has them, and one rounding.
                atol = 3e-5 * float(exact.square().mean().sqrt())
                torch.testing.assert_close(got.double(), exact, rtol=torch.finfo(dtype).eps / 2, atol=atol)
            else:
                assert_accurate(got, exact, bound=3e-5 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize("text", LARGE)
def test_memory_of_gradients(text, threads):
    """Bands of 4 MiB, and the weight's gradient in tiles; their sum is the whole gradient."""
    case = case_of(text)
    exact = gradients(torch.nn.functional, case, torch.float64)
    for n in (1, 2):
        threads(n)
        _core.take_peak_scratch()
        found = gradients(F, case, torch.float32)
        assert _core.take_peak_scratch() <= max(n, 2) * (4 << 20) + (1 << 20)
    for got, expected in zip(found, exact, strict=True):
        assert_accurate(got, expected)


def test_a_worker_process_of_a_data_loader():
    """After a fork the pool is built anew."""
    case = case_of(KINDS[4])
    expected = case.run(torch.float32)

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return getattr(fastcnn.ops, case.op)(*[a.astype(np.float32) for a in case.arrays], **case.options)

    for batch in torch.utils.data.DataLoader(Images(), num_workers=1):
        assert torch.equal(batch[0], expected)
