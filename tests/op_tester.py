"""The checks that every op passes. An op's test file subclasses `OpTester` and states its oracle and its own cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

import fastcnn
import fastcnn.ops
from fastcnn import _core

# Around the SIMD widths of every dtype, and the degenerate ones.
AWKWARD = [(1, 1), (1, 17), (17, 1), (2, 3), (3, 2), (7, 8), (8, 7), (15, 16), (16, 17), (17, 33), (64, 65), (5, 130)]
AWKWARD_3D = [(1, 1, 1), (1, 5, 7), (4, 1, 9), (5, 7, 1), (3, 8, 17), (9, 10, 33)]

INTEGERS = ("bool", "uint8", "uint16", "int16", "int32", "int64")
FLOATS = ("float16", "float32", "float64")  # and bfloat16, which NumPy lacks

Arrays = tuple[np.ndarray, ...]


def random_image(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Few distinct values, so that ties are common; both signs where the dtype has them."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    values = rng.integers(0, 12, shape)
    if not dtype.startswith("u"):
        values = values - 6
    return (values * (0.5 if dtype.startswith("float") else 1)).astype(dtype)


def as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def to_torch(arrays: Arrays) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


class OpTester:
    """Standard checks of one op of `fastcnn.ops`, on arrays and on tensors.

    Subclasses set `op` and `oracle`, and override what differs.
    """

    op: ClassVar[str]
    # Argument variants; each must be JSON (they are sent to the ISA workers).
    cases: ClassVar[list[dict[str, Any]]] = [{}]
    dtypes: ClassVar[Sequence[str]] = ("float32",)
    shapes: ClassVar[list[tuple[int, ...]]] = AWKWARD
    shapes_3d: ClassVar[list[tuple[int, ...]]] = []  # run with spatial_dims=3
    # (arguments, keyword arguments, exception, text): each documented error. A callable argument is called first.
    errors: ClassVar[list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]]] = []
    differentiable: ClassVar[bool] = False  # in reverse and in forward mode
    # Where ISAs may differ in rounding; None demands equality.
    isa_tolerance: ClassVar[float | None] = None
    # False where the shape of the result depends on the data.
    fixed_shape: ClassVar[bool] = True
    # Bytes a pixel of the image.
    max_scratch: ClassVar[int] = 24
    # Leading dimensions are batch.
    batched: ClassVar[bool] = True

    # --- what a subclass states ---------------------------------------------------------------------------------------

    def inputs(self, rng: np.random.Generator, shape: Sequence[int], dtype: str) -> Arrays:
        return (random_image(rng, shape, dtype),)

    def oracle(self, *arrays: np.ndarray, **kwargs: Any) -> Any:
        raise NotImplementedError

    def compare(self, got: np.ndarray, expected: np.ndarray) -> None:
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)

    # --- helpers ------------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Callable[..., Any]:
        return getattr(fastcnn.ops, self.op)

    def check(self, got: Any, expected: Any) -> None:
        got, expected = as_tuple(got), as_tuple(expected)
        assert len(got) == len(expected)
        for g, e in zip(got, expected, strict=True):
            self.compare(np.asarray(g), np.asarray(e))

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(7)

    # --- the checks ---------------------------------------------------------------------------------------------------

    def test_oracle(self, case: dict[str, Any], dtype: str) -> None:
        rng = self.rng()
        for shape in self.shapes:
            arrays = self.inputs(rng, shape, dtype)
            self.check(self.run(*arrays, **case), self.oracle(*arrays, **case))

    def test_oracle_3d(self, case: dict[str, Any], dtype: str) -> None:
        if not self.shapes_3d:
            pytest.skip("the op is 2-D")
        if any(isinstance(v, list) for v in case.values()):
            pytest.skip("the case is 2-D")
        rng = self.rng()
        for shape in self.shapes_3d:
            arrays = self.inputs(rng, shape, dtype)
            kwargs = {**case, "spatial_dims": 3}
            self.check(self.run(*arrays, **kwargs), self.oracle(*arrays, **kwargs))

    def test_fronts_agree(self, case: dict[str, Any], dtype: str) -> None:
        arrays = self.inputs(self.rng(), (3, 19, 37), dtype)
        expected = self.run(*arrays, **case)
        self.check(self.run(*to_torch(arrays), **case), expected)

    def test_batch(self, case: dict[str, Any]) -> None:
        """A batch of any rank equals its images one by one."""
        if not self.batched:
            pytest.skip("one image at a time")
        arrays = self.inputs(self.rng(), (2, 3, 13, 21), self.dtypes[-1])
        whole = as_tuple(self.run(*arrays, **case))
        for i in range(2):
            for j in range(3):
                one = as_tuple(self.run(*(a[i, j] for a in arrays), **case))
                for w, o in zip(whole, one, strict=True):
                    np.testing.assert_array_equal(np.asarray(w)[i, j], np.asarray(o))

    def test_strides(self, case: dict[str, Any]) -> None:
        """Transposed, reversed, sliced and broadcast inputs, channels_last, and a foreign byte order."""
        arrays = self.inputs(self.rng(), (2, 3, 13, 22), self.dtypes[-1])
        dense = self.run(*arrays, **case)
        fortran = tuple(np.asfortranarray(a) for a in arrays)
        self.check(self.run(*fortran, **case), dense)
        reversed_twice = tuple(np.ascontiguousarray(a[..., ::-1, ::-1])[..., ::-1, ::-1] for a in arrays)
        self.check(self.run(*reversed_twice, **case), dense)
        foreign = tuple(a.astype(a.dtype.newbyteorder(">")) for a in arrays)
        self.check(self.run(*foreign, **case), dense)
        channels_last = [t.to(memory_format=torch.channels_last) for t in to_torch(arrays)]
        self.check(self.run(*channels_last, **case), dense)
        every_second = tuple(np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays)
        self.check(self.run(*every_second, **case), dense)

    def test_inputs_survive(self, case: dict[str, Any]) -> None:
        arrays = self.inputs(self.rng(), (2, 13, 22), self.dtypes[-1])
        copies = tuple(a.copy() for a in arrays)
        self.run(*arrays, **case)
        for a, c in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(a, c)

    def test_empty(self, case: dict[str, Any]) -> None:
        for shape in [(0, 5, 7), (2, 0, 7), (2, 5, 0), (0, 0)]:
            arrays = self.inputs(self.rng(), shape, self.dtypes[-1])
            got = as_tuple(self.run(*arrays, **case))
            again = as_tuple(self.run(*to_torch(arrays), **case))
            for g, t in zip(got, again, strict=True):
                assert np.asarray(g).shape == tuple(t.shape)
                if self.fixed_shape and self.batched and np.ndim(g) == len(shape):
                    assert np.asarray(g).shape == shape

    def test_threads(self, case: dict[str, Any], dtype: str) -> None:
        """Bit for bit the same with one thread, two and five; one image and many."""
        before = fastcnn.get_num_threads()
        try:
            for shape in [(150, 203), (5, 41, 37)]:
                arrays = self.inputs(self.rng(), shape, dtype)
                fastcnn.set_num_threads(1)
                expected = self.run(*arrays, **case)
                for n in (2, 5):
                    fastcnn.set_num_threads(n)
                    self.check(self.run(*arrays, **case), expected)
        finally:
            fastcnn.set_num_threads(before)

    def test_scratch(self, case: dict[str, Any], dtype: str) -> None:
        """At most so many bytes per pixel, and a little for rows."""
        pixels = 700 * 1001
        arrays = self.inputs(self.rng(), (700, 1001), dtype)
        _core.take_peak_scratch()
        self.run(*arrays, **case)
        assert _core.take_peak_scratch() <= self.max_scratch * pixels + (1 << 20)

    def test_isa(self, case: dict[str, Any], dtype: str, isa_runner: Callable[..., Any]) -> None:
        """Every ISA that this machine has gives the same."""
        arrays = self.inputs(self.rng(), (2, 45, 131), dtype)
        expected = as_tuple(self.run(*arrays, **case))
        for got in isa_runner(self.op, arrays, case):
            for g, e in zip(got, expected, strict=True):
                if self.isa_tolerance is None:
                    np.testing.assert_array_equal(g, np.asarray(e))
                else:
                    np.testing.assert_allclose(g, np.asarray(e), rtol=self.isa_tolerance, atol=self.isa_tolerance)

    def test_opcheck(self, case: dict[str, Any], native_calls: Callable[..., Any]) -> None:
        """torch.library.opcheck on every native call that the wrapper makes."""
        tensors = to_torch(self.inputs(self.rng(), (2, 9, 11), self.dtypes[-1]))
        calls = native_calls(lambda: self.run(*tensors, **case))
        assert calls, "the wrapper reached no native op"
        for op, args in calls:
            torch.library.opcheck(op, args)

    def test_compile(self, case: dict[str, Any]) -> None:
        if not self.fixed_shape:
            pytest.skip("the result's shape depends on the data")
        torch._dynamo.reset()  # every op compiles the same lambda, of which dynamo keeps a limited number
        compiled = torch.compile(lambda *t: self.run(*t, **case), fullgraph=True, backend="aot_eager", dynamic=True)
        for shape in [(2, 9, 11), (3, 12, 8)]:
            tensors = to_torch(self.inputs(self.rng(), shape, self.dtypes[-1]))
            self.check(compiled(*tensors), self.run(*tensors, **case))

    def test_export(self, case: dict[str, Any]) -> None:
        """torch.export with dynamic batch, height and width."""
        if not self.fixed_shape:
            pytest.skip("the result's shape depends on the data")
        run = self.run

        class Module(torch.nn.Module):
            def forward(self, *tensors: torch.Tensor) -> Any:
                return run(*tensors, **case)

        example = tuple(to_torch(self.inputs(self.rng(), (2, 9, 11), self.dtypes[-1])))
        dynamic = {0: torch.export.Dim("b"), 1: torch.export.Dim("h"), 2: torch.export.Dim("w")}
        program = torch.export.export(Module(), example, dynamic_shapes={"tensors": tuple(dynamic for _ in example)})
        tensors = to_torch(self.inputs(self.rng(), (3, 12, 8), self.dtypes[-1]))
        self.check(program.module()(*tensors), run(*tensors, **case))

    def test_vmap(self, case: dict[str, Any]) -> None:
        if not (self.fixed_shape and self.batched):
            pytest.skip("the result's shape depends on the data")
        tensors = to_torch(self.inputs(self.rng(), (3, 9, 11), self.dtypes[-1]))
        moved = [t.movedim(0, 1) for t in tensors]
        got = torch.vmap(lambda *t: self.run(*t, **case), in_dims=1)(*moved)
        self.check(got, self.run(*tensors, **case))

    def leaves(self) -> list[torch.Tensor]:
        """Tensors of a small input; where there are derivatives, distinct floats: at ties the one-sided ones differ."""
        arrays = self.inputs(self.rng(), (2, 5, 6), "float64" if "float64" in self.dtypes else self.dtypes[-1])
        tensors = [t.requires_grad_(t.is_floating_point()) for t in to_torch(arrays)]
        if not any(t.requires_grad for t in tensors):
            pytest.skip("integers only")
        rng = self.rng()
        for t in tensors:
            if self.differentiable and t.requires_grad:
                t.data = torch.from_numpy(rng.permutation(t.numel()).reshape(t.shape) / t.numel()).to(t.dtype)
        return tensors

    def test_func_grad(self, case: dict[str, Any]) -> None:
        """torch.func.grad gives what autograd does; none is zero."""
        tensors = self.leaves()
        moving = tuple(i for i, t in enumerate(tensors) if t.requires_grad)

        def total(*values: torch.Tensor) -> torch.Tensor:
            results = [r for r in as_tuple(self.run(*values, **case)) if isinstance(r, torch.Tensor)]
            # The inputs too, so that there is something to differentiate.
            return sum((t.double() ** 2).sum() for t in (*results, *(values[i] for i in moving)))

        expected = torch.autograd.grad(total(*tensors), [tensors[i] for i in moving])
        got = torch.func.grad(total, moving)(*(t.detach() for t in tensors))
        for g, e in zip(got, expected, strict=True):
            torch.testing.assert_close(g, e, equal_nan=True)

    def test_forward_mode(self, case: dict[str, Any]) -> None:
        """Tangents of ops with a gradient, nested ones too; of others none of integers, and an error for floats."""
        tensors = self.leaves()
        if not self.differentiable:
            with forward_ad.dual_level():
                duals = [
                    forward_ad.make_dual(t.detach(), torch.ones_like(t)) if t.requires_grad else t for t in tensors
                ]
                plain = [r for r in as_tuple(self.run(*tensors, **case)) if isinstance(r, torch.Tensor)]
                if any(r.is_floating_point() for r in plain):
                    with pytest.raises(NotImplementedError, match="forward-mode differentiation is not available"):
                        self.run(*duals, **case)
                    return
                results = [r for r in as_tuple(self.run(*duals, **case)) if isinstance(r, torch.Tensor)]
                for got, expected in zip(results, plain, strict=True):
                    assert torch.equal(got, expected)
                    assert forward_ad.unpack_dual(got).tangent is None
            return
        run = self.differentiable_results(tensors, case)
        assert torch.autograd.gradcheck(run, tensors, fast_mode=True, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(run, tensors, fast_mode=True, check_fwd_over_rev=True)

    def differentiable_results(self, tensors: list[torch.Tensor], case: dict[str, Any]) -> Callable[..., Any]:
        """Leave out the outputs without a gradient, which gradcheck does not take."""
        outputs = as_tuple(self.run(*tensors, **case))
        chosen = [i for i, r in enumerate(outputs) if isinstance(r, torch.Tensor) and r.requires_grad]
        return lambda *t: tuple(as_tuple(self.run(*t, **case))[i] for i in chosen)

    def test_gradcheck(self, case: dict[str, Any]) -> None:
        """First and second derivatives in float64; or, where there are none, that autograd is told so."""
        tensors = self.leaves()
        if not self.differentiable:
            results = as_tuple(self.run(*tensors, **case))
            assert not any(r.requires_grad for r in results if isinstance(r, torch.Tensor))
            return
        run = self.differentiable_results(tensors, case)
        assert torch.autograd.gradcheck(run, tensors)
        assert torch.autograd.gradgradcheck(run, tensors)

    def test_errors(self) -> None:
        """Each documented error, on both fronts, named after the op and the argument."""
        for args, kwargs, exception, text in self.errors:
            arrays = [a() if callable(a) else a for a in args]
            with pytest.raises(exception, match=text):
                self.run(*arrays, **kwargs)
            tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays]
            with pytest.raises(exception, match=text):
                self.run(*tensors, **kwargs)

    def test_docstrings(self) -> None:
        assert ">>>" in (inspect.getdoc(self.run) or ""), f"{self.op} has no example"
