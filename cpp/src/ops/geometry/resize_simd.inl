// Weighted sums of rows, compiled once per ISA. Loops without branches that the compiler vectorises, and gathers of a
// row if the ISA has them.
#include <stdint.h>

#include "core/simd.h"
#include "ops/geometry/resize_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class A>
void columns(const A* const* rows, const A* weights, int64_t n, int64_t width, A* dst) {
  int64_t x = 0;
  for (; x + lanes<A> <= width; x += lanes<A>) {
    Vec<A> sum = {};
    for (int64_t k = 0; k < n; ++k) sum += splat(weights[k]) * load(rows[k] + x);
    store(dst + x, sum);
  }
  for (; x < width; ++x) {
    A sum = 0;
    for (int64_t k = 0; k < n; ++k) sum += weights[k] * rows[k][x];
    dst[x] = sum;
  }
}

template <class A>
void row(const A* src, const int32_t* first, const A* weights, int64_t n, int64_t width, A* dst) {
  constexpr int64_t kBlock = 16;
  int64_t x = 0;
  for (; x + kBlock <= width; x += kBlock) {
    A sum[kBlock] = {};
    for (int64_t k = 0; k < n; ++k) {
      const A* w = weights + k * width + x;
      for (int64_t i = 0; i < kBlock; ++i) {
        const A product = w[i] * src[first[x + i] + k];
        sum[i] += w[i] != 0 ? product : A(0);
      }
    }
    for (int64_t i = 0; i < kBlock; ++i) dst[x + i] = sum[i];
  }
  for (; x < width; ++x) {
    A sum = 0;
    for (int64_t k = 0; k < n; ++k) {
      const A w = weights[k * width + x];
      sum += w != 0 ? w * src[first[x] + k] : A(0);
    }
    dst[x] = sum;
  }
}

}  // namespace

extern const ResizeKernels resize_kernels = {{columns<float>, row<float>}, {columns<double>, row<double>}};

}  // namespace fastcnn::FASTCNN_ISA
