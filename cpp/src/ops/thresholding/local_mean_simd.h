// The kernels of sliding means: row differences, sums of neighbours along a row, and conversion of the sums to results.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

/// Splits a window of `size` elements into blocks: `inner` elements form a small block, `outer` small blocks form a
/// large one. size = whole * inner * outer + middle * inner + single.
struct SumPlan {
  int64_t size, inner, outer, whole, middle, single;
};

/// Sums of neighbours: dst[x] = sum over i < plan.size of src[x + i], x < width, in the arithmetic of R (integers
/// wrap). Every array is scratch with a vector (64 bytes) to spare behind width + plan.size; `buffers` two of them.
template <class R>
using SumKernel = void (*)(const R* src, const SumPlan& plan, int64_t width, R* const* buffers, R* dst);

/// For pixels T; differences of rows and their sums R; sums over blocks C; thresholds S.
template <class T, class R, class C, class S>
struct IntegerMeanKernels {
  SumKernel<R> sum_row;
  SumKernel<C> sum_column;
  /// column[x] += src[x]
  void (*accumulate)(const T* src, int64_t n, C* column);
  /// dst[x] = ahead[x] - behind[x]
  void (*difference)(const T* ahead, const T* behind, int64_t n, R* dst);
  /// column[x] += change[x] + all
  void (*advance)(const R* change, R all, int64_t n, C* column);
  /// dst[x] = S(column[x]) / area - offset, the quotient rounded to S before the offset is subtracted.
  void (*threshold)(const C* column, int64_t n, double area, S offset, S* dst);
};

template <class A>
struct FloatMeanKernels {
  SumKernel<A> sum_row;
  /// dst[x] = a[x] + b[x]; dst may be a or b
  void (*add)(const A* a, const A* b, int64_t n, A* dst);
  /// dst[x] = (a[x] + b[x]) * scale - offset
  void (*threshold)(const A* a, const A* b, int64_t n, A scale, A offset, A* dst);
};

struct LocalMeanKernels {
  IntegerMeanKernels<uint8_t, int16_t, int32_t, float> narrow8;  ///< sums of up to 128 pixels fit R
  IntegerMeanKernels<uint8_t, int32_t, double, float> u8;
  IntegerMeanKernels<uint16_t, int32_t, double, float> u16;
  IntegerMeanKernels<int16_t, int32_t, double, float> i16;
  IntegerMeanKernels<int32_t, int64_t, int64_t, double> i32;
  FloatMeanKernels<float> f32;
  FloatMeanKernels<double> f64;
  /// dst[x] = column[x] < src[x] * area + bound
  void (*above8)(const int32_t* column, const uint8_t* src, int64_t n, int32_t area, int32_t bound, uint8_t* dst);
  /// dst[x] = src[x] > threshold[x] - offset
  void (*above32)(const float* src, const float* threshold, int64_t n, float offset, uint8_t* dst);
  void (*above64)(const double* src, const double* threshold, int64_t n, double offset, uint8_t* dst);
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(LocalMeanKernels, local_mean_kernels)
