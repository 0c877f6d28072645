// Compares distances, squares and indices with the reference, bit for bit. With sampling, squares are sums of rounded
// terms, and each implementation adds them in its own order: if the distances of two zeros differ by less than the
// rounding error, either may be the nearest.
#include <cmath>

#include "fastcnn/ops/distance.h"
#include "fuzz.h"

namespace fuzz {
namespace {

/// True if differing positions have the same distance within float64 rounding. Three terms, each of two products, and
/// two sums: 4 roundings of 2^-53 either way.
void expect_as_near(const Tensor& mask, int dims, const double* spacing, const Tensor& got, const Tensor& expected) {
  const Sizes& shape = mask.shape();
  const size_t batch = shape.size() - static_cast<size_t>(dims);
  int64_t pixels = 1;
  for (size_t d = batch; d < shape.size(); ++d) pixels *= shape[d];
  for (int64_t i = 0; i < mask.numel(); ++i) {
    const int64_t image = i / pixels, pixel = i % pixels;
    long double square[2] = {0, 0};
    int64_t rest = pixel, step = 1, place = 0;
    bool nowhere = false, same = true;
    for (int d = dims - 1; d >= 0; --d) {
      const int64_t n = shape[batch + static_cast<size_t>(d)], here = rest % n;
      rest /= n;
      for (int k = 0; k < 2; ++k) {
        const double there = (k ? expected : got)[(image * dims + d) * pixels + pixel];
        const long double by = static_cast<long double>(spacing[d]) * (static_cast<double>(here) - there);
        square[k] += by * by;
        if (k == 0) {
          nowhere = nowhere || !(there >= 0 && there < static_cast<double>(n));
          place += static_cast<int64_t>(there) * step;
        }
      }
      const int64_t at = (image * dims + d) * pixels + pixel;
      same = same && got[at] == expected[at];
      step *= n;
    }
    if (same) continue;
    const bool zero = !nowhere && mask[image * pixels + place] == 0;
    if (!zero || std::abs(square[0] - square[1]) > 8 * 0x1p-53L * square[1])
      fail("distance_transform_edt's indices: a zero that is not the nearest, at " + std::to_string(i) + ", " +
           mask.text());
  }
}

}  // namespace

void run(Input& in) {
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor mask(in.dtype(kAll), image_shape(in, dims, in.one_in(16) ? 3000 : 500), in);
  if (in.below(4)) {
    Random random = in.random();
    const int64_t one_in = in.any_of<int64_t>({1, 2, 3, 10, 60, 1000});
    for (int64_t i = 0; i < mask.numel(); ++i) mask.set(i, random.below(one_in) != 0);
  } else {
    mask.fill(in);
  }
  in.wild = in.one_in(8);
  double sampling[3];
  for (double& s : sampling) s = in.one_in(2) ? in.real(0.25, 4) : in.any_of<double>({1, 0.5, 3, 1e-3, 1e4});
  const double* spacing = in.one_in(3) ? sampling : nullptr;
  const bool squared = in.one_in(3) && (!spacing || in.wild);
  const DType dtype = squared ? DType::int32 : DType::float32;
  Sizes places = mask.shape();
  places.insert(places.end() - dims, dims);
  Tensor got(dtype, mask.shape()), expected(dtype, mask.shape()), index(DType::int64, places),
      index_ref(DType::int64, places);
  const bool indices = in.one_in(2);
  const TensorView got_index = index.view(), expected_index = index_ref.view();
  const Pieces context(in);
  const auto fast = [&] {
    distance_transform_edt(context, mask.view(), dims, spacing, got.view(), indices ? &got_index : nullptr);
  };
  const auto reference = [&] {
    distance_transform_edt_ref(serial_context(), mask.view(), dims, spacing, expected.view(),
                               indices ? &expected_index : nullptr);
  };
  if (!both_run("distance_transform_edt", fast, reference)) return;
  expect_same("distance_transform_edt", got, expected);
  if (!indices) return;
  if (spacing) return expect_as_near(mask, dims, spacing, index, index_ref);
  expect_same("distance_transform_edt's indices", index, index_ref);
}

}  // namespace fuzz
