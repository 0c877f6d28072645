// Sums along lines, for depthwise convolutions of few adjacent channels; see lines.h.
#pragma once

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// A line of results: element i is factor[i] * (the sum over the terms t of weights[t][i] * src[t][i]) + bias[i], in
/// the order of the depthwise kernel, so that the layout does not change a bit. Weights, factors and bias are periodic:
/// `period` vectors of them are given.
template <class T>
struct Line {
  const T* const* src;  ///< [terms]; may be read up to kLineSlack elements behind the end
  const T* const* weights;
  int64_t terms;
  const T *factor, *bias;
  int period;
  int64_t length;
  T* dst;
  const Epilogue<T>* epilogue;
  const T* residual;  ///< [length], or null
  const T* scale;     ///< [length], or null
};
constexpr int64_t kLineSlack = 256;
constexpr int kMaxPeriod = 15;

template <class T>
struct LineRoutines {
  int64_t lanes;
  void (*line)(const Line<T>&);
  /// Copies columns [first, last) of a row, `from` being the first: column q to element q / step * channels of line
  /// q % step. Lines have this pitch.
  void (*deal)(const T* from, int64_t from_stride, int64_t channels, int64_t step, int64_t first, int64_t last, T* to,
               int64_t pitch);
};

struct LineKernels {
  LineRoutines<float> f32;
  LineRoutines<double> f64;
};

}  // namespace fastcnn::conv

FASTCNN_DECLARE_KERNELS(conv::LineKernels, line_kernels)
