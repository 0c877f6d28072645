#include "ops/thresholding/otsu_simd.h"

#include <stdint.h>

#include "core/simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class F>
bool range(const F* src, int64_t n, F* minimum, F* greatest) {
  F low = src[0], high = src[0];
  bool ordered = true;
  int64_t i = 0;
  if (n >= 4 * lanes<F>) {
    Vec<F> lows[4], highs[4], sums[4] = {};
    for (int k = 0; k < 4; ++k) lows[k] = highs[k] = load(src + k * lanes<F>);
    for (; i + 4 * lanes<F> <= n; i += 4 * lanes<F>)
      for (int k = 0; k < 4; ++k) {
        const Vec<F> v = load(src + i + k * lanes<F>);
        lows[k] = vmin(lows[k], v);
        highs[k] = vmax(highs[k], v);
        sums[k] += v != v ? v : Vec<F>{};  // NaN once one was NaN
      }
    for (int k = 0; k < 4; ++k)
      for (int lane = 0; lane < lanes<F>; ++lane) {
        low = lows[k][lane] < low ? lows[k][lane] : low;
        high = lows[k][lane] > high ? lows[k][lane] : high;
        high = highs[k][lane] > high ? highs[k][lane] : high;
        ordered = ordered && sums[k][lane] == sums[k][lane];
      }
  }
  for (; i < n; ++i) {
    low = src[i] < low ? src[i] : low;
    high = src[i] > high ? src[i] : high;
    ordered = ordered && src[i] == src[i];
  }
  *minimum = low;
  *greatest = high;
  return ordered;
}

template <class F>
void bins(const F* src, int64_t n, F first, F span, F count, int32_t* dst) {
  for (int64_t i = 0; i < n; ++i) dst[i] = static_cast<int32_t>((src[i] - first) / span * count);
}

}  // namespace

extern const OtsuKernels otsu_kernels = {{range<float>, bins<float>}, {range<double>, bins<double>}};

}  // namespace fastcnn::FASTCNN_ISA
