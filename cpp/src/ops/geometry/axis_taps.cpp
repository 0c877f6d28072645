// The formulas of torch.nn.functional.interpolate with align_corners=False, whose antialiased modes are the same as
// Pillow's. The cubic is that of R. Keys, "Cubic convolution interpolation for digital image processing", 1981: a =
// -0.75, or -0.5 with antialias, as in Pillow.
#include "ops/geometry/axis_taps.h"

#include <algorithm>
#include <cmath>

namespace fastcnn {
namespace {

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

struct Range {
  int64_t first;
  std::vector<double> weights;
};

/// Adds `weights` of neighbours from `first` on; a neighbour outside is replaced by the nearest existing input.
Range clamped(int64_t first, const std::vector<double>& weights, int64_t inputs) {
  const auto at = [&](int64_t i) { return std::clamp<int64_t>(i, 0, inputs - 1); };
  const auto n = static_cast<int64_t>(weights.size());
  Range range{at(first), std::vector<double>(static_cast<size_t>(at(first + n - 1) - at(first) + 1))};
  for (int64_t k = 0; k < n; ++k)
    range.weights[static_cast<size_t>(at(first + k) - range.first)] += weights[static_cast<size_t>(k)];
  return range;
}

Range smooth(int64_t i, double scale, int64_t inputs, const Resize& options) {
  const bool linear = options.mode == Interpolation::bilinear;
  const double radius = linear ? 1 : 2;
  if (options.antialias) {
    const double stretch = std::max(scale, 1.0), support = radius * stretch;
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const int64_t end = std::min(inputs, static_cast<int64_t>(center + support + 0.5));
    Range range{first, {}};
    double sum = 0;
    for (int64_t k = first; k < end; ++k) {
      const double x = (static_cast<double>(k) - center + 0.5) / stretch;
      range.weights.push_back(linear ? triangle(x) : cubic(x, -0.5));
      sum += range.weights.back();
    }
    for (double& w : range.weights) w /= sum;
    return range;
  }
  double center = scale * (static_cast<double>(i) + 0.5) - 0.5;
  if (linear) center = std::max(center, 0.0);
  const double before = std::floor(center), t = center - before;
  const auto first = static_cast<int64_t>(before);
  if (linear) return clamped(first, {1 - t, t}, inputs);
  return clamped(first - 1, {cubic(t + 1, -0.75), cubic(t, -0.75), cubic(1 - t, -0.75), cubic(2 - t, -0.75)}, inputs);
}

}  // namespace

AxisTaps axis_taps(int64_t inputs, int64_t outputs, const Resize& options) {
  const double scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  std::vector<Range> ranges;
  AxisTaps taps(inputs);
  for (int64_t i = 0; i < outputs; ++i) {
    if (options.mode == Interpolation::nearest || options.mode == Interpolation::nearest_exact) {
      // In single precision, as in torch, to select the same pixels.
      const float place = static_cast<float>(i) + (options.mode == Interpolation::nearest ? 0.0f : 0.5f);
      const auto from = static_cast<int64_t>(std::floor(place * static_cast<float>(scale)));
      ranges.push_back({std::min(from, inputs - 1), {1.0}});
    } else {
      ranges.push_back(smooth(i, scale, inputs, options));
    }
    taps.maximum = std::max(taps.maximum, static_cast<int64_t>(ranges.back().weights.size()));
  }
  taps.weights.resize(static_cast<size_t>(outputs * taps.maximum));
  for (size_t i = 0; i < ranges.size(); ++i) {
    taps.first.push_back(static_cast<int32_t>(ranges[i].first));
    taps.count.push_back(static_cast<int32_t>(ranges[i].weights.size()));
    std::copy(ranges[i].weights.begin(), ranges[i].weights.end(),
              taps.weights.begin() + static_cast<std::ptrdiff_t>(i) * taps.maximum);
  }
  return taps;
}

AxisTaps transposed(const AxisTaps& taps) {
  AxisTaps result(taps.outputs());
  const auto inputs = static_cast<size_t>(taps.inputs);
  result.first.assign(inputs, 0), result.count.assign(inputs, 0);
  for (int64_t i = 0; i < taps.outputs(); ++i)
    for (int32_t k = 0; k < taps.count[static_cast<size_t>(i)]; ++k) {
      const auto j = static_cast<size_t>(taps.first[static_cast<size_t>(i)]) + static_cast<size_t>(k);
      if (result.count[j] == 0) result.first[j] = static_cast<int32_t>(i);
      result.count[j] = static_cast<int32_t>(i) - result.first[j] + 1;
    }
  for (const int32_t n : result.count) result.maximum = std::max<int64_t>(result.maximum, n);
  result.weights.resize(inputs * static_cast<size_t>(result.maximum));
  for (int64_t i = 0; i < taps.outputs(); ++i)
    for (int32_t k = 0; k < taps.count[static_cast<size_t>(i)]; ++k) {
      const int64_t j = taps.first[static_cast<size_t>(i)] + k;
      result.weights[static_cast<size_t>(j * result.maximum + i - result.first[static_cast<size_t>(j)])] =
          taps.of(i)[k];
    }
  return result;
}

}  // namespace fastcnn
