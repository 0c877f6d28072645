// Compares the nearest pixels of warps and their bilinear samples with the definition, in float64. Resizing has no
// definition here: strided images with several threads are compared with dense images with one, values stay within the
// range of the image, and the transposed maps are adjoint.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/geometry.h"
#include "fuzz.h"

namespace fuzz {
namespace {

Tensor picture(Input& in, DType dtype, const Sizes& shape, bool strange) {
  Tensor image(dtype, shape, in);
  if (strange || !is_float(dtype)) {
    image.fill(in);
  } else {
    image.fill_finite(in);
  }
  return image;
}

/// The sums of products of both directions; rounded values, sums of at most `terms` in float32 or wider.
void expect_adjoint(const char* name, const Tensor& x, const Tensor& ax, const Tensor& g, const Tensor& ag) {
  const double left = dot(ax, g), right = dot(x, ag), n = static_cast<double>(x.numel() + g.numel());
  const double bound =
      4 * n * (n + 20) * (x.dtype() == DType::float64 ? 0x1p-53 : 0x1p-24) + 4 * n * epsilon(x.dtype());
  if (!(std::abs(left - right) <= bound))
    fail(std::string(name) + ": not transposed, " + std::to_string(left) + " and " + std::to_string(right) + ", " +
         x.text());
}

void check_resize(Input& in, const Context& context, const Sizes& from, const Sizes& to) {
  const Resize o{static_cast<Interpolation>(in.below(4)), in.one_in(2)};
  const bool nearest = o.mode <= Interpolation::nearest_exact, strange = in.one_in(6);
  const Tensor image = picture(in, nearest ? in.dtype(kAll) : in.dtype(kSmooth), from, strange);
  const Tensor dense = image.dense();
  Tensor got(image.dtype(), to), expected(image.dtype(), to);
  if (!both_run(
          "resize", [&] { resize(context, image.view(), o, got.view()); },
          [&] { resize(serial_context(), dense.view(), o, expected.view()); }))
    return;
  expect_same("resize", got, expected);
  if (strange || image.numel() == 0 || got.numel() == 0) return;
  if (o.mode != Interpolation::bicubic) {
    double low = image[0], high = image[0];
    for (int64_t i = 0; i < image.numel(); ++i) low = std::min(low, image[i]), high = std::max(high, image[i]);
    // As many terms as an axis has pixels at the most, twice; then the result's rounding.
    const auto terms = static_cast<double>(from[from.size() - 2] + from.back() + 8);
    const double slack =
        (std::abs(low) + std::abs(high)) * terms * (image.dtype() == DType::float64 ? 0x1p-53 : 0x1p-24) +
        epsilon(image.dtype());
    for (int64_t i = 0; i < got.numel(); ++i)
      if (!(got[i] >= low - slack && got[i] <= high + slack))
        fail("resize: " + std::to_string(got[i]) + ", " + image.text());
  }
  if (!is_float(image.dtype())) return;
  const Tensor grad = picture(in, image.dtype(), to, false);
  Tensor back(image.dtype(), from);
  must_run("resize_backward", [&] { resize_backward(context, grad.view(), o, back.view()); });
  expect_adjoint("resize", image, got, grad, back);
}

void check_warp(Input& in, const Context& context, const Sizes& from, const Sizes& to) {
  const Warp o{in.any_of({Interpolation::nearest, Interpolation::bilinear}), in.one_in(2) ? 0 : in.real(0, 3)};
  const bool nearest = o.mode == Interpolation::nearest, strange = in.one_in(6);
  const Tensor image = picture(in, nearest ? in.dtype(kAll) : in.dtype(kSmooth), from, strange);
  const int64_t planes = product(Sizes(from.begin(), from.end() - 2));
  Tensor maps(DType::float64, {in.one_in(2) && planes ? planes : 1, 2, 3});
  const bool odd = in.one_in(8);
  Random random = in.random();
  const bool whole = in.one_in(3);
  if (odd) {
    maps.fill(in);
  } else {
    for (int64_t i = 0; i < maps.numel(); ++i) {
      const double maximum = i % 3 == 2 ? 20 : 2, value = (2 * random.unit() - 1) * maximum;
      maps.set(i, whole ? std::round(2 * value) / 2 : value);
    }
  }
  Tensor got(image.dtype(), to), expected(image.dtype(), to);
  const auto fast = [&] { warp_affine(context, image.view(), maps.view(), o, got.view()); };
  if (from == to || image.numel() > 0)
    must_run("warp_affine", fast);
  else if (!runs(fast))
    return;
  const int64_t height = from[from.size() - 2], width = from.back(), rows = to[to.size() - 2], columns = to.back();
  Tensor fill(image.dtype(), {1});
  // Dtypes without NaN convert it to 0.
  fill.set(0, is_float(image.dtype()) ? o.fill : o.fill == o.fill ? std::nearbyint(o.fill) : 0);
  const auto at = [&](int64_t plane, double y, double x, double outside) {
    if (y < 0 || x < 0 || y >= static_cast<double>(height) || x >= static_cast<double>(width)) return outside;
    return image[(plane * height + static_cast<int64_t>(y)) * width + static_cast<int64_t>(x)];
  };
  for (int64_t i = 0; i < got.numel(); ++i) {
    const int64_t plane = i / (rows * columns);
    const int64_t m = plane * maps.shape()[0] / planes * 6;
    const double r = static_cast<double>(i / columns % rows), c = static_cast<double>(i % columns);
    const double x = maps[m] * c + maps[m + 1] * r + maps[m + 2], y = maps[m + 3] * c + maps[m + 4] * r + maps[m + 5];
    double value = fill[0];
    if (nearest) {
      value = x == x && y == y ? at(plane, std::floor(y + 0.5), std::floor(x + 0.5), fill[0]) : fill[0];
    } else if (x > -1 && y > -1 && x < static_cast<double>(width) && y < static_cast<double>(height)) {
      const double top = std::floor(y), left = std::floor(x), below = y - top, right = x - left;
      value = 0;
      for (int k = 0; k < 4; ++k) {
        const double weight = (k / 2 ? below : 1 - below) * (k % 2 ? right : 1 - right);
        if (weight != 0) value += weight * at(plane, top + k / 2, left + k % 2, o.fill);
      }
    }
    expected.set(i, is_float(image.dtype()) ? value : std::nearbyint(value));
  }
  if (!strange) {
    const double size = image.largest() + (std::isfinite(o.fill) ? std::abs(o.fill) : 0);
    expect_close("warp_affine", got, expected,
                 nearest                   ? 0
                 : is_float(image.dtype()) ? 8 * size * epsilon(image.dtype())
                                           : 1 + 8 * size * 0x1p-24);
  }
  if (!is_float(image.dtype()) || strange || image.numel() == 0 || got.numel() == 0) return;
  const Tensor grad = picture(in, image.dtype(), to, false), dense = image.dense(), dense_grad = grad.dense();
  Tensor back(image.dtype(), from), of_maps(DType::float64, maps.shape()), of_maps_ref(DType::float64, maps.shape());
  must_run("warp_affine_backward", [&] {
    warp_affine_backward(context, grad.view(), maps.view(), o, back.view());
    warp_affine_backward_maps(context, grad.view(), image.view(), maps.view(), o, of_maps.view());
  });
  warp_affine_backward_maps(serial_context(), dense_grad.view(), dense.view(), maps.view(), o, of_maps_ref.view());
  expect_same("warp_affine_backward_maps", of_maps, of_maps_ref);
  if (o.fill == 0) expect_adjoint("warp_affine", image, got, grad, back);
}

}  // namespace

void run(Input& in) {
  const bool warp = in.one_in(2);
  const Pieces context(in);
  Sizes from = image_shape(in, 2, in.one_in(8) ? 1 << 13 : 1 << 10), to = from;
  to[to.size() - 2] = in.size(70), to.back() = in.size(70);
  if (product(to) > 1 << 14) return;
  in.wild = in.one_in(8);
  (warp ? check_warp : check_resize)(in, context, from, to);
}

}  // namespace fuzz
