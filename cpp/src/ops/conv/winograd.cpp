// Winograd convolution: blocks of tiles, their input transform, one product per point, and the output transform.
//
// Two ways to share the work. Where a thread has enough tiles of its own, or where all transformed filters fit into its
// L2 cache, each thread goes through its own blocks, without a barrier. Otherwise the threads transform a block of
// tiles together and then split the filters, so that each filter is read by one thread only: on small images the
// filters are the larger part of the traffic.
//
// What is computed for a pixel does not depend on how the work is divided.
#include "ops/conv/winograd.h"

#include <algorithm>

namespace fastcnn::conv {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// In floats: what transformed inputs, and transformed filters, may take of the L2 cache; and the inputs of all threads
// where they share them, for each.
constexpr int64_t kInputs = int64_t{1} << 18, kFilters = int64_t{1} << 18, kSharedInputs = int64_t{5} << 17;
/// The sum over channels is taken in parts, for accuracy and for the L1 cache.
constexpr int64_t kChannels = 128;
constexpr int64_t kMostGroups = 64, kMostDepths = 8;

/// A piece of the result: some columns of tiles, each over some depths (positions along the axis summed over).
struct Block {
  int64_t group, column, columns, depth, depths;
};

class Run {
 public:
  Run(const Context& context, const Task<float>& task, const float* packed, const WinogradTransforms& transforms)
      : context_(context), task_(task), s_(task.shape), packed_(packed), t_(transforms), axes_(winograd_axes(s_)) {
    tiles_y_ = ceil_div(s_.out[axes_.y], t_.tile_rows);
    tiles_x_ = ceil_div(s_.out[axes_.x], t_.tile_columns);
    columns_ = s_.batch * tiles_y_ * tiles_x_;
    kernel_r_ = s_.kernel[axes_.r], dilation_r_ = s_.dilation[axes_.r], out_r_ = s_.out[axes_.r];
    channel_blocks_ = winograd_blocks(s_.channels);
    filter_blocks_ = winograd_blocks(s_.filters);
    panels_ = ceil_div(filter_blocks_, 2);
    tiles_ = FASTCNN_SELECT(winograd_kernels).tiles;
    v_block_ = t_.points() * tiles_ * kWinogradBlock;
    v_group_ = v_block_ * channel_blocks_;
    m_group_ = t_.points() * tiles_ * kWinogradPanel;
  }

  void operator()() {
    if (columns_ * out_r_ == 0) return;
    const int64_t u = t_.points() * s_.channels * filter_blocks_ * kWinogradBlock * kernel_r_;
    const int64_t enough = 2 * tiles_;
    const int64_t most = std::max(tiles_, kInputs / (t_.points() * channel_blocks_ * kWinogradBlock));
    const int64_t fair = ceil_div(s_.groups * columns_ * out_r_, context_.num_threads());
    if (u > kFilters && 7 * std::min(most, fair) < 5 * enough && context_.num_threads() > 1)
      shared();
    else
      separate(u <= kFilters ? ceil_div(12, tiles_) * tiles_ : std::min(most, int64_t{56}));
  }

 private:
  void separate(int64_t tiles);
  void shared();
  int64_t groups(const Block& b) const { return ceil_div(b.columns, tiles_); }
  int64_t slices(int64_t depths) const { return depths == 1 ? kernel_r_ : depths + (kernel_r_ - 1) * dilation_r_; }
  int64_t blocks_of(int64_t panel) const { return std::min<int64_t>(2, filter_blocks_ - 2 * panel); }

  void input(const Block& b, int64_t slice, int64_t group, int64_t cb, float* v) const;
  void product(const Block& b, int64_t panel, int64_t from, int64_t to, const float* v, float* m) const;
  void output(const Block& b, int64_t panel, int64_t depth, int64_t group, const float* m) const;

  const Context& context_;
  const Task<float>& task_;
  const Shape& s_;
  const float* packed_;
  const WinogradTransforms& t_;
  const WinogradAxes axes_;
  int64_t tiles_y_, tiles_x_, columns_, kernel_r_, dilation_r_, out_r_;
  int64_t channel_blocks_, filter_blocks_, panels_, tiles_, v_block_, v_group_, m_group_;
};

/// V of one group of tiles in one slice, one block of channels.
void Run::input(const Block& b, int64_t slice, int64_t group, int64_t cb, float* v) const {
  const int64_t channel = b.group * s_.channels + cb * kWinogradBlock, count = groups(b);
  const int64_t z = b.depth * s_.stride[axes_.r] - s_.pad[axes_.r] + slice * (b.depths == 1 ? dilation_r_ : 1);
  const Pixels<const float>& src = task_.src;
  WinogradInput in;
  in.row_stride = src.stride[axes_.y], in.column_stride = src.stride[axes_.x];
  in.rows = s_.in[axes_.y], in.columns = s_.in[axes_.x];
  in.channels = std::min(kWinogradBlock, s_.channels - cb * kWinogradBlock);
  in.v = v + (slice * count + group) * v_group_ + cb * v_block_;
  const int64_t end = b.columns * (group + 1) / count;
  for (int64_t i = b.columns * group / count; i < end; i += in.tiles) {
    const int64_t column = b.column + i, x = column % tiles_x_, row = column / tiles_x_, y = row % tiles_y_,
                  n = row / tiles_y_;
    in.src =
        z < 0 || z >= s_.in[axes_.r] ? nullptr : src.data + n * src.batch_stride + z * src.stride[axes_.r] + channel;
    in.y = y * t_.tile_rows - s_.pad[axes_.y], in.x = x * t_.tile_columns - s_.pad[axes_.x];
    in.tiles = std::min(tiles_x_ - x, end - i);
    in.scale = task_.input_scale ? task_.input_scale + n * s_.groups * s_.channels + channel : nullptr;
    t_.input(in);
    in.v += in.tiles * kWinogradBlock;
  }
}

/// M of the groups [from, to) and a panel.
void Run::product(const Block& b, int64_t panel, int64_t from, int64_t to, const float* v, float* m) const {
  const int64_t count = groups(b);
  // Packed: [panel][tap along r][point][channel][filter]
  const int64_t tap = t_.points() * s_.channels * kWinogradBlock;  // of one block
  const float* packed = packed_ + (b.group * filter_blocks_ + 2 * panel) * kernel_r_ * tap;
  WinogradGroup list[kMostGroups];
  WinogradProduct p;
  p.group = list;
  p.channel_stride = s_.channels;
  p.blocks = blocks_of(panel);
  for (int64_t r = 0; r < kernel_r_; ++r)
    for (int64_t c = 0; c < s_.channels; c += kChannels) {
      p.channels = std::min(kChannels, s_.channels - c);
      p.u = packed + p.blocks * (r * tap + c * kWinogradBlock);
      p.accumulate = r > 0 || c > 0;
      p.groups = 0;
      for (int64_t z = 0; z < b.depths; ++z) {
        const int64_t slice = b.depths == 1 ? r : z + r * dilation_r_;
        for (int64_t g = from; g < to; ++g)
          list[p.groups++] = {v + (slice * count + g) * v_group_ + c / kWinogradBlock * v_block_,
                              m + (z * (to - from) + g - from) * m_group_,
                              b.columns * (g + 1) / count - b.columns * g / count};
      }
      t_.product(p);
    }
}

/// From M of one group to the result.
void Run::output(const Block& b, int64_t panel, int64_t depth, int64_t group, const float* m) const {
  const int64_t filter = b.group * s_.filters + panel * kWinogradPanel, count = groups(b), z = b.depth + depth;
  const Epilogue<float>& e = task_.epilogue;
  const Pixels<float>& dst = task_.dst;
  WinogradOutput out;
  out.m = m;
  out.filters = std::min(kWinogradPanel, s_.filters - panel * kWinogradPanel);
  out.epilogue = &e;
  out.bias = e.bias ? e.bias + filter : nullptr;
  out.row_stride = dst.stride[axes_.y], out.column_stride = dst.stride[axes_.x];
  out.residual_row_stride = e.residual.stride[axes_.y], out.residual_column_stride = e.residual.stride[axes_.x];
  const int64_t end = b.columns * (group + 1) / count;
  for (int64_t i = b.columns * group / count; i < end; i += out.tiles) {
    const int64_t column = b.column + i, x = column % tiles_x_, row = column / tiles_x_, y = row % tiles_y_,
                  n = row / tiles_y_;
    const auto at = [&](const auto& p) {
      return p.data + n * p.batch_stride + z * p.stride[axes_.r] + y * t_.tile_rows * p.stride[axes_.y] +
             x * t_.tile_columns * p.stride[axes_.x] + filter;
    };
    out.dst = at(dst);
    out.residual = e.residual.data ? at(e.residual) : nullptr;
    out.scale = e.scale ? e.scale + n * s_.groups * s_.filters + filter : nullptr;
    out.tiles = std::min(tiles_x_ - x, end - i);
    out.rows = s_.out[axes_.y] - y * t_.tile_rows, out.columns = s_.out[axes_.x] - x * t_.tile_columns;
    t_.output(out);
    out.m += out.tiles * kWinogradPanel;
  }
}

void Run::separate(int64_t tiles) {
  const int64_t threads = context_.num_threads();
  // Depths that share slices of the input, in one block.
  int64_t depths = 1;
  if (kernel_r_ > 1 && s_.stride[axes_.r] == 1 && dilation_r_ <= kMostDepths) {
    const int64_t room = kInputs / v_group_ - (kernel_r_ - 1) * dilation_r_;
    depths = std::min({out_r_, kMostDepths, room});
    if (depths < std::max<int64_t>(2, dilation_r_)) depths = 1;
    tiles = tiles_;
  }
  const int64_t depth_parts = ceil_div(out_r_, depths);
  int64_t parts = ceil_div(columns_, tiles);
  if (s_.groups * depth_parts % threads != 0) parts = std::min(columns_, ceil_div(parts, threads) * threads);
  const int64_t blocks = s_.groups * parts * depth_parts;
  const int64_t most = ceil_div(ceil_div(columns_, parts), tiles_);
  const int64_t v_size = slices(depths) * most * v_group_, m_size = depths * most * m_group_;
  const int64_t pieces = std::min(threads, blocks);
  Scratch scratch(context_);
  float* memory = scratch.get<float>(pieces * (v_size + m_size));
  context_.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
    for (; piece < end; ++piece) {
      float *v = memory + piece * (v_size + m_size), *m = v + v_size;
      for (int64_t i = blocks * piece / pieces; i < blocks * (piece + 1) / pieces; ++i) {
        const int64_t part = i % parts, depth = i / parts % depth_parts * depths;
        const int64_t first = columns_ * part / parts;
        const Block b{i / (parts * depth_parts), first, columns_ * (part + 1) / parts - first, depth,
                      std::min(depths, out_r_ - depth)};
        for (int64_t slice = 0; slice < slices(b.depths); ++slice)
          for (int64_t g = 0; g < groups(b); ++g)
            for (int64_t cb = 0; cb < channel_blocks_; ++cb) input(b, slice, g, cb, v);
        for (int64_t panel = 0; panel < panels_; ++panel) {
          product(b, panel, 0, groups(b), v, m);
          for (int64_t z = 0; z < b.depths; ++z)
            for (int64_t g = 0; g < groups(b); ++g) output(b, panel, z, g, m + (z * groups(b) + g) * m_group_);
        }
      }
    }
  });
}

void Run::shared() {
  const int64_t threads = context_.num_threads();
  const int64_t room = threads * kSharedInputs / (v_group_ * kernel_r_);
  const int64_t tiles = std::max<int64_t>(1, std::min<int64_t>(room, 112 / tiles_)) * tiles_;
  const int64_t parts = ceil_div(columns_, tiles), most = ceil_div(ceil_div(columns_, parts), tiles_);
  const int64_t splits = std::min(ceil_div(threads, panels_), most), m_size = ceil_div(most, splits) * m_group_;
  const int64_t items = panels_ * splits, pieces = std::min(threads, items);
  Scratch scratch(context_);
  float* v = scratch.get<float>(kernel_r_ * most * v_group_);
  float* memory = scratch.get<float>(pieces * m_size);
  for (int64_t i = 0; i < s_.groups * out_r_ * parts; ++i) {
    const int64_t part = i % parts, first = columns_ * part / parts;
    const Block b{i / (parts * out_r_), first, columns_ * (part + 1) / parts - first, i / parts % out_r_, 1};
    const int64_t count = groups(b);
    context_.parallel_for(0, channel_blocks_ * kernel_r_ * count, 1, [&](int64_t job, int64_t end) {
      for (; job < end; ++job) input(b, job / count % kernel_r_, job % count, job / (count * kernel_r_), v);
    });
    context_.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
      for (; piece < end; ++piece) {
        float* m = memory + piece * m_size;
        for (int64_t item = items * piece / pieces; item < items * (piece + 1) / pieces; ++item) {
          const int64_t panel = item / splits, split = item % splits;
          const int64_t from = count * split / splits, to = count * (split + 1) / splits;
          product(b, panel, from, to, v, m);
          for (int64_t g = from; g < to; ++g) output(b, panel, 0, g, m + (g - from) * m_group_);
        }
      }
    });
  }
}

bool fits(const Shape& s) { return winograd_axes(s).found; }

template <int M>
constexpr Routines<float> routines() {
  return {[](const Shape& s) { return winograd_packed_size(s, winograd_transforms<M>(s)); },
          [](const Context& context, const Shape& s, const Weights<float>& w, float* packed) {
            winograd_pack(context, s, winograd_transforms<M>(s), w, packed);
          },
          [](const Context& context, const Task<float>& task, const float* packed) {
            Run(context, task, packed, winograd_transforms<M>(task.shape))();
          }};
}

/// Enough channels to repay the transforms, and tiles that are mostly inside the image.
bool wins_f4(const Shape& s, int) {
  const WinogradAxes axes = winograd_axes(s);
  return s.channels >= 16 && s.filters >= 16 && s.out[axes.x] >= 10 && (axes.line || s.out[axes.y] >= 10);
}
bool wins_f2(const Shape& s, int) {
  const WinogradAxes axes = winograd_axes(s);
  return s.channels >= 32 && s.filters >= 32 && s.out[axes.x] >= 4 && !axes.line && s.out[axes.y] >= 4;
}

}  // namespace

const Algorithm kWinogradF4 = {"winograd_f4", fits, wins_f4, routines<4>(), {}};
const Algorithm kWinogradF2 = {"winograd_f2", fits, wins_f2, routines<2>(), {}};

}  // namespace fastcnn::conv
