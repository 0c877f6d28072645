// The kernels of separable filters: correlation down the columns, along a row, and conversion of rows.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

template <class A>
struct SeparableRows {
  /// dst[j][x] = sum over t < n of taps[t] * rows[j + t][x], for j < count, x < width; rows of dst are `stride` apart.
  void (*columns)(const A* const* rows, const A* taps, int64_t n, int64_t count, int64_t width, A* dst, int64_t stride);
  /// dst[x] = sum over t < n of taps[t] * src[x + t], for x < width. Reads up to a vector (64 bytes) past the end.
  void (*row)(const A* src, const A* taps, int64_t n, int64_t width, A* dst);
  /// Rows of other dtypes, by DType; null where there is no conversion. Integers are rounded to nearest (ties to even)
  /// and clamped to their range.
  void (*load[11])(const void* src, int64_t n, A* dst);
  void (*store[11])(const A* src, int64_t n, void* dst);
};

struct SeparableKernels {
  SeparableRows<float> f32;
  SeparableRows<double> f64;
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(SeparableKernels, separable_kernels)
