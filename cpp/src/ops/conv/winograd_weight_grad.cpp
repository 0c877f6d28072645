// The gradient of 3 x 3 weights by Winograd's F(4 x 4, 3 x 3), transposed (winograd_simd.inl): for each of 36 points
//
//   m[channel][filter] = sum over the tiles of v[tile][channel] * d[tile][filter]
//
// Band by band all tiles are transformed, then each point's product is added to m, which is four times as large as the
// gradient, as packed filters are. A point's panel of filters belongs to one thread, and neither the bands nor the
// result depend on the number of threads.
#include <algorithm>

#include "core/dtypes.h"
#include "ops/conv/bands.h"
#include "ops/conv/layout_simd.h"
#include "ops/conv/weight_grad_simd.h"
#include "ops/conv/winograd.h"
#include "ops/conv/winograd_weight_grad.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kTile = 4, kTaps = 9;
/// Number of transformed tiles of a band: few enough for the caches, and enough to justify reading and writing m.
constexpr int64_t kBandBytes = int64_t{4} << 20;

class WinogradWeightGrad {
 public:
  WinogradWeightGrad(const Context& context, const Shape& shape, const Image& x, const Image& grad)
      : context_(context),
        s_(shape),
        x_(x),
        grad_(grad),
        w_(FASTCNN_SELECT(winograd_kernels)),
        t_(w_.f4),
        k_(FASTCNN_SELECT(weight_grad_f32)),
        group_(w_.tiles),
        channel_blocks_(winograd_blocks(shape.channels)),
        panels_(ceil_div(shape.filters, k_.filters)),
        per_block_(ceil_div(kWinogradBlock, k_.channels)),
        scratch_(context),
        sums_(scratch_.get<float>(shape.groups * panels_ * panel_size())) {}

  void run() {
    const int64_t value = static_cast<int64_t>(sizeof(float)), points = t_.points();
    const int64_t channels = s_.groups * channel_blocks_ * kWinogradBlock, filters = s_.groups * panels_ * k_.filters;
    // Tiles at the borders of small images are partly empty.
    const int64_t tiles = ceil_div(s_.out[1], kTile) * ceil_div(s_.out[2], kTile);
    const int64_t transformed = ceil_div((channels + filters) * points * value * tiles, s_.out[1] * s_.out[2]);
    const int64_t staged_x = x_.is<float>() ? 0 : s_.groups * s_.channels * value;
    const int64_t staged_grad = grad_.is<float>() ? 0 : s_.groups * s_.filters * value;
    const BandSteps steps = plan_bands(s_, kBandBytes, staged_x, transformed + staged_grad);
    bool fresh = true;
    for_each_band(s_, steps, [&](const Band& band) {
      add(band, fresh);
      fresh = false;
    });
  }

  /// Copies the result to dense (K, C / groups, 3, 3).
  void store(float* out) const {
    const LayoutKernels& layout = FASTCNN_SELECT(layout_kernels);
    context_.parallel_for(0, s_.groups * panels_ * channel_blocks_, 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(context_);
      float* taps = scratch.get<float>(kWinogradBlock * kTaps * k_.filters);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = i % channel_blocks_, panel = i / channel_blocks_ % panels_;
        const int64_t group = i / (channel_blocks_ * panels_);
        const int64_t filters = std::min(k_.filters, s_.filters - panel * k_.filters);
        const int64_t channels = std::min(kWinogradBlock, s_.channels - block * kWinogradBlock);
        const float* m = sums_ + (group * panels_ + panel) * panel_size() + block * per_block_ * tile_size();
        w_.taps({m, channel_blocks_ * per_block_ * tile_size(), channels, k_.filters, taps});
        float* first = out + ((group * s_.filters + panel * k_.filters) * s_.channels + block * kWinogradBlock) * kTaps;
        layout.transpose(taps, k_.filters, channels * kTaps, filters, first, s_.channels * kTaps);
      }
    });
  }

 private:
  int64_t tile_size() const { return k_.channels * k_.filters; }
  /// m of a panel of filters: [point][block of channels][tile of channels][channel][filter].
  int64_t panel_size() const { return t_.points() * channel_blocks_ * per_block_ * tile_size(); }

  void add(const Band& band, bool fresh) {
    const Shape& b = band.shape;
    Scratch scratch(context_);
    const auto x = staged_pixels<float>(context_, x_.at(band.n, band.in), b.batch, b.in, scratch);
    const auto grad = staged_pixels<float>(context_, grad_.at(band.n, band.out), b.batch, b.out, scratch);
    const int64_t tiles_y = ceil_div(b.out[1], kTile), tiles_x = ceil_div(b.out[2], kTile);
    const int64_t tiles = b.batch * b.out[0] * tiles_y * tiles_x, groups = ceil_div(tiles, group_);
    const int64_t v_group = t_.points() * group_ * kWinogradBlock, v_block = groups * v_group;
    const int64_t d_point = tiles * k_.filters, d_panel = t_.points() * d_point;
    float* v = scratch.get<float>(s_.groups * channel_blocks_ * v_block + kWinogradBlock);
    float* d = scratch.get<float>(s_.groups * panels_ * d_panel);

    // Runs of neighbouring tiles, within a group of tiles and a row.
    const auto for_each_run = [&](int64_t from, int64_t to, const auto& body) {
      for (int64_t i = from, count; i < to; i += count) {
        const int64_t row = i / tiles_x, plane = row / tiles_y;
        count = std::min(tiles_x - i % tiles_x, to - i);
        body(i, count, plane / b.out[0], plane % b.out[0], row % tiles_y * kTile, i % tiles_x * kTile);
      }
    };
    const auto input = [&](int64_t group, int64_t block, int64_t tile_group) {
      WinogradInput in;
      const int64_t channel = block * kWinogradBlock;
      in.row_stride = x.stride[1], in.column_stride = x.stride[2];
      in.rows = b.in[1], in.columns = b.in[2];
      in.channels = std::min(kWinogradBlock, s_.channels - channel);
      in.scale = nullptr;
      in.v = v + (group * channel_blocks_ + block) * v_block + tile_group * v_group;
      for_each_run(tile_group * group_, std::min(tiles, (tile_group + 1) * group_),
                   [&](int64_t, int64_t count, int64_t n, int64_t z, int64_t at_y, int64_t at_x) {
                     in.src = x.data + n * x.batch_stride + z * x.stride[0] + group * s_.channels + channel;
                     in.y = at_y - b.pad[1], in.x = at_x - b.pad[2];
                     in.tiles = count;
                     t_.input(in);
                     in.v += count * kWinogradBlock;
                   });
    };
    const auto gradient = [&](int64_t group, int64_t panel, int64_t tile_group) {
      WinogradGradient g;
      const int64_t filter = panel * k_.filters;
      g.row_stride = grad.stride[1], g.column_stride = grad.stride[2];
      g.filters = std::min(k_.filters, s_.filters - filter);
      g.panel = k_.filters;
      g.point_stride = d_point;
      for_each_run(tile_group * group_, std::min(tiles, (tile_group + 1) * group_),
                   [&](int64_t i, int64_t count, int64_t n, int64_t z, int64_t at_y, int64_t at_x) {
                     g.src = grad.data + n * grad.batch_stride + z * grad.stride[0] + at_y * grad.stride[1] +
                             at_x * grad.stride[2] + group * s_.filters + filter;
                     g.rows = b.out[1] - at_y, g.columns = b.out[2] - at_x;
                     g.tiles = count;
                     g.d = d + (group * panels_ + panel) * d_panel + i * k_.filters;
                     w_.gradient(g);
                   });
    };
    const int64_t inputs = s_.groups * channel_blocks_, jobs = inputs + s_.groups * panels_;
    context_.parallel_for(0, jobs * groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t job = i / groups;
        if (job < inputs)
          input(job / channel_blocks_, job % channel_blocks_, i % groups);
        else
          gradient((job - inputs) / panels_, (job - inputs) % panels_, i % groups);
      }
    });

    const int64_t whole = tiles / group_, rest = tiles % group_;
    context_.parallel_for(0, s_.groups * panels_ * t_.points(), 1, [&](int64_t begin, int64_t end) {
      Scratch mine(context_);
      int64_t* offsets = mine.get<int64_t>(groups);
      for (int64_t i = 0; i < groups; ++i) offsets[i] = i * v_group;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t point = i % t_.points(), panel = i / t_.points();
        const float* filters = d + panel * d_panel + point * d_point;
        float* m = sums_ + panel * panel_size() + point * channel_blocks_ * per_block_ * tile_size();
        for (int64_t block = 0; block < channel_blocks_; ++block) {
          const float* from =
              v + (panel / panels_ * channel_blocks_ + block) * v_block + point * group_ * kWinogradBlock;
          const int64_t channels = std::min(kWinogradBlock, s_.channels - block * kWinogradBlock);
          for (int64_t c = 0; c < per_block_; ++c, from += k_.channels, m += tile_size()) {
            if (c * k_.channels >= channels) continue;
            if (whole > 0) k_.accumulate(from, offsets, kWinogradBlock, filters, whole, group_, fresh, m);
            if (rest > 0)
              k_.accumulate(from, offsets + whole, kWinogradBlock, filters + whole * group_ * k_.filters, 1, rest,
                            fresh && whole == 0, m);
          }
        }
      }
    });
  }

  const Context& context_;
  const Shape& s_;
  const Image x_, grad_;
  const WinogradKernels& w_;
  const WinogradTransforms& t_;
  const WeightGradKernels<float>& k_;
  const int64_t group_, channel_blocks_, panels_, per_block_;
  Scratch scratch_;
  float* const sums_;
};

}  // namespace

bool winograd_weight_grad_fits(const Shape& s) {
  return s.kernel[0] == 1 && s.kernel[1] == 3 && s.kernel[2] == 3 && s.pad[0] == 0 && s.in[0] == s.out[0] &&
         std::all_of(s.stride, s.stride + 3, [](int64_t n) { return n == 1; }) && s.dilation[1] == 1 &&
         s.dilation[2] == 1;
}

bool winograd_weight_grad_wins(const Shape& s) {
  const double tiles = static_cast<double>(s.batch * s.out[0] * ceil_div(s.out[1], kTile) * ceil_div(s.out[2], kTile));
  const double channels = static_cast<double>(winograd_blocks(s.channels) * kWinogradBlock);
  const double filters = static_cast<double>(winograd_blocks(s.filters) * kWinogradBlock);
  const double product = channels * filters, direct = static_cast<double>(s.batch * s.out_pixels()) * 9 * product;
  return s.channels >= 8 && s.filters >= 8 &&
         36 * (tiles * (product + 8 * (channels + filters)) + 16 * product) < direct;
}

void winograd_weight_grad(const Context& context, const Shape& shape, const Image& x, const Image& grad,
                          const TensorView& dst) {
  WinogradWeightGrad gradient(context, shape, x, grad);
  gradient.run();
  if (dtype_of(dst) == DType::float32) return gradient.store(dst.as<float>());
  Scratch scratch(context);
  float* wide = scratch.get<float>(dst.numel());
  gradient.store(wide);
  visit(FloatTypes{}, dtype_of(dst), [&](auto tag) {
    using To = typename decltype(tag)::type;
    for (int64_t i = 0; i < dst.numel(); ++i) dst.as<To>()[i] = converted<To>(wide[i]);
  });
}

}  // namespace fastcnn::conv
