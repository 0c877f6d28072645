"""When a layer runs fastcnn's kernels, and when it may keep packed weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad

_thread = threading.local()


@contextmanager
def as_torch() -> Iterator[None]:
    """Within, this thread's layers are torch's own: `fastcnn.optimize` captures a graph of torch's ops."""
    before = getattr(_thread, "as_torch", False)
    _thread.as_torch = True
    try:
        yield
    finally:
        _thread.as_torch = before


def has_kernels(input: Tensor) -> bool:
    """Does fastcnn have kernels for this input?"""
    if not isinstance(input, Tensor) or input.device.type != "cpu" or input.is_complex() or input.is_quantized:
        return False
    # Dynamo cannot look into a thread-local, and never runs within `as_torch`.
    return torch.compiler.is_dynamo_compiling() or not getattr(_thread, "as_torch", False)


def is_plain_call(input: Tensor, *parameters: Tensor | None) -> bool:
    """Is this an ordinary inference call, whose parameters tell by their version when they change?

    Not while the call is traced, compiled, exported, transformed (`torch.func`) or watched by a dispatch mode, not
    where a gradient is wanted, not under autocast, and not where the parameters are anything else than Parameters
    of the input's dtype: inference tensors count no versions, and `functional_call` and parametrisations pass
    tensors that live for one call.
    """
    if (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.is_autocast_enabled("cpu")
    ):
        return False
    wanted, dtype = torch.is_grad_enabled(), input.dtype
    if type(input) not in (Tensor, torch.nn.Parameter) or (wanted and input.requires_grad):
        return False
    for p in parameters:
        if p is None:
            continue
        if type(p) is not torch.nn.Parameter or p.dtype != dtype or p.is_inference() or (wanted and p.requires_grad):
            return False
    return True
