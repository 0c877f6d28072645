// O(N * C * taps * oh * ow). The input gradient is computed in blocks of channels, each by one thread, and the gradient
// of the offsets pixel by pixel, so that no sum depends on the threads.
#include "fastcnn/ops/deform.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/dtypes.h"
#include "fastcnn/error.h"

namespace fastcnn {
namespace {

constexpr char kOp[] = "deform_conv2d";
constexpr int64_t kBlock = 16;

template <class T>
struct Map {
  explicit Map(const TensorView& v) : data(v.as<T>()), n(v.stride(0)), c(v.stride(1)), y(v.stride(2)), x(v.stride(3)) {}
  T& at(int64_t image, int64_t channel, int64_t row, int64_t column) const {
    return data[image * n + channel * c + row * y + column * x];
  }
  T* data;
  int64_t n, c, y, x;
};

/// Four pixels and their weights; those outside have weight 0 and read pixel 0.
template <class T>
struct Sample {
  int64_t row[2], column[2];
  bool inside_y[2], inside_x[2];
  T fy, fx;
  bool any;

  Sample(T y, T x, int64_t height, int64_t width)
      : any(y > -1 && y < static_cast<T>(height) && x > -1 && x < static_cast<T>(width)) {
    if (!any) return;
    const T y0 = std::floor(y), x0 = std::floor(x);
    fy = y - y0, fx = x - x0;
    for (int k = 0; k < 2; ++k) {
      row[k] = static_cast<int64_t>(y0) + k, column[k] = static_cast<int64_t>(x0) + k;
      inside_y[k] = row[k] >= 0 && row[k] < height, inside_x[k] = column[k] >= 0 && column[k] < width;
    }
  }
  T weight(int i, int j) const { return (i ? fy : 1 - fy) * (j ? fx : 1 - fx); }
  bool inside(int i, int j) const { return inside_y[i] && inside_x[j]; }
};

class Geometry {
 public:
  Geometry(const TensorView& input, const TensorView& offset, const Deform& options)
      : o(options),
        channels(input.shape[1]),
        height(input.shape[2]),
        width(input.shape[3]),
        out_height(offset.shape[2]),
        out_width(offset.shape[3]),
        taps(o.kernel[0] * o.kernel[1]) {}

  template <class T>
  Sample<T> sample(const Map<const T>& offset, int64_t n, int64_t group, int64_t tap, int64_t y, int64_t x) const {
    const int64_t first = 2 * (group * taps + tap);
    const int64_t top = y * o.stride[0] - o.padding[0] + tap / o.kernel[1] * o.dilation[0];
    const int64_t left = x * o.stride[1] - o.padding[1] + tap % o.kernel[1] * o.dilation[1];
    return {static_cast<T>(top) + offset.at(n, first, y, x), static_cast<T>(left) + offset.at(n, first + 1, y, x),
            height, width};
  }
  int64_t offset_group(int64_t channel) const { return channel / (channels / o.offset_groups); }
  /// The position in a column of a channel's value at a tap.
  int64_t place(int64_t channel, int64_t tap) const {
    const int64_t of_group = channels / o.groups;
    return (channel / of_group * taps + tap) * of_group + channel % of_group;
  }

  const Deform& o;
  int64_t channels, height, width, out_height, out_width, taps;
};

void check(const TensorView& input, const TensorView& offset, const TensorView* mask, const Deform& o) {
  const auto check_map = [](const TensorView& view, const char* argument) {
    FASTCNN_CHECK_TYPE(view.device.type == kCpu, kOp, ": expected ", argument, " on the CPU");
    FASTCNN_CHECK(view.ndim == 4, kOp, ": expected ", argument, " of 4 dimensions, got ", shape_text(view));
  };
  check_map(input, "input"), check_map(offset, "offset");
  if (mask) check_map(*mask, "mask");
  visit(DTypeList<DType::float32, DType::float64>{}, input, kOp, "input", [](auto) {});
  FASTCNN_CHECK_TYPE(dtype_of(offset) == dtype_of(input) && (!mask || dtype_of(*mask) == dtype_of(input)), kOp,
                     ": expected offset and mask of input's dtype, ", name_of(dtype_of(input)));
  FASTCNN_CHECK(o.groups > 0 && input.shape[1] % o.groups == 0, kOp, ": expected input of a multiple of ", o.groups,
                " channels, got ", shape_text(input));
  FASTCNN_CHECK(o.offset_groups > 0 && input.shape[1] % o.offset_groups == 0, kOp,
                ": expected offset of groups that divide the input's channels, got ", shape_text(offset));
  // These bounds prevent overflow in the products below.
  static constexpr int64_t kMax = int64_t{1} << 24;
  const auto check_number = [](int64_t value, int64_t minimum, const char* argument) {
    FASTCNN_CHECK(value >= minimum && value <= kMax, kOp, ": expected ", argument, " from ", minimum, " to ", kMax,
                  ", got ", value);
  };
  for (int d = 0; d < 2; ++d) {
    check_number(o.kernel[d], 1, "kernel size"), check_number(o.stride[d], 1, "stride");
    check_number(o.padding[d], 0, "padding"), check_number(o.dilation[d], 1, "dilation");
  }
  const int64_t taps = o.kernel[0] * o.kernel[1];
  FASTCNN_CHECK(offset.shape[0] == input.shape[0] && offset.shape[1] == 2 * o.offset_groups * taps, kOp,
                ": expected offset of ", 2 * o.offset_groups * taps, " channels for ", input.shape[0], " images, got ",
                shape_text(offset));
  for (int d = 0; d < 2; ++d) {
    const int64_t size =
        (input.shape[2 + d] + 2 * o.padding[d] - o.dilation[d] * (o.kernel[d] - 1) - 1) / o.stride[d] + 1;
    FASTCNN_CHECK(offset.shape[2 + d] == std::max<int64_t>(size, 0), kOp, ": expected offset of the result's ",
                  d == 0 ? "height, " : "width, ", size, ", got ", shape_text(offset));
  }
  if (mask)
    FASTCNN_CHECK(mask->shape[0] == input.shape[0] && mask->shape[1] == o.offset_groups * taps &&
                      mask->shape[2] == offset.shape[2] && mask->shape[3] == offset.shape[3],
                  kOp, ": expected mask of ", o.offset_groups * taps, " channels and the offset's size, got ",
                  shape_text(*mask));
}

}  // namespace

void deform_columns(const Context& context, const TensorView& input, const TensorView& offset, const TensorView* mask,
                    const Deform& options, const TensorView& columns) {
  check(input, offset, mask, options);
  const Geometry g(input, offset, options);
  visit(DTypeList<DType::float32, DType::float64>{}, dtype_of(input), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Map<const T> src(input), moved(offset);
    const std::optional<Map<const T>> weights = mask ? std::optional<Map<const T>>(*mask) : std::nullopt;
    const int64_t pixel = g.channels * g.taps, of_group = g.channels / options.offset_groups;
    context.parallel_for(0, input.shape[0] * g.out_height, 1, [&](int64_t r, int64_t end) {
      for (; r < end; ++r)
        for (int64_t x = 0; x < g.out_width; ++x)
          for (int64_t group = 0; group < options.offset_groups; ++group)
            for (int64_t tap = 0; tap < g.taps; ++tap) {
              const int64_t n = r / g.out_height, y = r % g.out_height;
              T* to = columns.as<T>() + (r * g.out_width + x) * pixel;
              const Sample<T> s = g.sample<T>(moved, n, group, tap, y, x);
              const T scale = weights ? weights->at(n, group * g.taps + tap, y, x) : T(1);
              for (int64_t c = group * of_group; c < (group + 1) * of_group; ++c) {
                T sum = 0;
                if (s.any)
                  for (int i = 0; i < 2; ++i)
                    for (int j = 0; j < 2; ++j)
                      if (s.inside(i, j)) sum += s.weight(i, j) * src.at(n, c, s.row[i], s.column[j]);
                to[g.place(c, tap)] = scale * sum;
              }
            }
    });
  });
}

void deform_columns_backward(const Context& context, const TensorView& grad, const TensorView& input,
                             const TensorView& offset, const TensorView* mask, const Deform& options,
                             const TensorView& grad_input, const TensorView& grad_offset, const TensorView* grad_mask) {
  check(input, offset, mask, options);
  const Geometry g(input, offset, options);
  FASTCNN_CHECK(grad.ndim == 4 && grad.shape[1] == g.channels * g.taps, kOp, ": expected grad of ", g.channels * g.taps,
                " channels, got ", shape_text(grad));
  visit(DTypeList<DType::float32, DType::float64>{}, dtype_of(input), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Map<const T> src(input), moved(offset), from(grad);
    const std::optional<Map<const T>> weights = mask ? std::optional<Map<const T>>(*mask) : std::nullopt;
    const auto scale_of = [&](int64_t n, int64_t group, int64_t tap, int64_t y, int64_t x) {
      return weights ? weights->at(n, group * g.taps + tap, y, x) : T(1);
    };
    const Map<T> to(grad_input);
    std::fill_n(grad_input.as<T>(), grad_input.numel(), T(0));
    const int64_t blocks = (g.channels + kBlock - 1) / kBlock;
    context.parallel_for(0, input.shape[0] * blocks, 1, [&](int64_t job, int64_t end) {
      for (; job < end; ++job) {
        const int64_t n = job / blocks, first = job % blocks * kBlock, last = std::min(g.channels, first + kBlock);
        for (int64_t y = 0; y < g.out_height; ++y)
          for (int64_t x = 0; x < g.out_width; ++x)
            for (int64_t tap = 0; tap < g.taps; ++tap)
              for (int64_t c = first; c < last;) {
                const int64_t group = g.offset_group(c), run = (group + 1) * (g.channels / options.offset_groups);
                const Sample<T> s = g.sample<T>(moved, n, group, tap, y, x);
                const T scale = scale_of(n, group, tap, y, x);
                for (; c < std::min(run, last); ++c) {
                  if (!s.any) continue;
                  const T value = scale * from.at(n, g.place(c, tap), y, x);
                  for (int i = 0; i < 2; ++i)
                    for (int j = 0; j < 2; ++j)
                      if (s.inside(i, j)) to.at(n, c, s.row[i], s.column[j]) += s.weight(i, j) * value;
                }
              }
      }
    });
    const Map<T> offsets(grad_offset);
    const std::optional<Map<T>> masks = grad_mask ? std::optional<Map<T>>(*grad_mask) : std::nullopt;
    const int64_t of_group = g.channels / options.offset_groups;
    context.parallel_for(0, input.shape[0] * g.out_height, 1, [&](int64_t r, int64_t end) {
      for (; r < end; ++r)
        for (int64_t x = 0; x < g.out_width; ++x)
          for (int64_t group = 0; group < options.offset_groups; ++group)
            for (int64_t tap = 0; tap < g.taps; ++tap) {
              const int64_t n = r / g.out_height, y = r % g.out_height;
              const Sample<T> s = g.sample<T>(moved, n, group, tap, y, x);
              T by_y = 0, by_x = 0, by_mask = 0;
              for (int64_t c = group * of_group; s.any && c < (group + 1) * of_group; ++c) {
                const auto value = [&](int i, int j) {
                  return s.inside(i, j) ? src.at(n, c, s.row[i], s.column[j]) : T(0);
                };
                const T a = value(0, 0), b = value(0, 1), d = value(1, 0), e = value(1, 1);
                const T of = from.at(n, g.place(c, tap), y, x);
                by_y += of * ((1 - s.fx) * (d - a) + s.fx * (e - b));
                by_x += of * ((1 - s.fy) * (b - a) + s.fy * (e - d));
                by_mask += of * ((1 - s.fy) * ((1 - s.fx) * a + s.fx * b) + s.fy * ((1 - s.fx) * d + s.fx * e));
              }
              const T scale = scale_of(n, group, tap, y, x);
              const int64_t at = group * g.taps + tap;
              offsets.at(n, 2 * at, y, x) = scale * by_y, offsets.at(n, 2 * at + 1, y, x) = scale * by_x;
              if (masks) masks->at(n, at, y, x) = by_mask;
            }
    });
  });
}

}  // namespace fastcnn
