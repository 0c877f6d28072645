// Affine maps of images, one pixel of the result at a time: O(results). The gradient of the image is scattered plane by
// plane, the gradient of the maps is summed in double. Neither depends on the number of threads.
#include <algorithm>
#include <cmath>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/geometry.h"
#include "ops/geometry/checks.h"

namespace fastcnn {
namespace {

using geometry::Sizes;

template <class T>
using Sum = std::conditional_t<std::is_same_v<T, double> || (std::is_integral_v<T> && sizeof(T) >= 4), double, float>;

/// The nearest value of a dtype: integers are rounded, ties to even, and clamped to their range.
template <class T, class A>
T rounded(A value) {
  if constexpr (std::is_integral_v<T>) {
    // NaN becomes 0. The maximum 64-bit integer is not representable as a double; the next integer above it is.
    constexpr T kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
    const A nearest = std::nearbyint(value);
    if (nearest >= static_cast<A>(kMax)) return kMax;
    return nearest >= static_cast<A>(kMin) ? static_cast<T>(nearest) : value == value ? kMin : T(0);
  } else {
    return converted<T>(value);
  }
}

/// The position of a result pixel in the image: the pixel above and to the left with the fractional offset, or outside.
struct Place {
  int64_t y, x;
  double below, right;
};

class Map {
 public:
  Map(const double* m, const Sizes& image) : m_(m), height_(image.height), width_(image.width) {}

  /// Returns false outside, at a distance of one pixel or more (and for NaN).
  bool bilinear(int64_t row, int64_t column, Place& p) const {
    double y, x;
    at(row, column, y, x);
    if (!(x > -1 && y > -1 && x < static_cast<double>(width_) && y < static_cast<double>(height_))) return false;
    const double top = std::floor(y), left = std::floor(x);
    p = {static_cast<int64_t>(top), static_cast<int64_t>(left), y - top, x - left};
    return true;
  }
  /// Finds the nearest pixel; ties go to the right and the lower one. Returns false outside.
  bool nearest(int64_t row, int64_t column, Place& p) const {
    double y, x;
    at(row, column, y, x);
    y = std::floor(y + 0.5), x = std::floor(x + 0.5);
    if (!(x >= 0 && y >= 0 && x < static_cast<double>(width_) && y < static_cast<double>(height_))) return false;
    p = {static_cast<int64_t>(y), static_cast<int64_t>(x), 0, 0};
    return true;
  }
  bool within(int64_t y, int64_t x) const { return y >= 0 && x >= 0 && y < height_ && x < width_; }
  int64_t width() const { return width_; }

 private:
  void at(int64_t row, int64_t column, double& y, double& x) const {
    const auto r = static_cast<double>(row), c = static_cast<double>(column);
    x = m_[0] * c + m_[1] * r + m_[2];
    y = m_[3] * c + m_[4] * r + m_[5];
  }
  const double* m_;
  int64_t height_, width_;
};

/// A weight of 0 must not turn a NaN or an infinity into NaN, even if it was rounded to 0.
template <class A>
A between(A a, A b, A weight) {
  return weight == 0 ? a : weight == 1 ? b : a * (1 - weight) + b * weight;
}

/// The four pixels around a position, with the fill value outside the image.
template <class A, class T>
void corners(const Map& map, const T* image, const Place& p, A fill, A (&v)[4]) {
  for (int k = 0; k < 4; ++k) {
    const int64_t y = p.y + k / 2, x = p.x + k % 2;
    v[k] = map.within(y, x) ? static_cast<A>(image[y * map.width() + x]) : fill;
  }
}

void check(const char* op, const TensorView& image, const TensorView& maps, const Warp& options) {
  FASTCNN_CHECK(options.mode != Interpolation::bicubic, op, ": expected mode nearest or bilinear, got bicubic");
  check_output(maps, DType::float64, op, "matrix");
  int64_t planes = 1;
  for (int d = 0; d < image.ndim - 2; ++d) planes *= image.shape[d];
  const bool good = maps.ndim == 3 && maps.shape[1] == 2 && maps.shape[2] == 3 &&
                    (planes == 0 || (maps.shape[0] > 0 && planes % maps.shape[0] == 0));
  FASTCNN_CHECK(good, op, ": expected maps of shape (N, 2, 3), N a divisor of ", planes, ", got ", shape_text(maps));
}

const double* map_of(const TensorView& maps, int64_t plane, int64_t planes) {
  return maps.as<double>() + plane * maps.shape[0] / planes * 6;
}

/// The number of images in a batch.
int64_t planes_of(const TensorView& batch) {
  int64_t planes = 1;
  for (int d = 0; d < batch.ndim - 2; ++d) planes *= batch.shape[d];
  return planes;
}

}  // namespace

void warp_affine(const Context& context, const TensorView& src, const TensorView& maps, const Warp& options,
                 const TensorView& dst) {
  constexpr char kOp[] = "warp_affine";
  check_output(dst, dtype_of(src), kOp, "result");
  const Sizes sizes(kOp, "image", src, dst);
  check(kOp, src, maps, options);
  if (sizes.empty) return;
  const int64_t planes = planes_of(src), size = sizes.rows * sizes.columns;
  const ImageSource source(src, 2);
  const bool linear = options.mode == Interpolation::bilinear;
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Sum<T>;
    for_each_image(worth_threads(context, dst.numel(), 8192), planes, [&](const Context& inner, int64_t plane) {
      Scratch scratch(inner);
      const T* image = source.image<T>(plane, scratch);
      T* result = dst.as<T>() + plane * size;
      const Map map(map_of(maps, plane, planes), sizes);
      const auto fill = static_cast<A>(options.fill);
      inner.parallel_for(0, sizes.rows, std::max<int64_t>(1, 8192 / sizes.columns), [&](int64_t begin, int64_t end) {
        Place p{};
        for (int64_t y = begin; y < end; ++y)
          for (int64_t x = 0; x < sizes.columns; ++x) {
            T& to = result[y * sizes.columns + x];
            if (linear && map.bilinear(y, x, p)) {
              A v[4];
              corners(map, image, p, fill, v);
              const auto below = static_cast<A>(p.below), right = static_cast<A>(p.right);
              to = rounded<T>(between(between(v[0], v[1], right), between(v[2], v[3], right), below));
            } else if (!linear && map.nearest(y, x, p)) {
              to = image[p.y * sizes.width + p.x];
            } else {
              to = rounded<T>(fill);
            }
          }
      });
    });
  };
  if (linear)
    visit(SmoothTypes{}, src, kOp, "image", run);
  else
    visit(AllTypes{}, src, kOp, "image", run);
}

void warp_affine_backward(const Context& context, const TensorView& grad, const TensorView& maps, const Warp& options,
                          const TensorView& dst) {
  constexpr char kOp[] = "_warp_affine_backward";
  check_output(dst, dtype_of(grad), kOp, "result");
  const Sizes sizes(kOp, "grad", dst, grad);  // dst is the image's
  check(kOp, grad, maps, options);
  const int64_t planes = planes_of(dst), pixels = sizes.height * sizes.width;
  if (dst.numel() == 0) return;
  const ImageSource source(grad, 2);
  visit(FloatTypes{}, grad, kOp, "grad", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Sum<T>;
    for_each_image(context, planes, [&](const Context& inner, int64_t plane) {
      Scratch scratch(inner);
      const T* values = sizes.empty ? nullptr : source.image<T>(plane, scratch);
      A* sums = scratch.get<A>(pixels);
      std::fill_n(sums, pixels, A(0));
      const Map map(map_of(maps, plane, planes), sizes);
      Place p{};
      for (int64_t y = 0; y < sizes.rows; ++y)
        for (int64_t x = 0; x < sizes.columns; ++x) {
          const auto g = static_cast<A>(values[y * sizes.columns + x]);
          if (options.mode != Interpolation::bilinear) {
            if (map.nearest(y, x, p)) sums[p.y * sizes.width + p.x] += g;
          } else if (map.bilinear(y, x, p)) {
            for (int k = 0; k < 4; ++k) {
              const A weight = static_cast<A>((k / 2 ? p.below : 1 - p.below) * (k % 2 ? p.right : 1 - p.right));
              if (weight != 0 && map.within(p.y + k / 2, p.x + k % 2))
                sums[(p.y + k / 2) * sizes.width + p.x + k % 2] += g * weight;
            }
          }
        }
      std::transform(sums, sums + pixels, dst.as<T>() + plane * pixels, [](A v) { return converted<T>(v); });
    });
  });
}

void warp_affine_backward_maps(const Context& context, const TensorView& grad, const TensorView& src,
                               const TensorView& maps, const Warp& options, const TensorView& dst) {
  constexpr char kOp[] = "_warp_affine_backward_maps";
  const Sizes sizes(kOp, "image", src, grad);
  check(kOp, src, maps, options);
  check_output(dst, DType::float64, kOp, "result");
  check_same_shape(maps, dst, kOp, "result");
  std::fill_n(dst.as<double>(), dst.numel(), 0.0);
  if (sizes.empty || options.mode != Interpolation::bilinear) return;
  const int64_t count = maps.shape[0], planes = planes_of(src);
  const ImageSource source(src, 2), gradient(grad, 2);
  visit(FloatTypes{}, src, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, count, [&](const Context& inner, int64_t i) {
      double* sums = dst.as<double>() + i * 6;
      for (int64_t plane = i * planes / count; plane < (i + 1) * planes / count; ++plane) {
        Scratch scratch(inner);
        const T *image = source.image<T>(plane, scratch), *values = gradient.image<T>(plane, scratch);
        const Map map(maps.as<double>() + i * 6, sizes);
        Place p{};
        for (int64_t y = 0; y < sizes.rows; ++y)
          for (int64_t x = 0; x < sizes.columns; ++x) {
            if (!map.bilinear(y, x, p)) continue;
            double v[4];
            corners(map, image, p, options.fill, v);
            const auto g = static_cast<double>(values[y * sizes.columns + x]);
            const double along = g * ((v[1] - v[0]) * (1 - p.below) + (v[3] - v[2]) * p.below);
            const double down = g * ((v[2] - v[0]) * (1 - p.right) + (v[3] - v[1]) * p.right);
            const double place[3] = {static_cast<double>(x), static_cast<double>(y), 1};
            for (int k = 0; k < 3; ++k) sums[k] += along * place[k], sums[3 + k] += down * place[k];
          }
      }
    });
  });
}

}  // namespace fastcnn
