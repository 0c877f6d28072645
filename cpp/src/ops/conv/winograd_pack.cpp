// The filters of Winograd convolution: transformed once, or only laid out for it.
#include <algorithm>

#include "ops/conv/layout_simd.h"
#include "ops/conv/winograd.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kChannels = 16;  // at a time, so that their taps stay in the L1 cache
/// Transformed filters, in floats, beyond which they are packed as taps.
constexpr int64_t kMaxTransformed = int64_t{1} << 22;

/// Weights with their axes as the tiles have them: summed over, height, width.
struct Taps {
  Taps(const Shape& s, const WinogradAxes& axes, const Weights<float>& w) : weights(w) {
    int i = 0;
    for (const int axis : {axes.r, axes.y, axes.x}) {
      size[i] = s.kernel[axis];
      stride[i++] = w.tap_stride[axis];
    }
    count = s.taps();
    // Neighbours in memory, forwards or backwards (the gradient of the input flips its kernel).
    for (const int64_t step : {1, -1})
      if ((size[2] == 1 || stride[2] == step) && (size[1] == 1 || stride[1] == step * size[2]) &&
          (size[0] == 1 || stride[0] == step * size[2] * size[1]))
        direction = step;
  }

  const Weights<float>& weights;
  int64_t size[3] = {}, stride[3] = {}, count;
  int64_t direction = 0;  ///< 0: scattered
};

/// to[channel][tap][filter] of up to 16 channels and `filters` filters; the lanes behind them are left alone.
void gather(const Taps& taps, int64_t group, int64_t filter, int64_t filters, int64_t channel, int64_t channels,
            float* to) {
  const LayoutKernels& layout = FASTCNN_SELECT(layout_kernels);
  const Weights<float>& w = taps.weights;
  const float* from = w.data + group * w.group_stride + filter * w.filter_stride + channel * w.channel_stride;
  const int64_t pixel = taps.count * kWinogradBlock;
  if (taps.direction == 1 && w.channel_stride == taps.count) {
    layout.transpose(from, w.filter_stride, filters, channels * taps.count, to, kWinogradBlock);
  } else if (taps.direction != 0 && w.channel_stride != 1) {
    float* first = taps.direction > 0 ? to : to + pixel - kWinogradBlock;
    if (taps.direction < 0) from -= taps.count - 1;
    for (int64_t c = 0; c < channels; ++c)
      layout.transpose(from + c * w.channel_stride, w.filter_stride, filters, taps.count, first + c * pixel,
                       taps.direction * kWinogradBlock);
  } else {
    for (int64_t t = 0; t < taps.count; ++t) {
      const int64_t x = t % taps.size[2], y = t / taps.size[2] % taps.size[1], r = t / (taps.size[2] * taps.size[1]);
      const float* tap = from + r * taps.stride[0] + y * taps.stride[1] + x * taps.stride[2];
      if (w.channel_stride == 1) {
        layout.transpose(tap, w.filter_stride, filters, channels, to + t * kWinogradBlock, pixel);
      } else {
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t f = 0; f < filters; ++f)
            to[c * pixel + t * kWinogradBlock + f] = tap[c * w.channel_stride + f * w.filter_stride];
      }
    }
  }
}

}  // namespace

WinogradAxes winograd_axes(const Shape& s, int64_t taps) {
  const auto transformed = [&](int axis) { return s.kernel[axis] == taps && s.stride[axis] == 1; };
  const auto passed = [&](int axis) { return s.kernel[axis] == 1 && s.stride[axis] == 1; };
  for (const bool line : {false, true})
    for (int x = 2; x >= 0; --x)
      for (int y = 2; y >= 0; --y)
        if (x != y && transformed(x) && (line ? passed(y) : transformed(y))) return {3 - x - y, y, x, true, line};
  return {};
}

int64_t winograd_transformed_size(const Shape& s, const WinogradTransforms& t) {
  return s.groups * winograd_blocks(s.filters) * kWinogradBlock * s.channels *
         s.kernel[winograd_axes(s, t.kernel_columns()).r] * t.points();
}

bool winograd_packs_taps(const Shape& s, const WinogradTransforms& t) {
  return winograd_transformed_size(s, t) > kMaxTransformed;
}

int64_t winograd_packed_size(const Shape& s, const WinogradTransforms& t) {
  if (!winograd_packs_taps(s, t)) return winograd_transformed_size(s, t);
  return s.groups * winograd_blocks(s.filters) * kWinogradBlock * s.channels * s.taps();
}

void winograd_pack(const Context& context, const Shape& s, const WinogradTransforms& t, const Weights<float>& w,
                   float* packed) {
  const Taps taps(s, winograd_axes(s, t.kernel_columns()), w);
  const int64_t blocks = winograd_blocks(s.filters), parts = (s.channels + kChannels - 1) / kChannels;
  const int64_t block_size = taps.size[0] * t.points() * s.channels * kWinogradBlock;
  const int64_t pixel = taps.count * kWinogradBlock;
  const bool as_taps = winograd_packs_taps(s, t);
  const int64_t jobs = s.groups * blocks * parts, pieces = std::min<int64_t>(context.num_threads(), jobs);
  Scratch scratch(context);
  float* memory = scratch.get<float>(pieces * kChannels * pixel);
  context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
    for (; piece < end; ++piece) {
      for (int64_t job = jobs * piece / pieces; job < jobs * (piece + 1) / pieces; ++job) {
        const int64_t channel = job % parts * kChannels, b = job / parts % blocks, g = job / (parts * blocks);
        const int64_t channels = std::min(kChannels, s.channels - channel);
        const int64_t filters = std::min(kWinogradBlock, s.filters - b * kWinogradBlock);
        float* gathered =
            as_taps ? packed + ((g * blocks + b) * s.channels + channel) * pixel : memory + piece * kChannels * pixel;
        if (filters < kWinogradBlock) std::fill_n(gathered, channels * pixel, 0.0f);
        gather(taps, g, b * kWinogradBlock, filters, channel, channels, gathered);
        if (as_taps) continue;
        const int64_t first = b & ~int64_t{1}, panel = std::min<int64_t>(2, blocks - first) * kWinogradBlock;
        float* u = packed + (g * blocks + first) * block_size + (b - first) * kWinogradBlock + channel * panel;
        for (int64_t r = 0; r < taps.size[0]; ++r)
          t.filter({gathered + r * (pixel / taps.size[0]), channels, pixel, u + r * t.points() * s.channels * panel,
                    s.channels * panel, panel});
      }
    }
  });
}

}  // namespace fastcnn::conv
