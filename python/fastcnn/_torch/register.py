"""Load the op libraries, and register the Python part of each op by a call of `register_op`."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.utils._pytree
from torch import Tensor
from torch.autograd import forward_ad

from fastcnn._errors import BackendError, translate
from fastcnn._info import library


def _load() -> str | None:
    path = library("fastcnn_torch")
    if path is None:
        raise BackendError("fastcnn.ops: this build has no torch libraries (torch was not there when it was built)")
    why_no_cuda = _load_cuda()  # first: ops are registered for CUDA only if the kernels are already loaded
    torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]  # torch has no type here
    return why_no_cuda


def _load_cuda() -> str | None:
    path = library("fastcnn_cuda")
    if path is None:
        return "this build has no CUDA library (nvcc was not found, or FASTCNN_CUDA=off)"
    if not torch.cuda.is_available():
        return "torch is built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return f"{path.name} does not load: {error}"
    return None


# The reason why CUDA is unavailable, or None.
why_no_cuda = _load()

Fake = Callable[..., Any]
# Other classes have a dispatch of their own, which may need autograd.
_PLAIN = (Tensor, torch.nn.Parameter)
# Callables by op name, filled by `register_op`.
TENSOR_OPS: dict[str, Callable[..., Any]] = {}


def _cannot_run(name: str, args: Sequence[Any]) -> BackendError:
    """Name the tensor that no kernel accepts, and for CUDA the reason."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    odd = next((t for t in tensors if t.device.type != "cpu" or t.layout != torch.strided), tensors[0])
    reason = f": {why_no_cuda}" if odd.is_cuda and why_no_cuda else ""
    layout = str(odd.layout).removeprefix("torch.")
    return BackendError(
        f"{name}: expected strided tensors on a device that has this op, got a {layout} one on {odd.device}{reason}"
    )


# Forward mode calls formulas from C++, which turns their errors into RuntimeErrors.
_FROM_FORMULA = re.compile(r"NotImplementedError: ([^\n]*)")


def _dual(tensor: Tensor) -> Any:
    return forward_ad.unpack_dual(tensor)  # type: ignore[no-untyped-call]  # torch has no type here


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _no_formula(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"{name}: forward-mode differentiation is not available; use reverse mode, or detach the argument"
    )


Forward = Callable[[Sequence[Any], Sequence[Tensor | None]], Any]


def _twice_transposed(name: str, call: Callable[..., Any]) -> Forward:
    """Compute tangents from the backward formula: it is linear in the gradient; its transpose is the derivative."""

    def forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Any:
        moving = {i: t for i, t in enumerate(tangents) if t is not None}

        def differentiable(*values: Tensor) -> tuple[Tensor, ...]:
            filled = dict(zip(moving, values, strict=True))
            results = _as_tuple(call(*(filled.get(i, arg) for i, arg in enumerate(args))))
            floats.extend(r.is_floating_point() for r in results)
            return tuple(r for r in results if r.is_floating_point())

        floats: list[bool] = []
        values, backward = torch.func.vjp(differentiable, *(args[i] for i in moving))  # type: ignore[misc]  # two without aux
        try:
            _, transposed = torch.func.vjp(lambda *grads: backward(grads), *map(torch.zeros_like, values))  # type: ignore[misc]
            found = iter(transposed(tuple(moving.values())))
        except NotImplementedError:
            raise _no_formula(name) from None
        return tuple(next(found) if is_float else None for is_float in floats)

    return forward


def _linear(call: Callable[..., Any]) -> Forward:
    """Compute the tangent of an op that is linear in its first argument and not differentiable in the others."""

    def forward(args: Sequence[Any], tangents: Sequence[Tensor | None]) -> Any:
        return call(torch.zeros_like(args[0]) if tangents[0] is None else tangents[0], *args[1:])

    return forward


def _transformable(op: Any, setup_context: Any, backward: Any, batch: Any, forward: Forward | None) -> Any:
    """Return the op for torch.func and forward mode, which do not use the formulas of torch.library.

    Formulas and batching rules call the result of `register_op`, so derivatives of any order and mix of modes exist.
    """
    name = op.name().partition("::")[2]

    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.set_materialize_grads(False)  # distinguishes missing tangents from zeros
        ctx.save_for_forward(*(i for i in inputs if isinstance(i, Tensor)))
        ctx.constants = [None if isinstance(i, Tensor) else i for i in inputs]
        ctx.are_tensors = [isinstance(i, Tensor) for i in inputs]
        ctx.results = [(o.shape, o.dtype, o.device) for o in _as_tuple(output)]
        setup_context(ctx, inputs, output)

    def with_every_grad(ctx: Any, *grads: Tensor | None) -> Any:
        if all(g is None for g in grads):
            return (None,) * len(ctx.are_tensors)
        full = (
            torch.zeros(shape, dtype=dtype, device=device) if g is None else g
            for g, (shape, dtype, device) in zip(grads, ctx.results, strict=True)
        )
        return backward(ctx, *full)

    def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
        if forward is None:  # integers have no tangent, but a float would silently lose its own
            if any(dtype.is_floating_point for _, dtype, _ in ctx.results):
                raise _no_formula(name)
            return None if len(ctx.results) == 1 else (None,) * len(ctx.results)
        # torch disables forward mode here, but an outer level of it (jacfwd of jacfwd) needs the formula's tangent.
        with forward_ad._set_fwd_grad_enabled(True):
            saved = iter([_dual(t).primal for t in ctx.saved_tensors])
            args = [next(saved) if t else c for t, c in zip(ctx.are_tensors, ctx.constants, strict=True)]
            found = _as_tuple(forward(args, tangents))
        return found if len(ctx.results) > 1 else found[0]

    methods = {
        "forward": lambda *args: op(*args),
        "setup_context": setup,
        "backward": with_every_grad,
        "jvp": jvp,
        "vmap": batch,
    }
    members = {name: staticmethod(method) for name, method in methods.items()}
    return type(name, (torch.autograd.Function,), members)


def wants_derivative(*tensors: Tensor) -> bool:
    """Return whether a derivative by one of these may be needed; a transform of `torch.func` is not always visible."""
    return (
        (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        or torch._C._are_functorch_transforms_active()
        or (forward_ad._current_level >= 0 and _moves(tensors))
    )


def _moves(args: Sequence[Any]) -> bool:
    """Return whether an argument has a tangent, at the level of `torch.autograd.forward_ad`."""
    return any(isinstance(a, Tensor) and _dual(a).tangent is not None for a in args)


def _is_plain_call(tensors: Sequence[Tensor | None]) -> bool:
    """Return whether nothing watches this call that torch's dispatcher would have to tell."""
    for t in tensors:
        if t is not None and type(t) not in _PLAIN:
            return False
    return not (
        torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._get_tracing_state() is not None
    )


def _below_autograd(op: Any, args: Sequence[Any]) -> Any:
    with torch._C._AutoDispatchBelowAutograd():
        return op(*args)


def _differentiable(op: Any, setup_context: Callable[..., None], backward: Callable[..., Any]) -> Any:
    """Return the op with its gradient, for plain calls: torch.library's takes twice as long."""

    def forward(ctx: Any, *args: Any) -> Any:
        result = _below_autograd(op, args)
        setup_context(ctx, args, result)
        return result

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(op.name().partition("::")[2], (torch.autograd.Function,), members)


def register_op(
    name: str,
    *,
    fake: Fake,
    images: Sequence[int] = (0,),
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    forward: Forward | None = None,
    linear: bool = False,
    batch: Callable[..., tuple[Any, Any]] | None = None,
) -> Callable[..., Any]:
    """Complete the op ``fastcnn::name`` that the library defines, and return a callable for its wrapper.

    Args:
        name: the op's name.
        fake: computes the results' metadata, with symbolic sizes.
        images: positions of the arguments whose leading dimensions are batch; `vmap` adds one more.
        setup_context: see `torch.library.register_autograd`.
        backward: likewise; None declares the op non-differentiable.
        forward: computes the results' tangents from the arguments and their tangents (None if there is none). By
            default they follow from `backward`, at the cost of the op, its gradient and the gradient of that.
        linear: the op is linear in its first argument, so its tangent is the op applied to the argument's tangent.
        batch: see `torch.library.register_vmap`, for ops whose arguments are not simply images.
    """
    op = getattr(torch.ops.fastcnn, name).default
    count = len(op._schema.arguments)
    tensors = [i for i, a in enumerate(op._schema.arguments) if str(a.type) in ("Tensor", "Optional[Tensor]")]
    torch.library.register_fake(f"fastcnn::{name}", fake)

    differentiable = backward is not None
    if backward is None:

        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.mark_non_differentiable(*(o for o in _as_tuple(output) if isinstance(o, Tensor)))

        def backward(ctx: Any, *grads: Any) -> tuple[None, ...]:
            return (None,) * len(op._schema.arguments)

    def batch_images(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        moved = []
        for position, (arg, dim) in enumerate(zip(args, in_dims, strict=True)):
            if not isinstance(arg, Tensor):
                moved.append(arg)
            elif position in images:
                moved.append(arg.expand(info.batch_size, *arg.shape) if dim is None else arg.movedim(dim, 0))
            elif dim is None:
                moved.append(arg)
            else:
                raise NotImplementedError(f"{name}: vmap over argument {op._schema.arguments[position].name}")
        result = call(*moved)
        return result, tuple(0 for _ in result) if isinstance(result, tuple) else 0

    transformable: Any = None
    eager = _differentiable(op, setup_context, backward) if differentiable and setup_context is not None else None
    if not op._schema.is_mutable:  # ops that write to an argument have no formula and no batching rule
        torch.library.register_autograd(f"fastcnn::{name}", backward, setup_context=setup_context)
        torch.library.register_vmap(f"fastcnn::{name}", batch or batch_images)

    def call(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return op(*args)
        try:
            if torch._C._are_functorch_transforms_active() or (forward_ad._current_level >= 0 and _moves(args)):
                if transformable is not None:
                    return transformable.apply(*args)
                if _moves(args):
                    raise _no_formula(name)
            elif transformable is not None and len(args) == count:
                given = [args[i] for i in tensors]
                if _is_plain_call(given):
                    # torch.library's detour through Python takes longer than a small op.
                    if eager is None or not (
                        torch.is_grad_enabled() and any(t.requires_grad for t in given if t is not None)
                    ):
                        return _below_autograd(op, args)
                    return eager.apply(*args)
            return op(*args)
        except NotImplementedError as error:
            if "Could not run" not in str(error):
                raise
            raise _cannot_run(name, args) from None
        except RuntimeError as error:
            if said := _FROM_FORMULA.match(str(error)):
                raise NotImplementedError(said.group(1)) from None
            raise translate(error) from None

    if not op._schema.is_mutable:
        if differentiable and forward is None:
            forward = _linear(call) if linear else _twice_transposed(name, call)
        transformable = _transformable(op, setup_context, backward, batch or batch_images, forward)
    TENSOR_OPS[name] = call
    return call


def register_named_tuple_for_export(kind: type[Any], name: str) -> None:
    """Let `torch.export.save` and AOTInductor store results of a NamedTuple, under a stable name."""
    # This private function is the only way; torch uses it for its own tuples.
    torch.utils._pytree._register_namedtuple(kind, serialized_type_name=name)
