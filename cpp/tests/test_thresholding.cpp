// Compares the thresholds with the oracles on random images: every dtype, blocks shorter and longer than the image,
// offsets that equal sums, one thread and several. Means of integers, masks and Otsu's thresholds must be equal.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/thresholding.h"

using namespace fastcnn;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }

template <class T>
double wide(T v) {
  if constexpr (std::is_arithmetic_v<T>)
    return static_cast<double>(v);
  else
    return static_cast<double>(static_cast<float>(v));
}

/// Any value; in some rounds one of a few values.
template <class T>
T random_value(bool few) {
  const auto v = static_cast<uint32_t>(few ? below(4) : static_cast<int64_t>(bits()));
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(v);
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(v % 4096) / 64;
  else
    return T::from(static_cast<float>(v % 4096) / 64);
}

void fail(int round, const char* what, const TensorView& view) {
  std::printf("round %d: %s of %s, shape %s\n", round, what, name_of(dtype_of(view)), shape_text(view).c_str());
  ++failures;
}

template <class T>
void round_of(int round) {
  using S = std::conditional_t<std::is_same_v<T, int32_t> || std::is_same_v<T, double>, double, float>;
  const std::vector<int64_t> shape{1 + round % 3, 1 + below(60), 1 + below(round % 9 ? 90 : 900)};
  const auto n = static_cast<size_t>(shape[0] * shape[1] * shape[2]);
  std::vector<T> image(n);
  for (T& v : image) v = random_value<T>(round % 4 == 0);
  std::vector<S> expected(n), got(n);
  std::vector<uint8_t> mask(n);
  const auto view = [&](auto& data, DType dtype) {
    TensorView v;
    v.data = data.data();
    v.ndim = 3;
    v.shape = shape.data();
    v.dtype = data_type(dtype);
    return v;
  };
  const DType surface = local_threshold_dtype(TypeToDType<T>::value);
  const TensorView src = view(image, TypeToDType<T>::value);
  set_num_threads(static_cast<int>(1 + below(5)));

  LocalThreshold threshold;
  threshold.block_size = 1 + 2 * below(round % 5 ? 20 : 200);
  threshold.method = round % 3 ? LocalThreshold::Method::mean : LocalThreshold::Method::gaussian;
  threshold.offset = static_cast<double>(below(9) - 4) / (below(2) ? 1 : 3);
  threshold_local_ref(serial_context(), src, threshold, view(expected, surface));
  threshold_local(default_context(), src, threshold, view(got, surface));
  binarize_local(default_context(), src, threshold, view(mask, DType::boolean));
  const bool exact = std::is_integral_v<T> && threshold.method == LocalThreshold::Method::mean;
  double scale = 8;
  for (const T v : image) scale = std::max(scale, std::abs(wide(v)));
  const double tolerance = exact ? 0 : scale * (std::is_same_v<S, double> ? 1e-13 : 1e-5);
  for (size_t i = 0; i < n; ++i) {
    if (std::abs(static_cast<double>(got[i] - expected[i])) > tolerance) return fail(round, "threshold_local", src);
    if (mask[i] != (wide(image[i]) > static_cast<double>(got[i]))) return fail(round, "binarize_local", src);
  }

  std::vector<T> one(static_cast<size_t>(shape[0])), other = one;
  const auto batch = [&](std::vector<T>& data) {
    TensorView v = view(data, TypeToDType<T>::value);
    v.ndim = 1;
    return v;
  };
  const int64_t nbins = 2 + below(300);
  threshold_otsu_ref(serial_context(), src, 2, nbins, batch(one));
  threshold_otsu(default_context(), src, 2, nbins, batch(other));
  for (size_t i = 0; i < one.size(); ++i)
    if (wide(one[i]) != wide(other[i])) return fail(round, "threshold_otsu", src);
}

}  // namespace

int main() {
  for (int round = 0; round < 150 && failures == 0; ++round) {
    round_of<uint8_t>(round);
    round_of<uint16_t>(round);
    round_of<int16_t>(round);
    round_of<int32_t>(round);
    round_of<Float16>(round);
    round_of<BFloat16>(round);
    round_of<float>(round);
    round_of<double>(round);
  }
  if (failures == 0) std::printf("thresholding: passed\n");
  return failures != 0;
}
