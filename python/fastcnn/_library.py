"""The torch floor: loads the op libraries and registers what belongs to an op in Python.

Each op of ``fastcnn.ops`` is one call of `native` beside its wrapper: fake kernel, autograd formula and batching rule
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.utils._pytree
from torch import Tensor

from fastcnn._errors import BackendError, translate
from fastcnn._info import library


def _load_library(path: Path) -> None:
    torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]  # torch has no type here


def _load() -> str | None:
    path = library("fastcnn_torch")
    if path is None:
        raise BackendError("fastcnn.ops: this build has no torch libraries (torch was not there when it was built)")
    _load_library(path)
    path = library("fastcnn_torch_cuda")
    if path is None:
        return "this build has no CUDA libraries (nvcc was not found, or FASTCNN_CUDA=off)"
    if not torch.cuda.is_available():
        return "torch is built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
    try:
        _load_library(path)
    except OSError as error:
        return f"{path.name} does not load: {error}"
    return None


# Why CUDA is off, or None where it is on.
why_no_cuda = _load()

Fake = Callable[..., Any]


def _cannot_run(name: str, args: Sequence[Any]) -> BackendError:
    """Say which tensor it was that no kernel takes, and for CUDA why."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    odd = next((t for t in tensors if t.device.type != "cpu" or t.layout != torch.strided), tensors[0])
    reason = f": {why_no_cuda}" if odd.is_cuda and why_no_cuda else ""
    layout = str(odd.layout).removeprefix("torch.")
    return BackendError(
        f"{name}: expected strided tensors on a device that has this op, got a {layout} one on {odd.device}{reason}"
    )


def _transformable(op: Any, setup_context: Any, backward: Any, batch: Any) -> Any:
    """The op for torch.func (grad, jacrev, hessian), which the formulas of torch.library do not reach.

    Where derivatives of any order are wanted there, formulas and batching rules call what `native` returns.
    """
    methods = {"forward": lambda *args: op(*args), "setup_context": setup_context, "backward": backward, "vmap": batch}
    members = {name: staticmethod(method) for name, method in methods.items()}
    return type(op.name().partition("::")[2], (torch.autograd.Function,), members)


def native(
    name: str,
    *,
    fake: Fake,
    images: Sequence[int] = (0,),
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    batch: Callable[..., tuple[Any, Any]] | None = None,
) -> Callable[..., Any]:
    """Complete the op ``fastcnn::name`` that the library defines, and return a callable for its wrapper.

    Args:
        name: the op's name.
        fake: computes the results' metadata, with symbolic sizes.
        images: positions of the arguments whose leading dimensions are batch; `vmap` adds one more.
        setup_context: see `torch.library.register_autograd`.
        backward: likewise; None declares the op non-differentiable.
        batch: see `torch.library.register_vmap`, for ops whose arguments are not simply images.
    """
    op = getattr(torch.ops.fastcnn, name).default
    torch.library.register_fake(f"fastcnn::{name}", fake)

    if op._schema.is_mutable:
        pass  # writes into an argument: torch takes no formula for these, and a batch of them has no meaning
    elif backward is None:

        def no_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            ctx.mark_non_differentiable(*(o for o in outputs if isinstance(o, Tensor)))

        def no_gradient(ctx: Any, *grads: Any) -> tuple[None, ...]:
            return (None,) * len(op._schema.arguments)

        torch.library.register_autograd(f"fastcnn::{name}", no_gradient, setup_context=no_context)
    else:
        torch.library.register_autograd(f"fastcnn::{name}", backward, setup_context=setup_context)

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
        result = op(*moved)
        return result, tuple(0 for _ in result) if isinstance(result, tuple) else 0

    if not op._schema.is_mutable:
        torch.library.register_vmap(f"fastcnn::{name}", batch or batch_images)

    transformable = None if backward is None else _transformable(op, setup_context, backward, batch or batch_images)

    def call(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return op(*args)
        try:
            if transformable is not None and torch._C._are_functorch_transforms_active():
                return transformable.apply(*args)
            return op(*args)
        except NotImplementedError:
            raise _cannot_run(name, args) from None
        except RuntimeError as error:
            raise translate(error) from None

    return call


def in_saved_programs(kind: type[Any], name: str) -> None:
    """Let `torch.export.save` and AOTInductor keep results of a NamedTuple, under a name that stays."""
    # Its only way to do so; torch's own tuples take it as well.
    torch.utils._pytree._register_namedtuple(kind, serialized_type_name=name)
