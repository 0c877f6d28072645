// Compares every method with the oracle on random masks.
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "fastcnn/error.h"
#include "fastcnn/ops/distance.h"

using namespace fastcnn;

int main() {
  std::mt19937 random(1);
  int failures = 0;
  for (int round = 0; round < 120 && failures == 0; ++round) {
    const int dims = 2 + round % 2;
    const int64_t maximum = dims == 2 ? 90 : 14;
    std::vector<int64_t> shape{1 + round % 3};
    for (int i = 0; i < dims; ++i) shape.push_back(1 + random() % maximum);
    if (dims == 3 && round % 5 == 1) shape[1] = 60;    // beyond the reach along the depth
    const bool volume = dims == 3 && round % 40 == 7;  // a plane large enough for the method of volumes
    if (volume) shape = {1, 6, 32, 33};
    if (round % 20 == 8) shape = {1, 1, 700};
    if (round % 20 == 10) shape = {1, 3, 700};
    int64_t n = 1;
    for (const int64_t s : shape) n *= s;
    std::vector<uint8_t> mask(n);
    const unsigned one_in = round % 7 == 0 || volume ? 4000 : 2 + random() % 60;
    for (uint8_t& m : mask) m = random() % one_in != 0;

    TensorView src;
    src.data = mask.data();
    src.ndim = static_cast<int32_t>(shape.size());
    src.shape = shape.data();
    src.dtype = data_type(DType::uint8);
    const auto like = [&](void* data, DType dtype) {
      TensorView v = src;
      v.data = data;
      v.dtype = data_type(dtype);
      return v;
    };
    std::vector<float> expected(n), got(n);
    std::vector<int64_t> expected_indices(n * dims), got_indices(n * dims);
    std::vector<int64_t> index_shape = shape;
    index_shape.insert(index_shape.begin() + 1, dims);
    const auto indices = [&](std::vector<int64_t>& data) {
      TensorView v = like(data.data(), DType::int64);
      v.ndim++;
      v.shape = index_shape.data();
      return v;
    };
    const TensorView nearest_expected = indices(expected_indices), nearest_got = indices(got_indices);
    const double spacings[] = {0.5, 1.25, 3};
    for (const double* sampling : {static_cast<const double*>(nullptr), spacings}) {
      distance_transform_edt_ref(serial_context(), src, dims, sampling, like(expected.data(), DType::float32),
                                 &nearest_expected);
      for (const TensorView* nearest : {static_cast<const TensorView*>(nullptr), &nearest_got}) {
        distance_transform_edt(default_context(), src, dims, sampling, like(got.data(), DType::float32), nearest);
        if (std::memcmp(expected.data(), got.data(), n * sizeof(float)) != 0 ||
            (nearest && expected_indices != got_indices)) {
          std::printf("round %d: %s%s differ\n", round, sampling ? "with sampling, " : "",
                      nearest ? "distances or indices" : "distances");
          failures++;
        }
      }
    }
  }
  if (failures == 0) std::printf("distance: passed\n");
  return failures != 0;
}
