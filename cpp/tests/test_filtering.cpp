// Compares gaussian_blur and its transpose with the oracles on random images: every rank, dtype, border and stride,
// kernels shorter and longer than the image, one thread and several.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/filtering.h"

using namespace fastcnn;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
double unit() { return static_cast<double>(bits()) / 4294967296.0; }

template <class T>
double wide(T v) {
  if constexpr (std::is_arithmetic_v<T>)
    return static_cast<double>(v);
  else
    return static_cast<double>(static_cast<float>(v));
}

template <class T>
T random_value() {
  const double v = 2 * unit() - 1;
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(bits());
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(v);
  else
    return T::from(static_cast<float>(v));
}

template <class T>
void round_of(int round) {
  const int dims = 2 + round % 3 / 2;
  std::vector<int64_t> shape{1 + round % 3};
  for (int i = 0; i < dims; ++i) shape.push_back(1 + below(dims == 2 ? 80 : 20));
  if (round % 11 == 0) shape[1 + static_cast<size_t>(below(dims))] = 700;
  if (round % 13 == 0) shape[1 + static_cast<size_t>(below(dims))] = 0;
  const int64_t step = 1 + round % 2;  // every second pixel of the memory
  int64_t n = 1;
  std::vector<int64_t> strides(shape.size());
  for (size_t d = shape.size(); d-- > 0; n *= shape[d]) strides[d] = n * step;
  std::vector<T> image(static_cast<size_t>(n * step)), got(static_cast<size_t>(n)), expected(static_cast<size_t>(n));
  std::generate(image.begin(), image.end(), random_value<T>);

  TensorView src, dst;
  src.data = image.data();
  src.ndim = dst.ndim = static_cast<int32_t>(shape.size());
  src.shape = dst.shape = shape.data();
  src.strides = strides.data();
  src.dtype = dst.dtype = data_type(TypeToDType<T>::value);
  GaussianBlur blur;
  for (int i = 0; i < dims; ++i) blur.sigma.push_back(below(4) ? unit() * (below(3) ? 3 : 15) : 0);
  blur.truncate = below(3) ? 4 : unit() * 5;
  blur.border = static_cast<Border>(1 + below(4));
  set_num_threads(static_cast<int>(1 + below(5)));

  double scale = 1;
  for (const T v : image) scale = std::max(scale, std::abs(wide(v)));
  const double rounding = std::is_same_v<T, double>    ? 1e-14
                          : std::is_same_v<T, float>   ? 1e-5
                          : std::is_integral_v<T>      ? 1 + 1e-5 * scale
                          : std::is_same_v<T, Float16> ? 4e-3
                                                       : 3e-2;
  const auto compare = [&](const char* what) {
    for (size_t i = 0; i < got.size(); ++i) {
      const double difference = std::abs(wide(got[i]) - wide(expected[i]));
      if (difference <= rounding * (std::is_integral_v<T> ? 1 : 1 + std::abs(wide(expected[i])))) continue;
      std::printf("round %d: %s of %s, shape %s, border %d: off by %g at %zu\n", round, what, name_of(dtype_of(dst)),
                  shape_text(dst).c_str(), static_cast<int>(blur.border), difference, i);
      ++failures;
      return;
    }
  };
  dst.data = expected.data();
  gaussian_blur_ref(serial_context(), src, blur, dst);
  dst.data = got.data();
  gaussian_blur(default_context(), src, blur, dst);
  compare("blur");
  if constexpr (!std::is_integral_v<T>) {
    dst.data = expected.data();
    gaussian_blur_backward_ref(serial_context(), src, blur, dst);
    dst.data = got.data();
    gaussian_blur_backward(default_context(), src, blur, dst);
    compare("transpose");
  }
}

}  // namespace

int main() {
  for (int round = 0; round < 240 && failures == 0; ++round) {
    round_of<float>(round);
    round_of<double>(round);
    if (round % 4 == 0) round_of<uint8_t>(round);
    if (round % 4 == 1) round_of<int32_t>(round);
    if (round % 4 == 2) round_of<Float16>(round);
    if (round % 4 == 3) round_of<BFloat16>(round);
    if (round % 8 == 0) round_of<uint16_t>(round);
    if (round % 8 == 1) round_of<int16_t>(round);
  }
  if (failures == 0) std::printf("filtering: passed\n");
  return failures != 0;
}
