// Otsu's criterion on a histogram, in the arithmetic of skimage.filters.threshold_otsu, so that the choice between
// equal or nearly equal thresholds is the same.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "fastcnn/context.h"

namespace fastcnn {

/// Finds the bin i that maximises the variance between the classes [0, i] and (i, n). The n bins are in increasing
/// order with count(i) pixels at center(i); the first and the last are not empty. Empty bins may be omitted: they only
/// repeat the value of their predecessor, and the first of equal bins wins. M is NumPy's type for float32 count *
/// center.
template <class M, class Count, class Center>
int64_t otsu_bin(int64_t n, const Count& count, const Center& center, Scratch& scratch) {
  float* weight_above = scratch.get<float>(n);
  M* mean_above = scratch.get<M>(n);
  float weight = 0;
  M sum = 0;
  for (int64_t i = n - 1; i >= 0; --i) {
    const auto pixels = static_cast<float>(count(i));
    weight += pixels;
    sum += static_cast<M>(pixels) * static_cast<M>(center(i));
    weight_above[i] = weight;
    mean_above[i] = sum / static_cast<M>(weight);
  }
  int64_t best = 0;
  M maximum = 0;
  weight = 0;
  sum = 0;
  for (int64_t i = 0; i + 1 < n; ++i) {
    const auto pixels = static_cast<float>(count(i));
    weight += pixels;
    sum += static_cast<M>(pixels) * static_cast<M>(center(i));
    const M difference = sum / static_cast<M>(weight) - mean_above[i + 1];
    const M variance = static_cast<M>(weight * weight_above[i + 1]) * (difference * difference);
    if (std::isnan(variance)) return i;  // as argmax does
    if (i == 0 || variance > maximum) {
      maximum = variance;
      best = i;
    }
  }
  return best;
}

/// The exponent of the power of two by which values are divided before the criterion, so that its squares neither
/// overflow nor vanish. It is 0 if the values are safe, so that the arithmetic is the same as skimage's. `maximum` is
/// the maximum magnitude, finite and not 0.
template <class F>
int otsu_exponent(F maximum) {
  constexpr int kSafe = std::numeric_limits<F>::max_exponent / 4;
  const int exponent = std::ilogb(maximum) + 1;
  return std::abs(exponent) <= kSafe ? 0 : exponent;
}

/// An integer as a double; relative to the minimum if doubles cannot represent all integers.
template <class T>
struct OtsuOrigin {
  OtsuOrigin(T minimum, T greatest) : minimum(minimum), exact(sizeof(T) < 8 || (holds(minimum) && holds(greatest))) {}
  double operator()(T value) const {
    return exact ? static_cast<double>(value)
                 : static_cast<double>(static_cast<uint64_t>(value) - static_cast<uint64_t>(minimum));
  }
  T minimum;
  bool exact;

 private:
  static bool holds(T value) { return std::abs(static_cast<double>(value)) < 0x1p53; }
};

/// numpy.histogram_bin_edges: edges[i], i <= n, between finite first < last. If the range has too few floats for n bins
/// (NumPy raises an error), n is halved until it has enough. Returns n; 1 where first and last are neighbours.
template <class F>
int64_t histogram_edges(F first, F last, int64_t n, F* edges) {
  for (;; n /= 2) {
    const F delta = last - first, step = delta / static_cast<F>(n);
    bool rising = true;
    edges[0] = first;
    for (int64_t i = 1; i <= n; ++i) {
      const F along = step == 0 ? static_cast<F>(i) / static_cast<F>(n) * delta : static_cast<F>(i) * step;
      edges[i] = i == n ? last : along + first;
      rising = rising && edges[i - 1] < edges[i];
    }
    if (rising || n == 1) return n;
  }
}

}  // namespace fastcnn
