// RoI pooling has no reference: each op is compared with its result on dense tensors with one thread. Averages and
// maxima stay within the range of the input. A gradient is the transposed operator (the sums of products agree), or
// scatters by the argmax.
#include <cmath>
#include <limits>

#include "fastcnn/ops/roi.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  enum { align, pool, ps_align, ps_pool } op = static_cast<decltype(op)>(in.below(4));
  const DType dtype = in.dtype(kFloats);
  const int64_t rows = 1 + in.below(5), columns = 1 + in.below(5), images = 1 + in.below(2);
  const int64_t outputs = op >= ps_align ? 1 + in.below(3) : in.size(70), n = in.below(12);
  const int64_t channels = op >= ps_align ? outputs * rows * columns : outputs;
  Tensor input(dtype, {images, channels, in.size(24), in.size(24)}, in),
      rois(in.one_in(4) ? in.dtype(kFloats) : dtype, {n, 5}, in);
  if (product(input.shape()) > 1 << 15) return;
  input.fill_finite(in);
  Random random = in.random();
  const bool odd = in.one_in(4), whole = in.one_in(2);
  const double infinity = std::numeric_limits<double>::infinity();
  const double strange[] = {std::nan(""), infinity, -infinity, 1e30, -1e30, 1e-40, 0, 6e4};
  in.wild = in.one_in(8);
  for (int64_t i = 0; i < rois.numel(); ++i) {
    const double at = 40 * random.unit() - 8;
    rois.set(i, i % 5 == 0                     ? static_cast<double>(random.below(images + (in.wild ? 2 : 0)))
                : odd && random.below(12) == 0 ? strange[random.below(8)]
                : whole                        ? std::floor(at)
                                               : at);
  }
  const double scale = in.one_in(2) ? 1 : in.real(0.1, 2);
  const int64_t ratio = in.wild ? in.number(-1, 5) : in.below(5) - 1;
  if (ratio > 1 << 20) return;
  const RoiAlign options{scale, ratio, in.one_in(2)};
  const Pieces context(in);
  const Context& serial = serial_context();
  const Sizes shape{n, outputs, rows, columns};
  Tensor got(dtype, shape), expected(dtype, shape), places(DType::int32, shape), places_ref(DType::int32, shape);
  const Tensor dense = input.dense(), dense_rois = rois.dense();
  const auto forward = [&](const Context& host, const Tensor& x, const Tensor& r, const Tensor& y, const Tensor& at) {
    switch (op) {
      case align: return roi_align(host, x.view(), r.view(), options, y.view());
      case pool: return roi_pool(host, x.view(), r.view(), scale, y.view(), &at.view());
      case ps_align: return ps_roi_align(host, x.view(), r.view(), scale, ratio, y.view(), at.view());
      default: return ps_roi_pool(host, x.view(), r.view(), scale, y.view(), at.view());
    }
  };
  constexpr const char* kNames[] = {"roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"};
  const char* name = kNames[op];
  if (!both_run(
          name, [&] { forward(context, input, rois, got, places); },
          [&] { forward(serial, dense, dense_rois, expected, places_ref); }))
    return;
  expect_same(name, got, expected);
  if (op != align) expect_same(name, places, places_ref);
  const double maximum = input.largest() * (1 + 16 * epsilon(dtype)) + 1e-6;
  // The weights of samples of a degenerate region are arbitrary.
  for (int64_t i = 0; i < got.numel() && !odd && !in.wild; ++i)
    if (!(std::abs(got[i]) <= maximum)) fail(std::string(name) + ": beyond the input, " + std::to_string(got[i]));

  Tensor grad(dtype, shape, in), back(dtype, input.shape()), back_ref(dtype, input.shape());
  grad.fill_finite(in);
  const Tensor dense_grad = grad.dense();
  const auto backward = [&](const Context& host, const Tensor& g, const Tensor& r, const Tensor& at, const Tensor& x) {
    switch (op) {
      case align: return roi_align_backward(host, g.view(), r.view(), options, x.view());
      case pool: return roi_pool_backward(host, g.view(), r.view(), at.view(), x.view());
      case ps_align: return ps_roi_align_backward(host, g.view(), r.view(), scale, ratio, x.view());
      default: return ps_roi_pool_backward(host, g.view(), r.view(), scale, x.view());
    }
  };
  must_run(name, [&] { backward(context, grad, rois, places, back); });
  backward(serial, dense_grad, dense_rois, places_ref, back_ref);
  expect_same((std::string(name) + "_backward").c_str(), back, back_ref);
  if (odd || in.wild) return;
  if (op == pool) {
    Tensor sums(DType::float64, input.shape()), wide(DType::float64, input.shape());
    const int64_t pixels = input.shape()[2] * input.shape()[3];
    for (int64_t i = 0; i < sums.numel(); ++i) sums.set(i, 0), wide.set(i, back[i]);
    for (int64_t i = 0; i < grad.numel(); ++i) {
      const int64_t roi = i / (outputs * rows * columns), channel = i / (rows * columns) % outputs;
      const auto image = static_cast<int64_t>(rois[5 * roi]);
      if (places.at<int32_t>(i) >= 0)
        sums.at<double>((image * channels + channel) * pixels + places.at<int32_t>(i)) += grad[i];
    }
    const auto terms = static_cast<double>(n * rows * columns);
    return expect_close("roi_pool_backward", wide, sums, (dtype == DType::float64 ? 0x1p-53 : 0x1p-24) * terms * terms,
                        epsilon(dtype));
  }
  // <A x, g> = <x, A' g>, both rounded to the dtype; A's rows sum to 1 at most.
  const auto bins = static_cast<double>(grad.numel());
  const double left = dot(got, grad), right = dot(input, back);
  const double bound =
      (bins + static_cast<double>(input.numel())) * bins * (epsilon(dtype) * 2 + 1e-5 * (dtype != DType::float64)) +
      1e-9;
  if (!(std::abs(left - right) <= bound))
    fail(std::string(name) + ": not transposed, " + std::to_string(left) + " and " + std::to_string(right));
}

}  // namespace fuzz
