// A bin's average of bilinear samples is a sum over rows of sums over columns: rows first, into one row of pixels, then
// columns. Loops over kBlock channels become vectors.
#include <stdint.h>

#include "core/simd.h"
#include "ops/roi/roi_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

using roi::kBlock;
constexpr int B = int(kBlock);

template <class T>
FASTCNN_INLINE void add_scaled(T* to, const T* from, T weight) {
  for (int c = 0; c < B; c += lanes<T>) store(to + c, load(to + c) + weight * load(from + c));
}
template <class T>
FASTCNN_INLINE void clear(T* to) {
  for (int c = 0; c < B; c += lanes<T>) store(to + c, Vec<T>{});
}

template <class T>
void align(const roi::Taps<T>& y, const roi::Taps<T>& x, const roi::Plane<const T>& plane, T* row, T* bins) {
  const int64_t width = x.last - x.first;
  for (int64_t i = 0; i < y.bins; ++i, bins += x.bins * B) {
    for (int64_t j = 0; j < width; ++j) clear(row + j * B);
    for (int64_t k = y.begin[i]; k < y.begin[i + 1]; ++k) {
      const T* from = plane.data + y.index[k] * plane.row + x.first * plane.pixel;
      for (int64_t j = 0; j < width; ++j) add_scaled(row + j * B, from + j * plane.pixel, y.weight[k]);
    }
    for (int64_t j = 0; j < x.bins; ++j) {
      Vec<T> sum[B / lanes<T>] = {};
      for (int64_t k = x.begin[j]; k < x.begin[j + 1]; ++k) {
        const T* from = row + (x.index[k] - x.first) * B;
        for (int c = 0; c < B / lanes<T>; ++c) sum[c] += x.weight[k] * load(from + c * lanes<T>);
      }
      for (int c = 0; c < B / lanes<T>; ++c) store(bins + j * B + c * lanes<T>, sum[c]);
    }
  }
}

template <class T>
void align_backward(const roi::Taps<T>& y, const roi::Taps<T>& x, const T* bins, T* row, const roi::Plane<T>& plane) {
  const int64_t width = x.last - x.first;
  for (int64_t i = 0; i < y.bins; ++i, bins += x.bins * B) {
    if (y.begin[i] == y.begin[i + 1]) continue;
    for (int64_t j = 0; j < width; ++j) clear(row + j * B);
    for (int64_t j = 0; j < x.bins; ++j)
      for (int64_t k = x.begin[j]; k < x.begin[j + 1]; ++k)
        add_scaled(row + (x.index[k] - x.first) * B, bins + j * B, x.weight[k]);
    for (int64_t k = y.begin[i]; k < y.begin[i + 1]; ++k) {
      T* to = plane.data + y.index[k] * plane.row + x.first * plane.pixel;
      for (int64_t j = 0; j < width; ++j) add_scaled(to + j * plane.pixel, row + j * B, y.weight[k]);
    }
  }
}

template <class T>
struct Lowest;
template <>
struct Lowest<float> {
  static constexpr float value = -3.40282346638528859812e+38f;
  using Index = int32_t;
};
template <>
struct Lowest<double> {
  static constexpr double value = -1.79769313486231570815e+308;
  using Index = int64_t;
};

template <class T>
void maximum(const roi::Runs& y, const roi::Runs& x, const roi::Plane<const T>& plane, int64_t width, T* bins,
             int32_t* argmax) {
  using Index = typename Lowest<T>::Index;
  constexpr int N = B / lanes<T>;
  for (int64_t i = 0; i < y.bins; ++i)
    for (int64_t j = 0; j < x.bins; ++j, bins += B, argmax += B) {
      const bool empty = y.first[i] >= y.last[i] || x.first[j] >= x.last[j];
      Vec<T> best[N];
      Vec<Index> where[N];
      for (int c = 0; c < N; ++c) {
        best[c] = splat(empty ? T(0) : Lowest<T>::value);
        where[c] = splat(Index(0)) - 1;
      }
      for (int64_t r = y.first[i]; r < y.last[i]; ++r)
        for (int64_t q = x.first[j]; q < x.last[j]; ++q) {
          const T* from = plane.data + r * plane.row + q * plane.pixel;
          const Vec<Index> here = splat(Index(r * width + q));
          for (int c = 0; c < N; ++c) {
            const Vec<T> value = load(from + c * lanes<T>);
            const auto higher = value > best[c];
            best[c] = higher ? value : best[c];
            where[c] = higher ? here : where[c];
          }
        }
      for (int c = 0; c < N; ++c) {
        store(bins + c * lanes<T>, best[c]);
        for (int k = 0; k < lanes<T>; ++k) argmax[c * lanes<T> + k] = int32_t(where[c][k]);
      }
    }
}

template <class T>
constexpr roi::RoiKernels1<T> kernels() {
  return {align<T>, align_backward<T>, maximum<T>};
}

}  // namespace

extern const RoiKernels roi_kernels = {kernels<float>(), kernels<double>()};

}  // namespace fastcnn::FASTCNN_ISA
