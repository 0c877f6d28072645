"""Convolution layers: torch.nn's, on fastcnn's kernels, with weights packed once for inference."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook

from fastcnn import ops
from fastcnn._dispatch import as_batch
from fastcnn._torch.packed import PackedConvolution
from fastcnn.nn import _modes

# One for all layers: making a copy moves no values yet, PackedConvolution packs at its first call.
_packing = threading.Lock()
# Steps of fused optimisers: they write to parameters without counting it as a new version.
_uncounted_steps = 0


def _after_step(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    global _uncounted_steps
    if any(group.get("fused") for group in optimizer.param_groups):
        _uncounted_steps += 1


register_optimizer_step_post_hook(_after_step)


class _PackedCopy:
    """A packed copy of a layer's weight and bias, and what tells that they have not changed since."""

    def __init__(self, weight: Tensor, bias: Tensor | None, settings: dict[str, Any]) -> None:
        self.packed = PackedConvolution(weight.detach(), None if bias is None else bias.detach(), **settings)
        self._settings, self._steps = settings, _uncounted_steps
        parameters = [p for p in (weight, bias) if p is not None]
        self._weight, self._bias = weakref.ref(weight), None if bias is None else weakref.ref(bias)
        self._versions = [(p.data_ptr(), p._version) for p in parameters]
        # Kept, or an address could be another tensor's once this one is freed.
        self._storage = [p.detach() for p in parameters]

    def serves(self, weight: Tensor, bias: Tensor | None, settings: dict[str, Any]) -> bool:
        """Tell whether nothing has changed that can be noticed."""
        if self._weight() is not weight or self._steps != _uncounted_steps or self._settings != settings:
            return False
        if (weight.data_ptr(), weight._version) != self._versions[0]:
            return False
        if bias is None or self._bias is None:
            return bias is None and self._bias is None
        return self._bias() is bias and (bias.data_ptr(), bias._version) == self._versions[1]


class _Packing(torch.nn.Module):
    """Shared by the convolution layers: the packed copy of the weights, which is not part of the layer's state."""

    def repack(self) -> None:
        """Forget the packed weights; the next call in eval mode packs them again.

        Needed after a write that torch does not count: through ``weight.data``, ``weight.detach().numpy()`` or other
        memory shared with the weight.
        """
        self.__dict__.pop("_packed_copy", None)

    def _packed(self, input: Tensor, weight: Tensor, bias: Tensor | None, **settings: Any) -> PackedConvolution | None:
        """The packed weights where this call may use them."""
        if self.training or weight.numel() == 0 or not _modes.is_plain_call(input, weight, bias):
            return None
        copy: _PackedCopy | None = self.__dict__.get("_packed_copy")
        if copy is None or not copy.serves(weight, bias, settings):
            with _packing:  # threads that come at once agree on one copy
                copy = self.__dict__.get("_packed_copy")
                if copy is None or not copy.serves(weight, bias, settings):
                    copy = self.__dict__["_packed_copy"] = _PackedCopy(weight, bias, settings)
        return copy.packed

    def train(self, mode: bool = True) -> Any:
        if mode:
            self.repack()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self.repack()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch has no type here

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_packed_copy", None)
        return state


def _run(packed: PackedConvolution, input: Tensor, spatial_dims: int) -> Tensor:
    if input.dim() == spatial_dims + 1:
        return packed(as_batch(input)).squeeze(0)
    return packed(input)


class _Convolution(_Packing, torch.nn.modules.conv._ConvNd):
    _op: Callable[..., Tensor]

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not _modes.has_kernels(input):
            result: Tensor = super()._conv_forward(input, weight, bias)
            return result
        padding = self.padding
        if self.padding_mode != "zeros":
            input = functional.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * len(self.kernel_size)
        if input.dim() in (weight.dim() - 1, weight.dim()):
            settings = {"stride": self.stride, "padding": padding, "dilation": self.dilation, "groups": self.groups}
            packed = self._packed(input, weight, bias, **settings)
            if packed is not None:
                return _run(packed, input, weight.dim() - 2)
        return self._op(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Convolution, torch.nn.Conv1d):
    """`torch.nn.Conv1d` on fastcnn's kernels. See `Conv2d`.

    Example:
        >>> import fastcnn.nn
        >>> fastcnn.nn.Conv1d(16, 33, 3, stride=2)
        Conv1d(16, 33, kernel_size=(3,), stride=(2,))
    """

    _op = staticmethod(ops.conv1d)


class Conv2d(_Convolution, torch.nn.Conv2d):
    """`torch.nn.Conv2d` on fastcnn's kernels; constructor, representation and state dict are torch's.

    Where a gradient is wanted, a call is `fastcnn.ops.conv2d`. In eval mode, with no gradient wanted (``torch.no_grad``
    or parameters that require none), the layer packs its weight once, at the first call, and keeps the copy beside
    the weight: about as much memory again. Layers may be called from several threads.

    The copy is made anew when

    - another Parameter stands in the layer (assignment, ``load_state_dict(assign=True)``),
    - the Parameter's values change in place in a way that torch counts: ``load_state_dict``, an optimiser's step,
      ``with torch.no_grad(): weight.mul_(2)``, ``torch.nn.init``,
    - ``.to``, ``.half`` and other conversions moved it, its ``.data`` became another tensor, or a setting such as
      ``stride`` did.

    Not noticed are writes to the same memory that torch does not count: ``weight.data.mul_(2)``, through a NumPy array
    or another tensor that shares memory without sharing the version counter. Call `repack` after such a write.
    ``train()`` forgets the copy. It is never part of the state dict, of pickles and of deep copies.

    No copy is kept or used under autocast, `torch.compile`, `torch.export`, tracing, `torch.func` (its
    ``functional_call`` with plain tensors too), for weights that are inference tensors, and for a weight that a
    parametrisation computes: such calls pack on the way.

    Example:
        >>> import torch, fastcnn.nn
        >>> conv = fastcnn.nn.Conv2d(3, 8, 3, padding=1).eval()
        >>> conv
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        >>> with torch.inference_mode():
        ...     conv(torch.ones(1, 3, 32, 32)).shape
        torch.Size([1, 8, 32, 32])
        >>> _ = torch.nn.Conv2d(3, 8, 3).load_state_dict(conv.state_dict())
    """

    _op = staticmethod(ops.conv2d)


class Conv3d(_Convolution, torch.nn.Conv3d):
    """`torch.nn.Conv3d` on fastcnn's kernels. See `Conv2d`.

    Example:
        >>> import fastcnn.nn
        >>> fastcnn.nn.Conv3d(1, 8, 3, bias=False)
        Conv3d(1, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1), bias=False)
    """

    _op = staticmethod(ops.conv3d)


class _TransposedConvolution(_Packing, torch.nn.modules.conv._ConvTransposeNd):
    _op: Callable[..., Tensor]

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """Run the layer; output_size as torch's."""
        if not _modes.has_kernels(input):
            result: Tensor = super().forward(input, output_size)
            return result
        dims = len(self.kernel_size)
        output_padding = self._output_padding(
            input,
            output_size,
            self.stride,  # type: ignore[arg-type]  # tuples, where torch declares lists
            self.padding,  # type: ignore[arg-type]  # likewise
            self.kernel_size,  # type: ignore[arg-type]  # likewise
            dims,
            self.dilation,  # type: ignore[arg-type]  # likewise
        )
        if input.dim() in (dims + 1, dims + 2):
            packed = self._packed(
                input,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
                transposed=True,
                output_padding=tuple(output_padding),
            )
            if packed is not None:
                return _run(packed, input, dims)
        return self._op(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )


class ConvTranspose1d(_TransposedConvolution, torch.nn.ConvTranspose1d):
    """`torch.nn.ConvTranspose1d` on fastcnn's kernels. See `Conv2d`.

    Example:
        >>> import fastcnn.nn
        >>> fastcnn.nn.ConvTranspose1d(4, 2, 2, stride=2)
        ConvTranspose1d(4, 2, kernel_size=(2,), stride=(2,))
    """

    _op = staticmethod(ops.conv_transpose1d)


class ConvTranspose2d(_TransposedConvolution, torch.nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d` on fastcnn's kernels. See `Conv2d`.

    Example:
        >>> import torch, fastcnn.nn
        >>> up = fastcnn.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
        >>> up(torch.ones(1, 4, 5, 5), output_size=(10, 10)).shape
        torch.Size([1, 2, 10, 10])
    """

    _op = staticmethod(ops.conv_transpose2d)


class ConvTranspose3d(_TransposedConvolution, torch.nn.ConvTranspose3d):
    """`torch.nn.ConvTranspose3d` on fastcnn's kernels. See `Conv2d`.

    Example:
        >>> import fastcnn.nn
        >>> fastcnn.nn.ConvTranspose3d(4, 2, 2, stride=2)
        ConvTranspose3d(4, 2, kernel_size=(2, 2, 2), stride=(2, 2, 2))
    """

    _op = staticmethod(ops.conv_transpose3d)
