// Processes the axes separately: rows are summed into one row, which fits the cache, and its ranges are summed into a
// row of the result. O(results * taps). Scratch memory: the rows of a range, for each thread.
#include <algorithm>
#include <cstring>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/geometry.h"
#include "ops/filtering/separable_simd.h"
#include "ops/geometry/axis_taps.h"
#include "ops/geometry/checks.h"
#include "ops/geometry/resize_simd.h"

namespace fastcnn {
namespace {

template <class A>
const ResizeRows<A>& kernels_of() {
  if constexpr (std::is_same_v<A, float>)
    return FASTCNN_SELECT(resize_kernels).f32;
  else
    return FASTCNN_SELECT(resize_kernels).f64;
}

template <class A>
const SeparableRows<A>& conversions_of() {
  if constexpr (std::is_same_v<A, float>)
    return FASTCNN_SELECT(separable_kernels).f32;
  else
    return FASTCNN_SELECT(separable_kernels).f64;
}

/// Rows of one image as A. The last few stay converted, because consecutive outputs share most of their rows.
template <class T, class A>
class Rows {
 public:
  Rows(int64_t width, int64_t kept, Scratch& scratch) : width_(width), kept_(kept) {
    if constexpr (!std::is_same_v<T, A>) {
      memory_ = scratch.get<A>(kept * width);
      held_ = scratch.get<int64_t>(kept);
    }
  }
  void start(const T* image) {
    image_ = image;
    if constexpr (!std::is_same_v<T, A>) std::fill_n(held_, kept_, int64_t{-1});
  }
  const A* row(int64_t y) {
    if constexpr (std::is_same_v<T, A>) {
      return image_ + y * width_;
    } else {
      A* to = memory_ + y % kept_ * width_;
      if (held_[y % kept_] != y) {
        conversions_of<A>().load[static_cast<int>(TypeToDType<T>::value)](image_ + y * width_, width_, to);
        held_[y % kept_] = y;
      }
      return to;
    }
  }

 private:
  int64_t width_, kept_;
  const T* image_ = nullptr;
  A* memory_ = nullptr;
  int64_t* held_ = nullptr;
};

template <class T>
void resample(const Context& context, const TensorView& src, const AxisTaps& down, const AxisTaps& along,
              const TensorView& dst) {
  using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const int64_t width = along.inputs, rows = down.outputs(), columns = along.outputs();
  const int64_t images = dst.numel() / (rows * columns);
  Scratch shared(context);
  A* of_rows = shared.get<A>(rows * down.maximum);
  std::transform(down.weights.begin(), down.weights.end(), of_rows, [](double w) { return static_cast<A>(w); });
  A* of_columns = shared.get<A>(columns * along.maximum);  // tap-major
  for (int64_t x = 0; x < columns; ++x)
    for (int64_t k = 0; k < along.maximum; ++k) of_columns[k * columns + x] = static_cast<A>(along.of(x)[k]);
  const ImageSource source(src, 2);
  const int64_t grain = std::max<int64_t>(1, 16384 / (width + columns));
  const auto run = [&](const Context& inner, int64_t image) {
    Scratch packed(inner);
    const T* pixels = source.image<T>(image, packed);
    T* to = dst.as<T>() + image * rows * columns;
    inner.parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
      Scratch scratch(inner);
      Rows<T, A> lines(width, down.maximum, scratch);
      lines.start(pixels);
      const A** range = scratch.get<const A*>(down.maximum);
      A* used = scratch.get<A>(down.maximum);
      A* sums = scratch.get<A>(width + along.maximum);
      std::fill_n(sums + width, along.maximum, A(0));
      A* result = scratch.get<A>(columns);
      for (int64_t y = begin; y < end; ++y) {
        const auto first = static_cast<int64_t>(down.first[static_cast<size_t>(y)]);
        int64_t n = 0;  // rows of weight 0 are excluded, because they may be NaN
        for (int64_t k = 0; k < down.count[static_cast<size_t>(y)]; ++k) {
          used[n] = of_rows[y * down.maximum + k];
          if (used[n] != 0) range[n++] = lines.row(first + k);
        }
        kernels_of<A>().columns(range, used, n, width, sums);
        A* const line = std::is_same_v<T, A> ? reinterpret_cast<A*>(to + y * columns) : result;
        kernels_of<A>().row(sums, along.first.data(), of_columns, along.maximum, columns, line);
        if constexpr (!std::is_same_v<T, A>)
          conversions_of<A>().store[static_cast<int>(TypeToDType<T>::value)](result, columns, to + y * columns);
      }
    });
  };
  for_each_image(worth_threads(context, dst.numel() + src.numel(), 16384), images, run);
}

template <class U>
void pick(const Context& context, const TensorView& src, const AxisTaps& down, const AxisTaps& along,
          const TensorView& dst) {
  const int64_t width = along.inputs, rows = down.outputs(), columns = along.outputs();
  const ImageSource source(src, 2);
  for_each_image(worth_threads(context, dst.numel(), 16384), dst.numel() / (rows * columns),
                 [&](const Context& inner, int64_t image) {
                   Scratch packed(inner);
                   const U* pixels = source.image<U>(image, packed);
                   U* to = dst.as<U>() + image * rows * columns;
                   inner.parallel_for(0, rows, std::max<int64_t>(1, 16384 / columns), [&](int64_t begin, int64_t end) {
                     for (int64_t y = begin; y < end; ++y) {
                       const U* from = pixels + down.first[static_cast<size_t>(y)] * width;
                       for (int64_t x = 0; x < columns; ++x)
                         to[y * columns + x] = from[along.first[static_cast<size_t>(x)]];
                     }
                   });
                 });
}

}  // namespace

Interpolation interpolation_from(const char* name, const char* op) {
  constexpr const char* kNames[] = {"nearest", "nearest-exact", "bilinear", "bicubic"};
  for (int i = 0; i < 4; ++i)
    if (std::strcmp(name, kNames[i]) == 0) return static_cast<Interpolation>(i);
  FASTCNN_CHECK(false, op, ": expected mode nearest, nearest-exact, bilinear or bicubic, got ", name);
  return Interpolation::bilinear;
}

void resize(const Context& context, const TensorView& src, const Resize& options, const TensorView& dst) {
  constexpr char kOp[] = "resize";
  const bool nearest = options.mode == Interpolation::nearest || options.mode == Interpolation::nearest_exact;
  FASTCNN_CHECK(!nearest || !options.antialias, kOp, ": expected antialias with mode bilinear or bicubic only");
  check_output(dst, dtype_of(src), kOp, "result");
  const geometry::Sizes sizes(kOp, "image", src, dst);
  if (sizes.empty) return;
  const AxisTaps down = axis_taps(sizes.height, sizes.rows, options);
  const AxisTaps along = axis_taps(sizes.width, sizes.columns, options);
  if (nearest) {
    visit_bits(AllTypes{}, src, kOp, "image",
               [&](auto tag) { pick<typename decltype(tag)::type>(context, src, down, along, dst); });
  } else {
    visit(SmoothTypes{}, src, kOp, "image",
          [&](auto tag) { resample<typename decltype(tag)::type>(context, src, down, along, dst); });
  }
}

void resize_backward(const Context& context, const TensorView& grad, const Resize& options, const TensorView& dst) {
  constexpr char kOp[] = "_resize_backward";
  check_output(dst, dtype_of(grad), kOp, "result");
  const geometry::Sizes sizes(kOp, "grad", grad, dst);
  if (sizes.empty) return;
  const AxisTaps down = transposed(axis_taps(sizes.rows, sizes.height, options));
  const AxisTaps along = transposed(axis_taps(sizes.columns, sizes.width, options));
  visit(FloatTypes{}, grad, kOp, "grad",
        [&](auto tag) { resample<typename decltype(tag)::type>(context, grad, down, along, dst); });
}

}  // namespace fastcnn
