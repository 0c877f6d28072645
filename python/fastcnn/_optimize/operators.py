"""The functions that a saved graph may call: only functions of torch that compute from tensors and numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch

# By name, all overloads. None opens files, accesses memory by address, or modifies arguments (except a final copy_).
_ATEN = """
    abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d add addbmm addcdiv addcmul addmm addmv affine_grid_generator alias all alpha_dropout amax amin
    aminmax any arange argmax argmin argsort as_strided as_strided_scatter asin asinh atan atan2 atanh atleast_1d
    atleast_2d atleast_3d avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or
    bitwise_xor bmm broadcast_tensors broadcast_to bucketize cat cdist ceil celu channel_shuffle chunk clamp clamp_max
    clamp_min clone col2im complex concat constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d convolution copy copy_ cos cosh cosine_similarity count_nonzero cross cummax
    cummin cumprod cumsum detach diag diag_embed diagonal diagonal_scatter diff div dot dropout einsum elu embedding
    empty empty_like eq erf erfc erfinv exp exp2 expand expand_as expm1 eye feature_alpha_dropout feature_dropout
    fft_fft fft_fft2 fft_ifft fft_ifft2 fft_irfft fft_irfft2 fft_rfft fft_rfft2 fft_fftshift fft_ifftshift fill flatten
    flip fliplr flipud floor floor_divide fmax fmin fmod frac full full_like gather ge gelu glu grid_sampler
    grid_sampler_2d grid_sampler_3d group_norm gt hardshrink hardsigmoid hardswish hardtanh hypot im2col index index_add
    index_copy index_fill index_put index_select instance_norm isfinite isinf isnan kthvalue layer_norm le leaky_relu
    lerp lift_fresh_copy linalg_cross linalg_norm linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid
    log_softmax logaddexp logical_and logical_not logical_or logical_xor logit logspace logsumexp lt masked_fill
    masked_scatter masked_select matmul max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d maximum mean median
    meshgrid min minimum mish mm movedim mse_loss mul multinomial mv nan_to_num nansum narrow native_batch_norm
    native_channel_shuffle native_dropout native_group_norm native_layer_norm ne neg new_empty new_full new_ones
    new_zeros nonzero norm numpy_T one_hot ones ones_like outer pad permute pixel_shuffle pixel_unshuffle polar pow
    prelu prod quantile rand rand_like randint randn randn_like real reciprocal reflection_pad1d reflection_pad2d
    reflection_pad3d relu relu6 remainder renorm repeat repeat_interleave replication_pad1d replication_pad2d
    replication_pad3d reshape rms_norm roll rot90 round rrelu rsqrt rsub scalar_tensor scaled_dot_product_attention
    scatter scatter_add scatter_reduce searchsorted select select_scatter selu sgn sigmoid sign silu sin sinc sinh slice
    slice_scatter softmax softplus softshrink sort split split_with_sizes sqrt square squeeze stack std std_mean sub sum
    swapaxes sym_numel sym_size sym_stride t take take_along_dim tan tanh tensor_split threshold tile to topk transpose
    tril triu true_divide trunc type_as unbind unflatten unfold unsqueeze upsample_bicubic2d upsample_bilinear2d
    upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d var var_mean view
    view_as view_as_complex view_as_real where xlogy zeros zeros_like _adaptive_avg_pool2d _adaptive_avg_pool3d _conj
    _convolution _log_softmax _native_batch_norm_legit_no_training _softmax _to_copy _upsample_bicubic2d_aa
    _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm
"""
_FASTCNN = """
    adaptive_avg_pool adaptive_max_pool avg_pool batched_nms convolution convolution_transpose deform_conv max_pool nms
    packed_convolution ps_roi_align ps_roi_pool resize roi_align roi_pool rotate
"""
_LISTED = {"aten": frozenset(_ATEN.split()), "fastcnn": frozenset(_FASTCNN.split())}
_OPERATORS = """
    abs add and_ eq floordiv ge getitem gt le lt mod mul ne neg not_ or_ pos pow sub truediv xor
"""
_SYMBOLIC = "sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum"

_PLAIN: dict[str, Any] = {
    **{f"operator.{name}": getattr(operator, name) for name in _OPERATORS.split()},
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc")},
    **{f"torch.{name}": getattr(torch, name) for name in _SYMBOLIC.split() if hasattr(torch, name)},
    "builtins.round": round,
}
_NAMES = {function: name for name, function in _PLAIN.items()}


def name_of(function: Any) -> str | None:
    """Return the name of a function in files, or None if files must not call it."""
    if isinstance(function, torch._ops.OpOverload):
        name = str(function)
        return name if _is_listed(*name.split(".")[:2]) else None
    return _NAMES.get(function)


def _is_listed(namespace: str, name: str) -> bool:
    return name in _LISTED.get(namespace, ())


def function_of(name: str) -> Any:
    """Return the function of a name, or None if files must not call it."""
    if name in _PLAIN:
        return _PLAIN[name]
    parts = name.split(".")
    if len(parts) != 3 or not _is_listed(parts[0], parts[1]):
        return None
    packet = getattr(getattr(torch.ops, parts[0]), parts[1], None)
    return getattr(packet, parts[2]) if packet is not None and parts[2] in packet.overloads() else None
