// Compares the watershed on random reliefs, markers and masks with its definition, and local maxima with theirs.
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "fastcnn/ops/flooding.h"
#include "fastcnn/ops/peaks.h"

using namespace fastcnn;

namespace {

std::mt19937 engine(3);

template <class T>
int round_of(DType dtype, int round) {
  const int dims = 2 + round % 3 / 2;
  const unsigned maximum = dims == 2 ? 22 : 7;
  std::vector<int64_t> shape{1 + round % 2};
  for (int i = 0; i < dims; ++i) shape.push_back(1 + engine() % maximum);
  if (round % 11 == 0) shape[1] = 1;
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;

  std::vector<T> image(n);
  std::vector<int32_t> markers(n), expected(n), got(n);
  std::vector<uint8_t> mask(n), expected_maxima(n), got_maxima(n);
  const unsigned values = round % 5 == 0 ? 2 : 1 + engine() % 200, one_in = 2 + engine() % 60;
  for (int64_t p = 0; p < n; ++p) {
    image[p] = static_cast<T>(engine() % values);
    markers[p] = engine() % one_in == 0 ? static_cast<int32_t>(engine() % 9) - 3 : 0;
    mask[p] = engine() % 8 != 0;
  }
  const auto view = [&](void* data, DType type) {
    TensorView v;
    v.data = data;
    v.ndim = static_cast<int32_t>(shape.size());
    v.shape = shape.data();
    v.dtype = data_type(type);
    return v;
  };
  const TensorView src = view(image.data(), dtype), seeds = view(markers.data(), DType::int32),
                   inside = view(mask.data(), DType::boolean);
  const TensorView* region = round % 2 ? &inside : nullptr;
  const int connectivity = 1 + round % dims;
  const bool line = round % 4 == 1;
  watershed_ref(serial_context(), src, seeds, region, connectivity, line, dims, view(expected.data(), DType::int32));
  watershed(default_context(), src, seeds, region, connectivity, 0.0, line, dims, view(got.data(), DType::int32));
  if (expected != got) {
    std::printf("watershed: round %d, %s differs\n", round, name_of(dtype));
    return 1;
  }
  watershed(default_context(), src, seeds, region, connectivity, 0.1, false, dims, view(got.data(), DType::int32));
  local_maxima_ref(serial_context(), src, connectivity, dims, view(expected_maxima.data(), DType::boolean));
  local_maxima(default_context(), src, connectivity, dims, view(got_maxima.data(), DType::boolean));
  if (expected_maxima != got_maxima) {
    std::printf("local_maxima: round %d, %s differs\n", round, name_of(dtype));
    return 1;
  }
  peak_local_max(default_context(), src, {1 + round % 4, std::nullopt, dims}, round % 3 ? nullptr : &seeds);
  return 0;
}

}  // namespace

int main() {
  set_num_threads(3);
  int failures = 0;
  for (int round = 0; round < 80; ++round) {
    failures += round_of<uint8_t>(DType::uint8, round);
    failures += round_of<int16_t>(DType::int16, round);
    failures += round_of<int32_t>(DType::int32, round);
    failures += round_of<int64_t>(DType::int64, round);
    failures += round_of<float>(DType::float32, round);
    failures += round_of<double>(DType::float64, round);
  }
  if (failures == 0) std::printf("flooding: passed\n");
  return failures != 0;
}
