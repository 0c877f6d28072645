// Compares with the references: means of integers, masks and Otsu's thresholds are equal; the Gaussian agrees within
// rounding.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/thresholding.h"
#include "fuzz.h"

namespace fuzz {
namespace {

void check_otsu(Input& in, const Context& context) {
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor image(in.dtype(kSmooth), image_shape(in, dims, in.one_in(16) ? 1 << 16 : 1 << 12), in);
  if (in.one_in(2)) {
    image.fill(in);
  } else {
    image.fill_finite(in, in.any_of<double>({1, 255, 60000}));
  }
  in.wild = in.one_in(8);
  const int64_t nbins = in.number(2, 400);
  const Sizes batch(image.shape().begin(), image.shape().end() - dims);
  Tensor got(image.dtype(), batch), expected(image.dtype(), batch);
  if (both_run(
          "threshold_otsu", [&] { threshold_otsu(context, image.view(), dims, nbins, got.view()); },
          [&] { threshold_otsu_ref(serial_context(), image.view(), dims, nbins, expected.view()); }))
    expect_same("threshold_otsu", got, expected);
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(3);
  const Pieces context(in);
  if (op == 0) return check_otsu(in, context);
  const bool backward = op == 2;
  Tensor image(backward ? in.any_of({DType::float32, DType::float64}) : in.dtype(kSmooth),
               image_shape(in, 2, in.one_in(16) ? 1 << 14 : 1 << 11), in);
  const bool strange = in.one_in(8) && is_float(image.dtype());
  if (strange || !is_float(image.dtype())) {
    image.fill(in);
  } else {
    image.fill_finite(in, in.any_of<double>({1, 1, 4000, 1e-4}));
  }
  in.wild = in.one_in(8);
  LocalThreshold threshold;
  threshold.block_size = in.wild ? in.number(0, 60) : 1 + 2 * in.below(in.one_in(6) ? 120 : 12);
  threshold.method = in.one_in(2) ? LocalThreshold::Method::gaussian : LocalThreshold::Method::mean;
  threshold.offset = backward ? 0 : in.one_in(2) ? static_cast<double>(in.below(5) - 2) : in.real(-2, 2);
  const DType dtype = backward ? image.dtype() : local_threshold_dtype(image.dtype());
  Tensor got(dtype, image.shape()), expected(dtype, image.shape());
  const char* name = backward ? "threshold_local_backward" : "threshold_local";
  const auto fast = [&] {
    (backward ? threshold_local_backward : threshold_local)(context, image.view(), threshold, got.view());
  };
  if (threshold.block_size > 2000) {
    runs(fast);
    return;
  }
  // The reference of an image that has no integer type is also the transposed filter's.
  if (!both_run(name, fast, [&] { threshold_local_ref(serial_context(), image.view(), threshold, expected.view()); }))
    return;
  if (strange) {
    const Tensor dense = image.dense();
    (backward ? threshold_local_backward : threshold_local)(serial_context(), dense.view(), threshold, expected.view());
    expect_same(name, got, expected);
  } else {
    const bool exact = !is_float(image.dtype()) && threshold.method == LocalThreshold::Method::mean;
    const double reach = threshold.method == LocalThreshold::Method::mean
                             ? static_cast<double>(threshold.block_size)
                             : static_cast<double>(2 * threshold.block_size);
    // Running sums of rows and columns.
    const double unit = (dtype == DType::float64 ? 0x1p-52 : 0x1p-23) * 2 * (reach + 3);
    const double size = image.largest() + std::abs(threshold.offset);
    expect_close(name, got, expected, exact ? 0 : size * unit);
  }
  if (backward) return;
  Tensor mask(DType::boolean, image.shape());
  must_run("binarize_local", [&] { binarize_local(context, image.view(), threshold, mask.view()); });
  for (int64_t i = 0; i < image.numel(); ++i)
    if (mask.at<bool>(i) != (image[i] > got[i]))
      fail("binarize_local: " + std::to_string(image[i]) + " above " + std::to_string(got[i]) + ", at " +
           std::to_string(i) + ", block_size " + std::to_string(threshold.block_size) +
           (threshold.method == LocalThreshold::Method::mean ? ", mean, " : ", gaussian, ") + image.text());
}

}  // namespace fuzz
