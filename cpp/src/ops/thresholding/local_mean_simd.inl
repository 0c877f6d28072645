// Sliding means, compiled once per ISA. Plain loops vectorise by themselves; sums of neighbours are blocked by hand.
#include <stdint.h>

#include "core/simd.h"
#include "ops/thresholding/local_mean_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 16")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class R>
struct Part {
  const R* src;
  int64_t count, stride;
};

// dst[x] = sum over the parts, over i < count, of src[x + i * stride].
template <class R, int N, int Parts>
FASTCNN_INLINE void sum_block(const Part<R> (&parts)[Parts], int64_t x, R* dst) {
  Vec<R> sum[N] = {};
  for (int p = 0; p < Parts; ++p) {
    const R* src = parts[p].src + x;
    for (int64_t i = 0; i < parts[p].count; ++i, src += parts[p].stride)
      FASTCNN_UNROLL for (int v = 0; v < N; ++v) sum[v] += load(src + v * lanes<R>);
  }
  FASTCNN_UNROLL for (int v = 0; v < N; ++v) store(dst + x + v * lanes<R>, sum[v]);
}

template <class R, int Parts>
FASTCNN_INLINE void sum_parts(const Part<R> (&parts)[Parts], int64_t width, R* dst) {
  int64_t x = 0;
  for (; x + 4 * lanes<R> <= width; x += 4 * lanes<R>) sum_block<R, 4>(parts, x, dst);
  for (; x < width; x += lanes<R>) sum_block<R, 1>(parts, x, dst);
}

template <class R>
void sum_row(const R* src, const SumPlan& plan, int64_t width, R* const* buffers, R* dst) {
  const R* inner = src;
  if (plan.inner > 1) {
    sum_parts<R, 1>({{src, plan.inner, 1}}, width + plan.size - plan.inner, buffers[0]);
    inner = buffers[0];
  }
  const R* outer = inner;
  const int64_t unit = plan.inner * plan.outer;
  if (plan.outer > 1) {
    sum_parts<R, 1>({{inner, plan.outer, plan.inner}}, width + plan.size - unit, buffers[1]);
    outer = buffers[1];
  }
  const R* rest = src + plan.whole * unit + plan.middle * plan.inner;
  sum_parts<R, 3>({{outer, plan.whole, unit}, {inner + plan.whole * unit, plan.middle, plan.inner}, {rest, plan.single, 1}},
                  width, dst);
}

template <class T, class C>
void accumulate(const T* __restrict src, int64_t n, C* __restrict column) {
  for (int64_t x = 0; x < n; ++x) column[x] += static_cast<C>(src[x]);
}

template <class T, class R>
void difference(const T* ahead, const T* behind, int64_t n, R* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<R>(static_cast<R>(ahead[x]) - static_cast<R>(behind[x]));
}

template <class R, class C>
void advance(const R* __restrict change, R all, int64_t n, C* __restrict column) {
  for (int64_t x = 0; x < n; ++x) column[x] += static_cast<C>(static_cast<R>(change[x] + all));
}

// A sum below 2^24 is a float32, and so is the area of such a block: one division, rounded once.
void threshold_narrow(const int32_t* __restrict column, int64_t n, double area, float offset, float* __restrict dst) {
  const float divisor = static_cast<float>(area);
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x]) / divisor - offset;
}

// The area is odd, so a quotient is no tie between two floats: it is off by 2^-25 / area of its size at least. Below an
// area of 2^26 the error of a product with the reciprocal does not reach that far.
void threshold_wide(const double* __restrict column, int64_t n, double area, float offset, float* __restrict dst) {
  const double scale = 1 / area;
  if (area < 0x1p26)
    for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x] * scale) - offset;
  else
    for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x] / area) - offset;
}

void threshold_double(const int64_t* __restrict column, int64_t n, double area, double offset, double* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<double>(column[x]) / area - offset;
}

template <class A>
void add(const A* a, const A* b, int64_t n, A* dst) {
  int64_t x = 0;
  for (; x + lanes<A> <= n; x += lanes<A>) store(dst + x, load(a + x) + load(b + x));
  for (; x < n; ++x) dst[x] = a[x] + b[x];
}

template <class A>
void threshold_sum(const A* a, const A* b, int64_t n, A scale, A offset, A* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = (a[x] + b[x]) * scale - offset;
}

void above8(const int32_t* __restrict column, const uint8_t* __restrict src, int64_t n, int32_t area, int32_t bound,
            uint8_t* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = column[x] < src[x] * area + bound;
}

template <class A>
void above(const A* __restrict src, const A* __restrict threshold, int64_t n, A offset, uint8_t* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = src[x] > threshold[x] - offset;
}

}  // namespace

extern const LocalMeanKernels local_mean_kernels = {
    {sum_row<int16_t>, sum_row<int32_t>, accumulate<uint8_t, int32_t>, difference<uint8_t, int16_t>,
     advance<int16_t, int32_t>, threshold_narrow},
    {sum_row<int32_t>, sum_row<double>, accumulate<uint8_t, double>, difference<uint8_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int32_t>, sum_row<double>, accumulate<uint16_t, double>, difference<uint16_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int32_t>, sum_row<double>, accumulate<int16_t, double>, difference<int16_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int64_t>, sum_row<int64_t>, accumulate<int32_t, int64_t>, difference<int32_t, int64_t>,
     advance<int64_t, int64_t>, threshold_double},
    {sum_row<float>, add<float>, threshold_sum<float>},
    {sum_row<double>, add<double>, threshold_sum<double>},
    above8,
    above<float>,
    above<double>,
};

}  // namespace fastcnn::FASTCNN_ISA
