// The samples of a deformable convolution (Dai et al., 2017; modulated: Zhu et al., 2019), as the input of a
// convolution of 1 x 1. input (N, C, H, W); offset (N, 2 * offset_groups * taps, oh, ow): y and x of each tap; mask (N,
// offset_groups * taps, oh, ow) or null. columns (N, groups * taps * C / groups, oh, ow): group, tap, channel. float32
// or float64, all of one dtype, any strides; results dense.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

struct Deform {
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};
  int64_t groups = 1, offset_groups = 1;
};

/// columns are stored pixel by pixel: (N, oh, ow, channels) in memory.
FASTCNN_API void deform_columns(const Context& context, const TensorView& input, const TensorView& offset,
                                const TensorView* mask, const Deform& options, const TensorView& columns);
/// Computes grad_input, grad_offset and, if there is a mask, grad_mask.
FASTCNN_API void deform_columns_backward(const Context& context, const TensorView& grad, const TensorView& input,
                                         const TensorView& offset, const TensorView* mask, const Deform& options,
                                         const TensorView& grad_input, const TensorView& grad_offset,
                                         const TensorView* grad_mask);

}  // namespace fastcnn
