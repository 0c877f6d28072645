// Compares the blur and its transpose with the references, whose sums are in float64. The error bounds depend on the
// number of taps.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/filtering.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  const bool transposed = in.one_in(3);
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor image(transposed ? in.dtype(kFloats) : in.dtype(kSmooth),
               image_shape(in, dims, in.one_in(16) ? 1 << 14 : 1 << 11), in);
  const bool strange = in.one_in(8);  // NaN and infinities: no step outside, one result for any cut
  if (strange || !is_float(image.dtype())) {
    image.fill(in);
  } else {
    image.fill_finite(in, in.any_of<double>({1, 1, 1000, 1e-4}));
  }
  in.wild = in.one_in(8);
  GaussianBlur blur;
  for (int d = 0; d < dims; ++d) blur.sigma.push_back(in.one_in(5) ? 0 : in.real(0, in.one_in(6) ? 20 : 3));
  blur.truncate = in.one_in(2) ? 4 : in.real(0, 5);
  blur.border = static_cast<Border>(in.wild ? in.below(5) : 1 + in.below(4));
  double taps = 0;
  for (const double sigma : blur.sigma) taps = std::max(taps, 2 * sigma * blur.truncate + 2);
  const Pieces context(in);
  Tensor got(image.dtype(), image.shape()), expected(image.dtype(), image.shape());
  const char* name = transposed ? "gaussian_blur_backward" : "gaussian_blur";
  const auto fast = [&] {
    (transposed ? gaussian_blur_backward : gaussian_blur)(context, image.view(), blur, got.view());
  };
  if (taps > 2000) {  // beyond the reference's time
    runs(fast);
    return;
  }
  if (!both_run(name, fast, [&] {
        (transposed ? gaussian_blur_backward_ref : gaussian_blur_ref)(serial_context(), image.view(), blur,
                                                                      expected.view());
      }))
    return;
  if (strange && is_float(image.dtype())) {
    const Tensor dense = image.dense();
    (transposed ? gaussian_blur_backward : gaussian_blur)(serial_context(), dense.view(), blur, expected.view());
    return expect_same(name, got, expected);
  }
  // n + 1 roundings along an axis, n + 3 with those of the weights; a continued border adds up to 3 * taps of them in
  // the transpose, which also makes sums of more than the largest value. Then the result's own.
  const double unit = (image.dtype() == DType::float64 ? 0x1p-53 : 0x1p-24) * dims * (taps + 3);
  const double growth = transposed ? std::pow(taps + 2, dims) : 1;
  const double absolute = image.largest() * unit * growth;
  expect_close(name, got, expected,
               absolute + (is_float(image.dtype()) ? 1e-45 : 1) + (image.dtype() == DType::float16 ? 0x1p-24 : 0),
               image.dtype() == DType::float64 ? 0 : epsilon(image.dtype()));
}

}  // namespace fuzz
