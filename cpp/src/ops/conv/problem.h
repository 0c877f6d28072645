// The description of a convolution that every algorithm takes: channels last, sizes per group, everything in elements.
//
// The layout is NHWC because it needs no conversion at torch's boundary (channels_last) and ties a blocked NCHW16c;
// other layouts and narrow floats are staged in bands (staging.h). Absent spatial dimensions are 1: a 1-D convolution
// has depth = height = 1.
#pragma once

#include <cstdint>

#include "fastcnn/ops/conv.h"

namespace fastcnn::conv {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Shape {
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t channels = 1;  ///< of the input, per group
  int64_t filters = 1;   ///< channels of the output, per group
  // Depth, height, width.
  int64_t in[3] = {1, 1, 1};
  int64_t out[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1};
  /// Padding before the first pixel; negative values crop. The padding behind the last pixel follows from `out`: any
  /// position outside the input reads as zero.
  int64_t pad[3] = {0, 0, 0};

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  double flops() const {
    return 2.0 * static_cast<double>(batch * out_pixels() * groups) * static_cast<double>(filters * channels * taps());
  }
};

/// Pixels with groups * channels adjacent values each.
template <class T>
struct Pixels {
  T* data = nullptr;
  int64_t batch_stride = 0;
  int64_t stride[3] = {0, 0, 0};  ///< of depth, height, width
};

/// Weights of any layout; swapped strides transpose, negative ones flip.
template <class T>
struct Weights {
  const T* data = nullptr;
  int64_t group_stride = 0, filter_stride = 0, channel_stride = 0;
  int64_t tap_stride[3] = {0, 0, 0};
};

/// dst = activation(convolution + bias + residual) * scale; null terms are omitted.
template <class T>
struct Epilogue {
  const T* bias = nullptr;   ///< [groups * filters]
  Pixels<const T> residual;  ///< laid out like the result
  const T* scale = nullptr;  ///< [batch][groups * filters]
  Activation activation = Activation::none;
  T alpha = 0;
};

template <class T>
struct WorkItem {
  Shape shape;
  Pixels<const T> src;
  const T* input_scale = nullptr;  ///< [batch][groups * channels], multiplies the input
  Epilogue<T> epilogue;
  Pixels<T> dst;
};

}  // namespace fastcnn::conv
