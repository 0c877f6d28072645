// Resizing and warps between images of awkward sizes: values stay within the range of the image (and the fill), except
// for the overshoot of the cubic; the transposed maps are adjoint. AddressSanitizer detects out-of-bounds accesses.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "fastcnn/ops/geometry.h"

using namespace fastcnn;

namespace {

TensorView view(std::vector<double>& data, const std::vector<int64_t>& shape) {
  TensorView v;
  v.data = data.data(), v.ndim = static_cast<int32_t>(shape.size()), v.shape = shape.data();
  v.dtype = data_type(DType::float64);
  return v;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

int main() {
  std::mt19937 bits(1);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); };
  const auto unit = [&] { return static_cast<double>(below(1000)) / 1000; };
  for (int round = 0; round < 600; ++round) {
    const int64_t planes = 1 + below(4);
    const std::vector<int64_t> from = {planes, 1 + below(40), 1 + below(40)},
                               to = {planes, 1 + below(60), 1 + below(60)};
    const std::vector<int64_t> map_shape = {below(2) ? 1 : planes, 2, 3};
    const auto make = [&](const std::vector<int64_t>& shape, bool random) {
      std::vector<double> values(static_cast<size_t>(shape[0] * shape[1] * shape[2]));
      if (random)
        for (double& v : values) v = unit();
      return values;
    };
    std::vector<double> image = make(from, true), weight = make(to, true), result = make(to, false);
    std::vector<double> back = make(from, false), maps = make(map_shape, true), of_maps = make(map_shape, false);
    for (double& m : maps) m = 4 * m - 2;
    const auto mode = static_cast<Interpolation>(below(4));
    const bool cubic = mode == Interpolation::bicubic, warp = !cubic && below(2);
    set_num_threads(1 + static_cast<int>(below(3)));
    const Context& context = default_context();
    if (warp) {
      const Warp options{mode, 0};
      warp_affine(context, view(image, from), view(maps, map_shape), options, view(result, to));
      warp_affine_backward(context, view(weight, to), view(maps, map_shape), options, view(back, from));
      warp_affine_backward_maps(context, view(weight, to), view(image, from), view(maps, map_shape), options,
                                view(of_maps, map_shape));
    } else {
      const Resize options{mode, (cubic || mode == Interpolation::bilinear) && below(2)};
      resize(context, view(image, from), options, view(result, to));
      resize_backward(context, view(weight, to), options, view(back, from));
    }
    const auto [low, high] = std::minmax_element(result.begin(), result.end());
    // The absolute values of the cubic's weights have a sum of at most 1.375 along each axis.
    const double overshoot = cubic ? 1.375 * 1.375 - 1 : 1e-12;
    const double left = dot(result, weight), right = dot(image, back);
    // Sums of at most 4 * 60 * 60 products below 1.9, on either side.
    const double tolerance = 2 * 14400 * 1.9 * 14400 * 0x1p-53;
    if (*low < -overshoot || *high > 1 + overshoot || std::abs(left - right) > tolerance) {
      std::printf("geometry, round %d: mode %d, warp %d, %g and %g\n", round, static_cast<int>(mode), warp, left,
                  right);
      return 1;
    }
  }
  std::printf("geometry: passed\n");
  return 0;
}
