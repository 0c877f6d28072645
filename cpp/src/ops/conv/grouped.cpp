// Depthwise convolution, and groups of 4 or 8 channels with as many filters; vectors run over channels (of few channels
// along lines, lines.h). Depthwise convolution is limited by memory bandwidth, so consecutive rows are processed while
// the rows that they share are in the cache.
#include <algorithm>

#include "ops/conv/algorithm.h"
#include "ops/conv/grouped_simd.h"
#include "ops/conv/lines.h"
#include "ops/conv/staging.h"

namespace fastcnn::conv {
namespace {

// Size limit for the input rows under one output row, of the channels that are processed together: they stay in the L2
// cache for the next row. Fewer channels would fit the L1 cache, but memory access is faster in long stretches.
constexpr int64_t kRowsInCache = int64_t{256} << 10;

template <class T>
const GroupedRoutines<T>& kernels() {
  return in_type<T>(FASTCNN_SELECT(grouped_kernels));
}

template <class T>
int64_t packed_size(const Shape& s) {
  return ceil_div(s.groups * s.filters, kGroupedBlock) * kGroupedBlock * s.taps() * s.channels;
}

template <class T>
void pack(const Context&, const Shape& s, const Weights<T>& w, T* packed) {
  std::fill(packed, packed + packed_size<T>(s), T(0));
  for (int64_t f = 0; f < s.groups * s.filters; ++f) {
    const T* src = w.data + f / s.filters * w.group_stride + f % s.filters * w.filter_stride;
    T* dst = packed + f / kGroupedBlock * kGroupedBlock * s.taps() * s.channels + f % kGroupedBlock;
    for (int64_t z = 0; z < s.kernel[0]; ++z)
      for (int64_t y = 0; y < s.kernel[1]; ++y)
        for (int64_t x = 0; x < s.kernel[2]; ++x)
          for (int64_t c = 0; c < s.channels; ++c, dst += kGroupedBlock)
            *dst = src[c * w.channel_stride + z * w.tap_stride[0] + y * w.tap_stride[1] + x * w.tap_stride[2]];
  }
}

/// One row of the output, channels [begin, end).
template <class T>
void run_row(const WorkItem<T>& work, const T* packed, int64_t row, int64_t begin, int64_t end, GroupedRow<T>* rows) {
  const Shape& s = work.shape;
  const Epilogue<T>& e = work.epilogue;
  const GroupedRoutines<T>& routines = kernels<T>();
  const int64_t y = row % s.out[1], z = row / s.out[1] % s.out[0], n = row / (s.out[1] * s.out[0]);
  GroupedTile<T> t = {};
  t.group_channels = s.channels;
  t.rows = rows;
  for (int64_t i = 0; i < s.kernel[0]; ++i)
    for (int64_t j = 0; j < s.kernel[1]; ++j) {
      const int64_t from_z = z * s.stride[0] - s.pad[0] + i * s.dilation[0];
      const int64_t from_y = y * s.stride[1] - s.pad[1] + j * s.dilation[1];
      if (from_z < 0 || from_z >= s.in[0] || from_y < 0 || from_y >= s.in[1]) continue;
      rows[t.num_rows++] = {
          work.src.data + n * work.src.batch_stride + from_z * work.src.stride[0] + from_y * work.src.stride[1],
          (i * s.kernel[1] + j) * s.kernel[2]};
    }
  t.kernel = s.kernel[2];
  t.stride = s.stride[2];
  t.dilation = s.dilation[2];
  t.width = s.in[2];
  t.pixel_stride = work.src.stride[2];
  t.taps = s.taps();
  t.weights = packed;
  t.channel_begin = begin;
  t.channel_end = end;
  t.input_scale = work.input_scale ? work.input_scale + n * s.groups * s.channels : nullptr;
  t.epilogue = &e;
  T* dst[kMaxGroupedPixels];
  const T *residual[kMaxGroupedPixels], *scale[kMaxGroupedPixels];
  t.dst = dst;
  t.residual = e.residual.data ? residual : nullptr;
  t.scale = e.scale ? scale : nullptr;
  for (int64_t x = 0; x < s.out[2]; x += t.pixels) {
    t.pixels = static_cast<int>(std::min<int64_t>(routines.tile_pixels, s.out[2] - x));
    t.x = x * s.stride[2] - s.pad[2];
    for (int p = 0; p < t.pixels; ++p) {
      const auto offset = [&](const auto& pixels) {
        return n * pixels.batch_stride + z * pixels.stride[0] + y * pixels.stride[1] + (x + p) * pixels.stride[2];
      };
      dst[p] = work.dst.data + offset(work.dst);
      if (e.residual.data) residual[p] = e.residual.data + offset(e.residual);
      if (e.scale) scale[p] = e.scale + n * s.groups * s.filters;
    }
    routines.tile(t);
  }
}

template <class T>
void run(const Context& context, const WorkItem<T>& work, const T* packed) {
  const Shape& s = work.shape;
  const int64_t num_rows = s.batch * s.out[0] * s.out[1];
  if (num_rows * s.out[2] * s.groups * s.filters == 0) return;
  if (lines_win(s)) return run_lines(context, LineWork<T>{work}, packed);
  const int64_t blocks = ceil_div(s.groups * s.filters, kGroupedBlock);
  const int64_t block_bytes = s.kernel[0] * s.kernel[1] * s.in[2] * kGroupedBlock * static_cast<int64_t>(sizeof(T));
  const int64_t parts =
      ceil_div(blocks, std::clamp<int64_t>(kRowsInCache / std::max<int64_t>(1, block_bytes), 1, blocks));
  context.parallel_for(0, parts * num_rows, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    auto* rows = scratch.template get<GroupedRow<T>>(s.kernel[0] * s.kernel[1]);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t part = i / num_rows, first = blocks * part / parts, last = blocks * (part + 1) / parts;
      run_row(work, packed, i % num_rows, first * kGroupedBlock, std::min(s.groups * s.filters, last * kGroupedBlock),
              rows);
    }
  });
}

template <class T>
void run_any(const Context& context, const Request<T>& request, const T* packed) {
  if (!run_planes(context, request, packed)) run_staged(context, kDepthwise.routines<T>(), packed, request);
}

}  // namespace

const Algorithm kDepthwise = {"depthwise",
                              [](const Shape& s) { return s.channels == 1 && s.filters == 1; },
                              [](const Shape& s, int) { return s.groups >= 4 || lines_win(s); },
                              {packed_size<float>, pack<float>, run<float>, run_any<float>},
                              {packed_size<double>, pack<double>, run<double>, run_any<double>}};

const Algorithm kGrouped = {
    "grouped",
    [](const Shape& s) { return s.channels == s.filters && (s.filters == 4 || s.filters == 8); },
    [](const Shape& s, int) { return s.groups * s.filters >= kGroupedBlock; },
    {packed_size<float>, pack<float>, run<float>},
    {packed_size<double>, pack<double>, run<double>}};

}  // namespace fastcnn::conv
