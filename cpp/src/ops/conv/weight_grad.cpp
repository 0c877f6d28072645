// dW[f][c][t] = sum over the pixels p of grad[p][f] * input[p * stride - pad + t * dilation][c].
//
// Band by band both images are repacked, so that a tile of dW reads adjacent values: x as [block of
// channels][row][padded width][channel], grad as [block of filters][row][width][filter]. Then every tile (group,
// filters, tap, channels) adds its outer products, a few hundred pixels in registers before they go to memory: that
// bounds the rounding error. Each tile belongs to one thread, and neither the bands nor the result depend on the number
// of threads.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/dtypes.h"
#include "ops/conv/bands.h"
#include "ops/conv/layout.h"
#include "ops/conv/phases.h"
#include "ops/conv/planar.h"
#include "ops/conv/weight_grad_simd.h"
#include "ops/conv/winograd_weight_grad.h"

namespace fastcnn {
namespace conv {
namespace {

constexpr int64_t kBandBytes = 4 << 20, kPixelsInRegisters = 256;

template <class T>
const WeightGradKernels<T>& kernels();
template <>
const WeightGradKernels<float>& kernels<float>() {
  return FASTCNN_SELECT(weight_grad_f32);
}
template <>
const WeightGradKernels<double>& kernels<double>() {
  return FASTCNN_SELECT(weight_grad_f64);
}

/// How a row of pixels is cut into panels.
template <class T>
struct Packing {
  int64_t size, first, count;    ///< the row's pixels, and those that are wanted: zeros where there are none
  int64_t channel, channels;     ///< of the image
  int64_t block, panels, panel;  ///< channels of a panel, their number and distance
  decltype(WeightGradKernels<T>::pack_channels) whole;  ///< for panels that channels fill; may be null

  void operator()(const Image& from, T* to) const {
    const int64_t before = std::clamp<int64_t>(-first, 0, count);
    const int64_t behind = std::clamp<int64_t>(size - first, before, count);
    const int64_t full = whole && from.is<T>() ? channels / block : 0;
    for (int64_t p = 0; p < panels; ++p) {
      std::fill_n(to + p * panel, before * block, T(0));
      std::fill_n(to + p * panel + behind * block, (count - behind) * block, T(0));
    }
    to += before * block;
    if (full > 0)
      whole(reinterpret_cast<const T*>(from.data) + channel + (first + before) * from.stride[2], from.stride[2],
            behind - before, full, panel, to);
    visit(FloatTypes{}, from.dtype, [&](auto tag) {
      using From = typename decltype(tag)::type;
      const From* row = reinterpret_cast<const From*>(from.data) + channel * from.channel_stride;
      for (int64_t c = full * block; c < panels * block; ++c) {
        T* at = to + c / block * panel + c % block;
        for (int64_t i = 0; i < behind - before; ++i)
          at[i * block] = c < channels
                              ? static_cast<T>(row[(first + before + i) * from.stride[2] + c * from.channel_stride])
                              : T(0);
      }
    });
  }
};

/// Blocks of a group's channels for tiles. Few channels (as in a first layer) are combined with the columns of the
/// kernel: with a pixel pitch of C values, kernel_w * C adjacent values are the window.
struct Tiling {
  Tiling(const Shape& s, int64_t channels_per_tile, int64_t filters_per_tile)
      : merged(s.dilation[2] == 1 && s.kernel[2] > 1 && 2 * s.channels <= channels_per_tile),
        channels(merged ? s.channels * s.kernel[2] : s.channels),
        columns(merged ? 1 : s.kernel[2]),
        pitch(merged ? s.channels : channels_per_tile),
        channel_blocks((channels + channels_per_tile - 1) / channels_per_tile),
        filter_blocks((s.filters + filters_per_tile - 1) / filters_per_tile) {}

  bool merged;
  int64_t channels, columns, pitch, channel_blocks, filter_blocks;
  int64_t panels() const { return merged ? 1 : channel_blocks; }
};

template <class T>
class WeightGrad {
 public:
  WeightGrad(const Context& context, const Shape& shape, const Image& x, const Image& grad)
      : context_(context),
        s_(shape),
        x_(x),
        grad_(grad),
        k_(kernels<T>()),
        tiling_(shape, k_.channels, k_.filters),
        scratch_(context),
        tiles_(shape.groups * tiling_.filter_blocks * shape.kernel[0] * shape.kernel[1] * tiling_.columns *
               tiling_.channel_blocks),
        sums_(scratch_.get<T>(tiles_ * tile_size())) {}

  void run() {
    Shape padded = s_;
    padded.in[2] = padded_width(s_);
    const int64_t value = static_cast<int64_t>(sizeof(T));
    const BandSteps steps = plan_bands(padded, kBandBytes, s_.groups * tiling_.panels() * tiling_.pitch * value,
                                       s_.groups * tiling_.filter_blocks * k_.filters * value);
    bool fresh = true;
    for_each_band(s_, steps, [&](const Band& band) {
      add(band, fresh);
      fresh = false;
    });
  }

  /// Copies the result to dense (K, C / groups, kernel...).
  void store(const TensorView& dst) const {
    const int64_t taps = s_.kernel[0] * s_.kernel[1] * tiling_.columns, blocks = tiling_.channel_blocks;
    visit(FloatTypes{}, dtype_of(dst), [&](auto tag) {
      using To = typename decltype(tag)::type;
      context_.parallel_for(0, tiles_ / taps, 4, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) store_taps(i / blocks * taps * blocks + i % blocks, taps, dst.as<To>());
      });
    });
  }

 private:
  struct Tile {
    int64_t group, filter, tap[3], channel;
  };
  int64_t tile_size() const { return k_.channels * k_.filters; }
  /// The extent of input that contributes to a row of the result.
  static int64_t padded_width(const Shape& s) {
    return (s.out[2] - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1;
  }

  Tile tile_at(int64_t i) const {
    Tile t;
    t.channel = i % tiling_.channel_blocks * k_.channels;
    i /= tiling_.channel_blocks;
    t.tap[2] = i % tiling_.columns;
    i /= tiling_.columns;
    t.tap[1] = i % s_.kernel[1];
    i /= s_.kernel[1];
    t.tap[0] = i % s_.kernel[0];
    i /= s_.kernel[0];
    t.filter = i % tiling_.filter_blocks * k_.filters;
    t.group = i / tiling_.filter_blocks;
    return t;
  }

  /// The tiles of one block of filters and of channels, all taps together: they are adjacent in the result.
  template <class To>
  void store_taps(int64_t first, int64_t taps, To* out) const {
    const Tile t = tile_at(first);
    for (int64_t f = 0; f < std::min(k_.filters, s_.filters - t.filter); ++f) {
      To* filter = out + (t.group * s_.filters + t.filter + f) * s_.channels * s_.taps();
      for (int64_t c = 0; c < std::min(k_.channels, tiling_.channels - t.channel); ++c) {
        const int64_t merged = t.channel + c;
        To* at = tiling_.merged ? filter + merged % s_.channels * s_.taps() + merged / s_.channels
                                : filter + merged * s_.taps();
        const T* sum = sums_ + first * tile_size() + c * k_.filters + f;
        for (int64_t i = 0; i < taps; ++i)
          at[i * (tiling_.merged ? s_.kernel[2] : 1)] = converted<To>(sum[i * tiling_.channel_blocks * tile_size()]);
      }
    }
  }

  void add(const Band& band, bool fresh) {
    const Shape& b = band.shape;
    Scratch scratch(context_);
    const int64_t x_rows = b.batch * b.in[0] * b.in[1], grad_rows = b.batch * b.out[0] * b.out[1];
    const int64_t x_row = padded_width(b) * tiling_.pitch, grad_row = b.out[2] * k_.filters;
    // The window of the last pixel may extend past the end of its row by part of a tile. Those sums are discarded.
    T* x = scratch.get<T>(s_.groups * tiling_.panels() * x_rows * x_row + tiling_.channel_blocks * k_.channels);
    T* grad = scratch.get<T>(s_.groups * tiling_.filter_blocks * grad_rows * grad_row);
    std::fill_n(x + s_.groups * tiling_.panels() * x_rows * x_row, tiling_.channel_blocks * k_.channels, T(0));
    context_.parallel_for(0, x_rows + grad_rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        if (i < x_rows)
          pack_x_row(band, i, x_rows, x);
        else
          pack_grad_row(band, i - x_rows, grad_rows, grad);
    });
    context_.parallel_for(0, tiles_, 1, [&](int64_t begin, int64_t end) {
      add_tiles(band, fresh, begin, end, x, x_rows * x_row, grad, grad_rows * grad_row);
    });
  }

  void pack_x_row(const Band& band, int64_t row, int64_t rows, T* panels) const {
    const Shape& b = band.shape;
    const Image from = x_.at(band.n + row / (b.in[0] * b.in[1]),
                             {band.in[0] + row / b.in[1] % b.in[0], band.in[1] + row % b.in[1], 0});
    const int64_t width = padded_width(b), panel = rows * width * tiling_.pitch;
    for (int64_t g = 0; g < s_.groups; ++g)
      Packing<T>{s_.in[2],
                 band.out[2] * s_.stride[2] - s_.pad[2],
                 width,
                 g * s_.channels,
                 s_.channels,
                 tiling_.pitch,
                 tiling_.panels(),
                 panel,
                 tiling_.merged ? nullptr : k_.pack_channels}(
          from, panels + g * tiling_.panels() * panel + row * width * tiling_.pitch);
  }

  void pack_grad_row(const Band& band, int64_t row, int64_t rows, T* panels) const {
    const Shape& b = band.shape;
    const Image from = grad_.at(band.n + row / (b.out[0] * b.out[1]),
                                {band.out[0] + row / b.out[1] % b.out[0], band.out[1] + row % b.out[1], band.out[2]});
    const int64_t panel = rows * b.out[2] * k_.filters;
    for (int64_t g = 0; g < s_.groups; ++g)
      Packing<T>{b.out[2],       0, b.out[2], g * s_.filters, s_.filters, k_.filters, tiling_.filter_blocks, panel,
                 k_.pack_filters}(from, panels + g * tiling_.filter_blocks * panel + row * b.out[2] * k_.filters);
  }

  void add_tiles(const Band& band, bool fresh, int64_t first, int64_t last, const T* x, int64_t x_panel, const T* grad,
                 int64_t grad_panel) const {
    const Shape& b = band.shape;
    constexpr int64_t kMaxRows = 256;
    const int64_t rows = b.batch * b.out[0] * b.out[1], row_length = padded_width(b) * tiling_.pitch;
    const int64_t step = std::clamp<int64_t>(kPixelsInRegisters / b.out[2], 1, kMaxRows);
    int64_t offsets[kMaxRows];
    for (int64_t row = 0; row < rows; row += step) {
      const int64_t count = std::min(step, rows - row);
      int64_t z_tap = -1, y_tap = -1;
      for (int64_t tile = first; tile < last; ++tile) {
        const Tile t = tile_at(tile);
        if (t.tap[0] != z_tap || t.tap[1] != y_tap) {
          z_tap = t.tap[0];
          y_tap = t.tap[1];
          for (int64_t i = 0; i < count; ++i) offsets[i] = x_row(b, row + i, z_tap, y_tap) * row_length;
        }
        const int64_t panel = tiling_.merged ? t.group : t.group * tiling_.channel_blocks + t.channel / k_.channels;
        k_.accumulate(
            x + panel * x_panel + t.tap[2] * s_.dilation[2] * tiling_.pitch + (tiling_.merged ? t.channel : 0), offsets,
            s_.stride[2] * tiling_.pitch,
            grad + (t.group * tiling_.filter_blocks + t.filter / k_.filters) * grad_panel + row * b.out[2] * k_.filters,
            count, b.out[2], fresh && row == 0, sums_ + tile * tile_size());
      }
    }
  }

  /// The row of x that a tap reads for a row of the result; negative outside the image.
  static int64_t x_row(const Shape& b, int64_t row, int64_t z_tap, int64_t y_tap) {
    const int64_t n = row / (b.out[0] * b.out[1]);
    const int64_t z = row / b.out[1] % b.out[0] * b.stride[0] - b.pad[0] + z_tap * b.dilation[0];
    const int64_t y = row % b.out[1] * b.stride[1] - b.pad[1] + y_tap * b.dilation[1];
    return z >= 0 && z < b.in[0] && y >= 0 && y < b.in[1] ? (n * b.in[0] + z) * b.in[1] + y : -1;
  }

  const Context& context_;
  const Shape& s_;
  const Image x_, grad_;
  const WeightGradKernels<T>& k_;
  const Tiling tiling_;
  Scratch scratch_;
  const int64_t tiles_;
  T* const sums_;
};

/// The results [begin, end) of a row for which a tap lies inside the image's row.
struct Columns {
  int64_t offset, begin, end;
  Columns(const Shape& s, int64_t tap) : offset(tap * s.dilation[2] - s.pad[2]) {
    begin = offset < 0 ? ceil_div(-offset, s.stride[2]) : 0;
    end = offset < s.in[2] ? std::min(s.out[2], (s.in[2] - 1 - offset) / s.stride[2] + 1) : 0;
  }
};

/// One channel per group: sum[t][c] += x[c] * grad[c] in vectors of channels. Taps and channels are divided among the
/// threads.
template <class T>
void depthwise_weight_grad(const Context& context, const Shape& s, const Image& x, const Image& grad,
                           const TensorView& dst) {
  constexpr int64_t kBlock = 64;
  const int64_t channels = s.groups, taps = s.taps(), blocks = (channels + kBlock - 1) / kBlock;
  Scratch scratch(context);
  T* sums = scratch.get<T>(taps * channels);
  std::fill_n(sums, taps * channels, T(0));
  const bool stage_x = !x.is<T>(), stage_grad = !grad.is<T>();
  const int64_t value = static_cast<int64_t>(sizeof(T)) * channels;
  const BandSteps steps = plan_bands(s, kBandBytes, stage_x ? value : 0, stage_grad ? value : 0);
  for_each_band(s, steps, [&](const Band& band) {
    const Shape& b = band.shape;
    Scratch staging(context);
    const Pixels<const T> xs = staged_pixels<T>(context, x.at(band.n, band.in), b.batch, b.in, staging);
    const Pixels<const T> grads = staged_pixels<T>(context, grad.at(band.n, band.out), b.batch, b.out, staging);
    context.parallel_for(0, taps * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t tap = item / blocks, channel = item % blocks * kBlock;
        const int64_t kz = tap / (s.kernel[1] * s.kernel[2]), ky = tap / s.kernel[2] % s.kernel[1],
                      kx = tap % s.kernel[2];
        const Columns columns(b, kx);
        const int64_t first = columns.begin, last = columns.end, offset = columns.offset, step = s.stride[2];
        if (first >= last) continue;
        for (int64_t row = 0; row < b.batch * b.out[0] * b.out[1]; ++row) {
          const int64_t n = row / (b.out[0] * b.out[1]), oz = row / b.out[1] % b.out[0], oy = row % b.out[1];
          const int64_t z = oz * s.stride[0] - b.pad[0] + kz * s.dilation[0];
          const int64_t y = oy * s.stride[1] - b.pad[1] + ky * s.dilation[1];
          if (z < 0 || z >= b.in[0] || y < 0 || y >= b.in[1]) continue;
          kernels<T>().depthwise(xs.data + n * xs.batch_stride + z * xs.stride[0] + y * xs.stride[1] +
                                     (first * step + offset) * xs.stride[2] + channel,
                                 step * xs.stride[2],
                                 grads.data + n * grads.batch_stride + oz * grads.stride[0] + oy * grads.stride[1] +
                                     first * grads.stride[2] + channel,
                                 grads.stride[2], last - first, std::min(kBlock, channels - channel),
                                 sums + tap * channels + channel);
        }
      }
    });
  });
  visit(FloatTypes{}, dtype_of(dst), [&](auto tag) {
    using To = typename decltype(tag)::type;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t t = 0; t < taps; ++t) dst.as<To>()[c * taps + t] = converted<To>(sums[t * channels + c]);
  });
}

bool by_winograd(const Shape& shape) {
  if (!winograd_weight_grad_fits(shape)) return false;
  const std::string setting = get_conv_algorithm();
  return setting == "auto" ? winograd_weight_grad_wins(shape) : setting == "winograd" || setting == "winograd_f4";
}

template <class T>
void gradient(const Context& context, Shape shape, Image x, const Image& grad, const TensorView& dst);

/// True if a padded row would consist mostly of zeros because taps or steps are far apart.
bool is_sparse(const Shape& s) {
  return (s.out[2] - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] >= 4 * (s.in[2] + s.out[2]);
}

/// Processes one column of the kernel at a time, over the pixels that it covers.
template <class T>
void gradient_by_columns(const Context& context, const Shape& s, const Image& x, const Image& grad,
                         const TensorView& dst) {
  const int64_t rows = dst.numel() / s.kernel[2];
  Scratch scratch(context);
  TensorView values = dst;
  std::vector<int64_t> sizes(dst.shape, dst.shape + dst.ndim);
  sizes.back() = 1;
  values.data = scratch.get<char>(rows * static_cast<int64_t>(size_of(dtype_of(dst))));
  values.byte_offset = 0;
  values.shape = sizes.data();
  values.strides = nullptr;
  visit(FloatTypes{}, dtype_of(dst), [&](auto tag) {
    using To = typename decltype(tag)::type;
    for (int64_t tap = 0; tap < s.kernel[2]; ++tap) {
      const Columns columns(s, tap);
      if (columns.begin < columns.end) {
        Shape column = s;
        column.kernel[2] = column.dilation[2] = 1;
        column.pad[2] = 0;
        column.out[2] = columns.end - columns.begin;
        column.in[2] = (column.out[2] - 1) * s.stride[2] + 1;
        gradient<T>(context, column, x.at(0, {0, 0, columns.begin * s.stride[2] + columns.offset}),
                    grad.at(0, {0, 0, columns.begin}), values);
      } else {
        std::fill_n(values.as<To>(), rows, converted<To>(T(0)));
      }
      for (int64_t i = 0; i < rows; ++i) dst.as<To>()[i * s.kernel[2] + tap] = values.as<To>()[i];
    }
  });
}

template <class T>
void gradient(const Context& context, Shape shape, Image x, const Image& grad, const TensorView& dst) {
  // A kernel of one tap reads only every stride-th pixel, so these form the image.
  for (int d = 0; d < 3; ++d) {
    if (shape.out[d] == 1) shape.stride[d] = 1;  // it takes no step
    if (shape.kernel[d] == 1 && shape.pad[d] == 0) {
      x.stride[d] *= shape.stride[d];
      // Limited to the pixels of the image: padding behind it adds further results.
      shape.in[d] = std::min(ceil_div(shape.in[d], shape.stride[d]), shape.out[d]);
      shape.stride[d] = 1;
    }
  }
  if (is_sparse(shape)) return gradient_by_columns<T>(context, shape, x, grad, dst);
  if (shape.channels == 1 && shape.filters == 1 && shape.groups > 1)
    return depthwise_weight_grad<T>(context, shape, x, grad, dst);
  if (get_conv_algorithm() == "auto" && planar_weight_grad_wins(shape)) {
    Scratch scratch(context);
    T* values = scratch.get<T>(dst.numel());
    if (planar_weight_grad(context, shape, x, grad, values)) {
      visit(FloatTypes{}, dtype_of(dst), [&](auto to) {
        using To = typename decltype(to)::type;
        for (int64_t i = 0; i < dst.numel(); ++i) dst.as<To>()[i] = converted<To>(values[i]);
      });
      return;
    }
  }
  if (std::is_same_v<T, float> && by_winograd(shape)) return winograd_weight_grad(context, shape, x, grad, dst);
  WeightGrad<T> sums(context, shape, x, grad);
  sums.run();
  sums.store(dst);
}

}  // namespace
}  // namespace conv

void convolution_weight_grad(const Context& context, const TensorView& grad, const TensorView& input,
                             const ConvGeometry& geometry, const TensorView& dst) {
  using namespace conv;
  using Sizes = std::vector<int64_t>;
  const std::string op = op_name(geometry, false);
  const auto sizes = [](const TensorView& view) { return Sizes(view.shape, view.shape + view.ndim); };
  visit(FloatTypes{}, input, op.c_str(), "input", [](auto) {});
  for (const TensorView* view : {&grad, &input, &dst}) {
    FASTCNN_CHECK_TYPE(view->device.type == kCpu, op, ": expected tensors on the CPU");
    FASTCNN_CHECK_TYPE(dtype_of(*view) == dtype_of(input), op, ": expected grad of the input's dtype ",
                       name_of(dtype_of(input)), ", got ", name_of(dtype_of(*view)));
  }
  FASTCNN_CHECK(convolution_shape(sizes(input), sizes(dst), geometry) == sizes(grad), op,
                ": expected grad of the convolution's shape, got ", shape_text(grad), " for input ", shape_text(input),
                " and weight ", shape_text(dst));
  FASTCNN_CHECK(is_dense(dst), op, ": expected a dense weight gradient");
  const Shape shape = forward_phases(sizes(input), sizes(dst), sizes(grad), geometry)[0].shape;
  if (grad.numel() == 0) {
    std::memset(dst.bytes(), 0, static_cast<size_t>(dst.numel()) * size_of(dtype_of(dst)));
    return;
  }
  const Image x = Image::of(input), y = Image::of(grad);
  if (dtype_of(input) == DType::float64)
    gradient<double>(context, shape, x, y, dst);
  else
    gradient<float>(context, shape, x, y, dst);
}

}  // namespace fastcnn
