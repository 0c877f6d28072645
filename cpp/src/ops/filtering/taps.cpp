#include "ops/filtering/taps.h"

#include <algorithm>
#include <cmath>

#include "fastcnn/error.h"

namespace fastcnn {

Taps gaussian_taps(double sigma, double truncate, const char* op) {
  constexpr double kMaxRadius = 1 << 20;
  FASTCNN_CHECK(std::isfinite(sigma) && sigma >= 0, op, ": expected sigma to be finite and not negative, got ", sigma);
  FASTCNN_CHECK(std::isfinite(truncate) && truncate >= 0, op, ": expected truncate to be finite and not negative, got ",
                truncate);
  FASTCNN_CHECK(truncate * sigma <= kMaxRadius, op, ": expected truncate * sigma of at most ", kMaxRadius, ", got ",
                truncate * sigma);
  Taps taps;
  if (sigma <= 1e-15) return taps;  // as SciPy
  const auto radius = static_cast<int64_t>(truncate * sigma + 0.5);
  taps.first = -radius;
  taps.weights.resize(static_cast<size_t>(2 * radius + 1));
  double sum = 0;
  for (int64_t k = 0; k < taps.size(); ++k) {
    const auto x = static_cast<double>(k - radius);
    sum += taps.weights[static_cast<size_t>(k)] = std::exp(-0.5 / (sigma * sigma) * (x * x));
  }
  for (double& weight : taps.weights) weight /= sum;
  return taps;
}

Taps folded(const Taps& taps, int64_t n, Border border) {
  if (n < 1 || (taps.first > -n && taps.last() < n)) return taps;
  Taps result;
  int64_t last = n - 1, period = 0;
  result.first = -(n - 1);
  if (border == Border::reflect) {
    result.first = -n;
    period = 2 * n;
  } else if (border == Border::mirror && n > 1) {
    last = n - 2;
    period = 2 * (n - 1);
  }
  result.weights.assign(static_cast<size_t>(last - result.first + 1), 0.0);
  for (int64_t k = 0; k < taps.size(); ++k) {
    int64_t offset = taps.first + k;
    if (period) {
      offset = ((offset - result.first) % period + period) % period + result.first;
    } else if (border == Border::constant) {
      if (offset < result.first || offset > last) continue;
    } else {
      offset = std::clamp(offset, result.first, last);
    }
    result.weights[static_cast<size_t>(offset - result.first)] += taps.weights[static_cast<size_t>(k)];
  }
  return result;
}

}  // namespace fastcnn
