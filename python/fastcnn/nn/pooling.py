"""Pooling layers: torch.nn's, on fastcnn's kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastcnn import ops
from fastcnn.nn._modes import has_kernels


class _Pool(torch.nn.Module):
    # The op, and which of the layer's settings are its arguments, in their order.
    _op: Callable[..., Any]
    _settings: tuple[str, ...] = ()

    def forward(self, input: Tensor) -> Any:
        """Run the layer."""
        if isinstance(input, Tensor) and not has_kernels(input):  # what is no tensor the op refuses by name
            return super().forward(input)
        return self._op(input, *[getattr(self, name) for name in self._settings])


class _MaxPool(_Pool):
    _settings = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")


class _AvgPool(_Pool):
    _settings: tuple[str, ...] = (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    )


class _AdaptiveMaxPool(_Pool):
    _settings = ("output_size", "return_indices")


class _AdaptiveAvgPool(_Pool):
    _settings = ("output_size",)


class _MaxUnpool(torch.nn.Module):
    _op: Callable[..., Any]

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Run the layer."""
        if isinstance(input, Tensor) and not has_kernels(input):  # what is no tensor the op refuses by name
            result: Tensor = super().forward(input, indices, output_size)
            return result
        unpooled: Tensor = self._op(input, indices, self.kernel_size, self.stride, self.padding, output_size)
        return unpooled


class MaxPool1d(_MaxPool, torch.nn.MaxPool1d):
    """`torch.nn.MaxPool1d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.max_pool1d)


class MaxPool2d(_MaxPool, torch.nn.MaxPool2d):
    """`torch.nn.MaxPool2d` on fastcnn's kernels, as all layers of this file; integers and bool too.

    Example:
        >>> import torch, fastcnn.nn
        >>> fastcnn.nn.MaxPool2d(2)(torch.arange(16.0).reshape(1, 4, 4))
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """

    _op: Callable[..., Any] = staticmethod(ops.max_pool2d)


class MaxPool3d(_MaxPool, torch.nn.MaxPool3d):
    """`torch.nn.MaxPool3d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.max_pool3d)


class AvgPool1d(_AvgPool, torch.nn.AvgPool1d):
    """`torch.nn.AvgPool1d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.avg_pool1d)
    _settings = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")


class AvgPool2d(_AvgPool, torch.nn.AvgPool2d):
    """`torch.nn.AvgPool2d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.avg_pool2d)


class AvgPool3d(_AvgPool, torch.nn.AvgPool3d):
    """`torch.nn.AvgPool3d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.avg_pool3d)


class AdaptiveAvgPool1d(_AdaptiveAvgPool, torch.nn.AdaptiveAvgPool1d):
    """`torch.nn.AdaptiveAvgPool1d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool, torch.nn.AdaptiveAvgPool2d):
    """`torch.nn.AdaptiveAvgPool2d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool, torch.nn.AdaptiveAvgPool3d):
    """`torch.nn.AdaptiveAvgPool3d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPool, torch.nn.AdaptiveMaxPool1d):
    """`torch.nn.AdaptiveMaxPool1d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool, torch.nn.AdaptiveMaxPool2d):
    """`torch.nn.AdaptiveMaxPool2d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool, torch.nn.AdaptiveMaxPool3d):
    """`torch.nn.AdaptiveMaxPool3d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.adaptive_max_pool3d)


class MaxUnpool1d(_MaxUnpool, torch.nn.MaxUnpool1d):
    """`torch.nn.MaxUnpool1d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.max_unpool1d)


class MaxUnpool2d(_MaxUnpool, torch.nn.MaxUnpool2d):
    """`torch.nn.MaxUnpool2d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.max_unpool2d)


class MaxUnpool3d(_MaxUnpool, torch.nn.MaxUnpool3d):
    """`torch.nn.MaxUnpool3d` on fastcnn's kernels."""

    _op: Callable[..., Any] = staticmethod(ops.max_unpool3d)
