// Compares the samples of a deformable convolution with their definition, bilinear sampling in float64. The input
// gradient is checked as the transposed operator; the other gradients are compared with their results on dense tensors
// with one thread.
#include <algorithm>
#include <cmath>
#include <limits>

#include "fastcnn/ops/deform.h"
#include "fuzz.h"

namespace fuzz {
namespace {

struct Case {
  const Tensor &input, &offset, &mask;
  bool masked;
  const Deform& o;
  int64_t taps, channels, height, width, rows, columns;

  /// f(index in columns, index in the input, weight) for every pixel that a sample reads.
  template <class F>
  void each(const F& f) const {
    const int64_t images = input.shape()[0], of_group = channels / o.groups, of_offset = channels / o.offset_groups;
    for (int64_t n = 0; n < images; ++n)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < taps; ++t)
          for (int64_t p = 0; p < rows * columns; ++p) {
            const int64_t group = c / of_offset, y = p / columns, x = p % columns;
            const auto moved = [&](int64_t k) {
              return offset[((n * o.offset_groups + group) * taps * 2 + 2 * t + k) * rows * columns + p];
            };
            // Positions are rounded to the dtype, and they determine the pixels that are read.
            const auto place = [&](int64_t whole, double by) {
              return input.dtype() == DType::float64
                         ? static_cast<double>(whole) + by
                         : static_cast<double>(static_cast<float>(whole) + static_cast<float>(by));
            };
            const double py = place(y * o.stride[0] - o.padding[0] + t / o.kernel[1] * o.dilation[0], moved(0));
            const double px = place(x * o.stride[1] - o.padding[1] + t % o.kernel[1] * o.dilation[1], moved(1));
            if (!(py > -1 && px > -1 && py < static_cast<double>(height) && px < static_cast<double>(width))) continue;
            const double scale = masked ? mask[((n * o.offset_groups + group) * taps + t) * rows * columns + p] : 1;
            const int64_t column =
                (n * channels * taps + (c / of_group * taps + t) * of_group + c % of_group) * rows * columns + p;
            for (int k = 0; k < 4; ++k) {
              const double iy = std::floor(py) + k / 2, ix = std::floor(px) + k % 2;
              if (iy < 0 || ix < 0 || iy >= static_cast<double>(height) || ix >= static_cast<double>(width)) continue;
              f(column, ((n * channels + c) * height + static_cast<int64_t>(iy)) * width + static_cast<int64_t>(ix),
                scale * (1 - std::abs(py - iy)) * (1 - std::abs(px - ix)));
            }
          }
  }
};

}  // namespace

void run(Input& in) {
  const DType dtype = in.any_of({DType::float32, DType::float64});
  Deform o;
  in.wild = in.one_in(8);
  o.groups = 1 + in.below(3), o.offset_groups = 1 + in.below(3);
  const int64_t channels = o.groups * o.offset_groups * (1 + in.below(5)), images = in.below(3);
  int64_t out[2];
  const int64_t height = in.size(14), width = in.size(14);
  for (int d = 0; d < 2; ++d) {
    o.kernel[d] = in.number(1, 3), o.stride[d] = in.number(1, 3), o.padding[d] = in.number(0, 2);
    o.dilation[d] = in.number(1, 2);
    int64_t reach = 0, room = 0;  // wild numbers overflow; then any size will do
    const bool fits = !__builtin_sub_overflow(o.kernel[d], 1, &reach) &&
                      !__builtin_mul_overflow(o.dilation[d], reach, &reach) &&
                      !__builtin_mul_overflow(o.padding[d], 2, &room) &&
                      !__builtin_add_overflow(room, (d ? width : height) - 1, &room) &&
                      !__builtin_sub_overflow(room, reach, &room) && o.stride[d] > 0;
    if (fits && room / o.stride[d] >= 40) return;
    out[d] = fits ? std::max<int64_t>(0, room / o.stride[d] + 1) : 1;
  }
  int64_t taps = 1;
  if (__builtin_mul_overflow(o.kernel[0], o.kernel[1], &taps) || taps > 30 || taps < 0) taps = 1;
  Tensor input(dtype, {images, channels, height, width}, in),
      offset(dtype, {images, 2 * o.offset_groups * taps, out[0], out[1]}, in),
      mask(dtype, {images, o.offset_groups * taps, out[0], out[1]}, in);
  if (product(offset.shape()) * channels > 1 << 19) return;
  input.fill_finite(in), mask.fill_finite(in);
  const bool odd = in.one_in(8);
  if (odd) {
    offset.fill(in);
  } else {
    offset.fill_finite(in, in.any_of<double>({0.5, 2, 9}));
  }
  const bool masked = in.one_in(2);
  const Sizes column_shape{images, channels * taps, out[0], out[1]};
  const Pieces context(in);
  const Context& serial = serial_context();
  // Pixel by pixel in memory.
  Tensor got(dtype, column_shape), columns(dtype, column_shape);
  const TensorView mask_view = mask.view();
  const auto fast = [&] {
    deform_columns(context, input.view(), offset.view(), masked ? &mask_view : nullptr, o, got.view());
  };
  if (in.wild) {
    if (!runs(fast)) return;
  } else {
    must_run("deform_columns", fast);
  }
  const int64_t pixels = out[0] * out[1], per_pixel = channels * taps;
  for (int64_t i = 0; i < columns.numel(); ++i) {
    const int64_t n = i / (per_pixel * pixels), c = i / pixels % per_pixel, p = i % pixels;
    columns.set(i, got[(n * pixels + p) * per_pixel + c]);
  }
  const Case all{input, offset, mask, masked, o, taps, channels, height, width, out[0], out[1]};
  if (!odd) {
    Tensor expected(dtype, column_shape), sums(DType::float64, column_shape);
    for (int64_t i = 0; i < sums.numel(); ++i) sums.set(i, 0);
    all.each([&](int64_t column, int64_t pixel, double weight) { sums.at<double>(column) += weight * input[pixel]; });
    for (int64_t i = 0; i < sums.numel(); ++i) expected.set(i, sums[i]);
    expect_close("deform_columns", columns, expected, 16 * epsilon(dtype));
  }
  Tensor grad(dtype, column_shape, in);
  grad.fill_finite(in);
  const Tensor dense = input.dense(), dense_offset = offset.dense(), dense_mask = mask.dense(),
               dense_grad = grad.dense();
  const TensorView dense_mask_view = dense_mask.view();
  Tensor by_input(dtype, input.shape()), by_offset(dtype, offset.shape()), by_mask(dtype, mask.shape());
  Tensor input_ref(dtype, input.shape()), offset_ref(dtype, offset.shape()), mask_ref(dtype, mask.shape());
  must_run("deform_columns_backward", [&] {
    deform_columns_backward(context, grad.view(), input.view(), offset.view(), masked ? &mask_view : nullptr, o,
                            by_input.view(), by_offset.view(), masked ? &by_mask.view() : nullptr);
  });
  deform_columns_backward(serial, dense_grad.view(), dense.view(), dense_offset.view(),
                          masked ? &dense_mask_view : nullptr, o, input_ref.view(), offset_ref.view(),
                          masked ? &mask_ref.view() : nullptr);
  expect_same("deform_columns_backward, input", by_input, input_ref);
  expect_same("deform_columns_backward, offset", by_offset, offset_ref);
  if (masked) expect_same("deform_columns_backward, mask", by_mask, mask_ref);
  if (odd) return;
  Tensor sums(DType::float64, input.shape()), wide(DType::float64, input.shape());
  for (int64_t i = 0; i < sums.numel(); ++i) sums.set(i, 0), wide.set(i, by_input[i]);
  all.each([&](int64_t column, int64_t pixel, double weight) { sums.at<double>(pixel) += weight * grad[column]; });
  const auto terms = static_cast<double>(taps * pixels);
  expect_close("deform_columns_backward, input", wide, sums, epsilon(dtype) * (terms + 16) * (terms + 1));
}

}  // namespace fuzz
