// Winograd convolution: blocks of tiles, their input transform, one product per point, and the output transform.
//
// There are two ways to divide the work. If a thread has enough tiles of its own, or if all transformed filters fit
// into its L2 cache, each thread processes its own blocks without a barrier. Otherwise the threads transform a block of
// tiles together and then split the filters, so that each filter is read by one thread only: on small images the
// filters are the larger part of the traffic.
//
// A dilated kernel reads every d-th pixel, which gives d x d separate images without dilation, called phases. Their
// tiles are processed together, so that small phases fill the registers as well.
//
// The computation for a pixel does not depend on how the work is divided.
#include "ops/conv/winograd.h"
#include "ops/conv/direct.h"

#include <algorithm>

namespace fastcnn::conv {
namespace {

// Limits in floats: the share of the L2 cache for transformed inputs and for transformed filters, and the memory of
// each thread if threads share inputs.
constexpr int64_t kInputs = int64_t{1} << 18, kFilters = int64_t{1} << 18, kShared = int64_t{5} << 17;
/// The sum over channels is taken in parts, for accuracy and for the L1 cache.
constexpr int64_t kChannels = 128;
/// The number of tiles that makes reading the filters once from beyond the L2 cache worthwhile.
constexpr int64_t kEnough = 20;
constexpr int64_t kMaxGroups = 64, kMaxDepths = 8;

int64_t dilation(const Shape& s, int axis) { return s.kernel[axis] > 1 ? s.dilation[axis] : 1; }

/// The number of phases along one axis; at most the number of results.
int64_t phases(const Shape& s, int axis) { return std::min(dilation(s, axis), std::max<int64_t>(s.out[axis], 1)); }

/// A piece of the result. Its tiles lie in columns along the axis summed over (the depth of a volume): usually columns
/// of one tile, each with its own slices of the input, as many as the kernel has; or columns of several `depths`, which
/// share slices.
struct Block {
  int64_t group, column, columns, depth = 0, depths = 1;
};

class Run {
 public:
  Run(const Context& context, const WorkItem<float>& work, const float* packed, const WinogradTransforms& transforms)
      : context_(context),
        work_(work),
        s_(work.shape),
        packed_(packed),
        t_(transforms),
        axes_(winograd_axes(s_, transforms.kernel_columns())) {
    phases_y_ = phases(s_, axes_.y), phases_x_ = phases(s_, axes_.x);
    tiles_y_ = ceil_div(ceil_div(s_.out[axes_.y], phases_y_), t_.tile_rows);
    tiles_x_ = ceil_div(ceil_div(s_.out[axes_.x], phases_x_), t_.tile_columns);
    kernel_r_ = s_.kernel[axes_.r], dilation_r_ = s_.dilation[axes_.r], out_r_ = s_.out[axes_.r];
    channel_blocks_ = winograd_blocks(s_.channels);
    filter_blocks_ = winograd_blocks(s_.filters);
    panels_ = ceil_div(filter_blocks_, 2);
    tiles_ = FASTCNN_SELECT(winograd_kernels).tiles;
    v_block_ = t_.points() * tiles_ * kWinogradBlock;
    v_group_ = v_block_ * channel_blocks_;
    m_group_ = t_.points() * tiles_ * kWinogradPanel;
    if (winograd_packs_taps(s_, t_)) u_size_ = t_.points() * (std::min(s_.channels, kChannels) + 1) * kWinogradPanel;
    depths_ = max_depths();
    columns_ = columns_in_depth() * (depths_ == 1 ? out_r_ : 1);
  }

  void operator()() {
    if (columns_ == 0) return;
    const int64_t fair = s_.groups * columns_ / context_.num_threads();
    const int64_t maximum = depths_ > 1 ? tiles_ : std::max(tiles_, tiles_ * kInputs / (v_group_ * kernel_r_));
    if (winograd_transformed_size(s_, t_) <= s_.groups * kFilters)
      separate(ceil_div(12, tiles_) * tiles_);
    else if (depths_ > 1 || std::min(fair, maximum) >= kEnough)
      separate(std::min(maximum, int64_t{56}));
    else
      shared();
  }

 private:
  int64_t columns_in_depth() const { return s_.batch * phases_y_ * phases_x_ * tiles_y_ * tiles_x_; }
  int64_t max_depths() const;
  void separate(int64_t tiles);
  void shared();
  int64_t groups(const Block& b) const { return ceil_div(b.columns, tiles_); }
  int64_t slices(int64_t depths) const { return depths == 1 ? kernel_r_ : depths + (kernel_r_ - 1) * dilation_r_; }
  int64_t blocks_of(int64_t panel) const { return std::min<int64_t>(2, filter_blocks_ - 2 * panel); }

  struct Tile {
    int64_t x, y, z, n;  ///< x and y within the phase
    int64_t phase_x, phase_y;
  };
  Tile tile(const Block& b, int64_t i) const {
    const int64_t column = b.column + i, row = column / tiles_x_;
    int64_t plane = row / tiles_y_;
    Tile at{column % tiles_x_ * t_.tile_columns, row % tiles_y_ * t_.tile_rows, b.depth, 0, 0, 0};
    at.phase_x = plane % phases_x_, plane /= phases_x_;
    at.phase_y = plane % phases_y_, plane /= phases_y_;
    if (depths_ == 1) at.z = plane % out_r_, plane /= out_r_;
    at.n = plane;
    return at;
  }

  /// One axis of a phase's image: where it starts in the input, its size, and which of its pixels the phase's first
  /// result sees first.
  struct PhaseAxis {
    int64_t first, size, under;
  };
  PhaseAxis phase_axis(int axis, int64_t phase) const {
    const int64_t d = dilation(s_, axis), from = phase - s_.pad[axis], first = (from % d + d) % d;
    return {first, ceil_div(std::max<int64_t>(s_.in[axis] - first, 0), d), (from - first) / d};
  }

  void input(const Block& b, int64_t slice, int64_t group, int64_t cb, float* v) const;
  const float* taps(const Block& b, int64_t block, int64_t r, int64_t channel) const;
  void filter(const Block& b, int64_t panel, int64_t r, int64_t channel, int64_t channels, float* u) const;
  void product(const Block& b, int64_t panel, int64_t from, int64_t to, const float* v, float* m, float* u) const;
  void output(const Block& b, int64_t panel, int64_t depth, int64_t group, const float* m) const;

  const Context& context_;
  const WorkItem<float>& work_;
  const Shape& s_;
  const float* packed_;
  const WinogradTransforms& t_;
  const WinogradAxes axes_;
  int64_t phases_y_, phases_x_, tiles_y_, tiles_x_, columns_, depths_, kernel_r_, dilation_r_, out_r_;
  int64_t channel_blocks_, filter_blocks_, panels_, tiles_, v_block_, v_group_, m_group_;
  int64_t u_size_ = 0;  ///< memory for filters that each thread transforms
};

/// V of one group of tiles in one slice, one block of channels.
void Run::input(const Block& b, int64_t slice, int64_t group, int64_t cb, float* v) const {
  const int64_t channel = b.group * s_.channels + cb * kWinogradBlock, count = groups(b);
  const Pixels<const float>& src = work_.src;
  WinogradInput in;
  // If the dilation exceeds the image, each phase has at most one pixel.
  in.row_stride = src.stride[axes_.y] * std::min(dilation(s_, axes_.y), s_.in[axes_.y]);
  in.column_stride = src.stride[axes_.x] * std::min(dilation(s_, axes_.x), s_.in[axes_.x]);
  in.channels = std::min(kWinogradBlock, s_.channels - cb * kWinogradBlock);
  in.v = v + (slice * count + group) * v_group_ + cb * v_block_;
  const int64_t end = b.columns * (group + 1) / count;
  for (int64_t i = b.columns * group / count; i < end; i += in.tiles) {
    const Tile at = tile(b, i);
    const PhaseAxis y = phase_axis(axes_.y, at.phase_y), x = phase_axis(axes_.x, at.phase_x);
    const int64_t z = at.z * s_.stride[axes_.r] - s_.pad[axes_.r] + slice * (b.depths == 1 ? dilation_r_ : 1);
    const bool inside = z >= 0 && z < s_.in[axes_.r];
    in.src = inside ? src.data + at.n * src.batch_stride + z * src.stride[axes_.r] + y.first * src.stride[axes_.y] +
                          x.first * src.stride[axes_.x] + channel
                    : nullptr;
    in.rows = y.size, in.columns = x.size;
    in.y = at.y + y.under, in.x = at.x + x.under;
    in.tiles = std::min(tiles_x_ - at.x / t_.tile_columns, end - i);
    in.scale = work_.input_scale ? work_.input_scale + at.n * s_.groups * s_.channels + channel : nullptr;
    t_.input(in);
    in.v += in.tiles * kWinogradBlock;
  }
}

/// Packed taps of a block of filters.
const float* Run::taps(const Block& b, int64_t block, int64_t r, int64_t channel) const {
  const int64_t first = ((b.group * filter_blocks_ + block) * s_.channels + channel) * kernel_r_ + r;
  return packed_ + first * (s_.taps() / kernel_r_) * kWinogradBlock;
}

/// U of some channels and a panel, [point][channel][filter of the panel], from packed taps. An unused channel behind
/// the others keeps points from lying a power of two apart, all in one set of the L1 cache.
void Run::filter(const Block& b, int64_t panel, int64_t r, int64_t channel, int64_t channels, float* u) const {
  const int64_t blocks = blocks_of(panel);
  WinogradFilter f;
  f.channel_stride = s_.taps() * kWinogradBlock;
  f.u_channel_stride = blocks * kWinogradBlock, f.u_point_stride = (channels + 1) * f.u_channel_stride;
  for (int64_t c = 0; c < channels; c += f.channels) {
    f.channels = std::min<int64_t>(4, channels - c);  // both blocks, while their shared data is in the cache
    for (int64_t block = 0; block < blocks; ++block) {
      f.taps = taps(b, 2 * panel + block, r, channel + c);
      f.u = u + c * f.u_channel_stride + block * kWinogradBlock;
      t_.filter(f);
    }
  }
}

/// M of the groups [from, to) and a panel. u: memory for filters.
void Run::product(const Block& b, int64_t panel, int64_t from, int64_t to, const float* v, float* m, float* u) const {
  const int64_t count = groups(b);
  const int64_t tap = t_.points() * s_.channels * kWinogradBlock;  // of one block, transformed
  const float* packed = packed_ + (b.group * filter_blocks_ + 2 * panel) * kernel_r_ * tap;
  WinogradGroup list[kMaxGroups];
  WinogradProduct p;
  p.group = list;
  p.blocks = blocks_of(panel);
  for (int64_t r = 0; r < kernel_r_; ++r)
    for (int64_t c = 0; c < s_.channels; c += kChannels) {
      p.channels = std::min(kChannels, s_.channels - c);
      if (u_size_ > 0) {
        filter(b, panel, r, c, p.channels, u);
        p.u = u, p.channel_stride = p.channels + 1, p.taps = s_.taps() / kernel_r_;
        const bool more = c + kChannels < s_.channels;
        const int64_t next = more || panel + 1 == panels_ ? panel : panel + 1;
        for (int64_t i = 0; i < 2; ++i)
          p.next_taps[i] = taps(b, 2 * next + std::min(i, blocks_of(next) - 1), r, more ? c + kChannels : 0);
      } else {
        p.u = packed + p.blocks * (r * tap + c * kWinogradBlock), p.channel_stride = s_.channels, p.taps = 0;
      }
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

/// Transforms M of one group to the result.
void Run::output(const Block& b, int64_t panel, int64_t depth, int64_t group, const float* m) const {
  const int64_t filter = b.group * s_.filters + panel * kWinogradPanel, count = groups(b);
  const Epilogue<float>& e = work_.epilogue;
  const Pixels<float>& dst = work_.dst;
  WinogradOutput out;
  out.m = m;
  out.filters = std::min(kWinogradPanel, s_.filters - panel * kWinogradPanel);
  out.epilogue = &e;
  out.bias = e.bias ? e.bias + filter : nullptr;
  const int64_t step_y = phases_y_, step_x = phases_x_;
  out.row_stride = dst.stride[axes_.y] * step_y, out.column_stride = dst.stride[axes_.x] * step_x;
  out.residual_row_stride = e.residual.stride[axes_.y] * step_y;
  out.residual_column_stride = e.residual.stride[axes_.x] * step_x;
  const int64_t end = b.columns * (group + 1) / count;
  for (int64_t i = b.columns * group / count; i < end; i += out.tiles) {
    const Tile at = tile(b, i);
    const int64_t y = at.phase_y + at.y * step_y, x = at.phase_x + at.x * step_x;
    const auto pixel = [&](const auto& p) {
      return p.data + at.n * p.batch_stride + (at.z + depth) * p.stride[axes_.r] + y * p.stride[axes_.y] +
             x * p.stride[axes_.x] + filter;
    };
    out.dst = pixel(dst);
    out.residual = e.residual.data ? pixel(e.residual) : nullptr;
    out.scale = e.scale ? e.scale + at.n * s_.groups * s_.filters + filter : nullptr;
    out.tiles = std::min(tiles_x_ - at.x / t_.tile_columns, end - i);
    out.rows = ceil_div(std::max<int64_t>(s_.out[axes_.y] - y, 0), step_y);
    out.columns = ceil_div(std::max<int64_t>(s_.out[axes_.x] - x, 0), step_x);
    t_.output(out);
    out.m += out.tiles * kWinogradPanel;
  }
}

/// The number of depths that can share slices: the slices must fit into the L2 cache, and each slice must fill the
/// registers.
int64_t Run::max_depths() const {
  if (kernel_r_ == 1 || s_.stride[axes_.r] != 1 || columns_in_depth() < tiles_) return 1;
  const int64_t room = kInputs / v_group_ - (kernel_r_ - 1) * dilation_r_;
  const int64_t depths = std::min({out_r_, kMaxDepths, room});
  return depths < 2 || depths < dilation_r_ ? 1 : depths;
}

void Run::separate(int64_t tiles) {
  const int64_t threads = context_.num_threads();
  const int64_t depth_parts = depths_ > 1 ? ceil_div(out_r_, depths_) : 1;
  int64_t parts = ceil_div(columns_, tiles);
  if (s_.groups * depth_parts % threads != 0) parts = std::min(columns_, ceil_div(parts, threads) * threads);
  const int64_t blocks = s_.groups * parts * depth_parts;
  const int64_t maximum = ceil_div(ceil_div(columns_, parts), tiles_);
  const int64_t v_size = slices(depths_) * maximum * v_group_, m_size = depths_ * maximum * m_group_;
  const int64_t pieces = std::min(threads, blocks);
  Scratch scratch(context_);
  float* memory = scratch.get<float>(pieces * (v_size + m_size + u_size_));
  context_.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
    for (; piece < end; ++piece) {
      float *v = memory + piece * (v_size + m_size + u_size_), *m = v + v_size, *u = m + m_size;
      for (int64_t i = blocks * piece / pieces; i < blocks * (piece + 1) / pieces; ++i) {
        const int64_t part = i % parts, depth = i / parts % depth_parts * depths_;
        const int64_t first = columns_ * part / parts;
        const Block b{i / (parts * depth_parts), first, columns_ * (part + 1) / parts - first, depth,
                      std::min(depths_, out_r_ - depth)};
        for (int64_t slice = 0; slice < slices(b.depths); ++slice)
          for (int64_t g = 0; g < groups(b); ++g)
            for (int64_t cb = 0; cb < channel_blocks_; ++cb) input(b, slice, g, cb, v);
        for (int64_t panel = 0; panel < panels_; ++panel) {
          product(b, panel, 0, groups(b), v, m, u);
          for (int64_t z = 0; z < b.depths; ++z)
            for (int64_t g = 0; g < groups(b); ++g) output(b, panel, z, g, m + (z * groups(b) + g) * m_group_);
        }
      }
    }
  });
}

/// The number of parts into which the tiles of a panel are split to balance the load: three panels and two threads give
/// six halves.
int64_t even_splits(int64_t panels, int64_t threads, int64_t maximum) {
  int64_t best = 1;
  const auto longest = [&](int64_t n) {
    return static_cast<double>(ceil_div(panels * n, threads)) / static_cast<double>(n);
  };
  for (int64_t n = 2; n <= std::min(threads, maximum); ++n)
    if (longest(n) < 0.9 * longest(best)) best = n;
  return best;
}

void Run::shared() {
  const int64_t threads = context_.num_threads();
  const int64_t room = threads * (kShared - u_size_) / (v_group_ * kernel_r_ + threads * m_group_);
  const int64_t tiles = std::max<int64_t>(1, std::min<int64_t>(room, 112 / tiles_)) * tiles_;
  const int64_t parts = ceil_div(columns_, tiles), maximum = ceil_div(ceil_div(columns_, parts), tiles_);
  const int64_t splits = even_splits(panels_, threads, maximum), m_size = ceil_div(maximum, splits) * m_group_;
  const int64_t items = panels_ * splits, pieces = std::min(threads, items);
  Scratch scratch(context_);
  float* v = scratch.get<float>(kernel_r_ * maximum * v_group_);
  float* memory = scratch.get<float>(pieces * (m_size + u_size_));
  for (int64_t i = 0; i < s_.groups * parts; ++i) {
    const int64_t part = i % parts, first = columns_ * part / parts;
    const Block b{i / parts, first, columns_ * (part + 1) / parts - first};
    const int64_t count = groups(b);
    context_.parallel_for(0, channel_blocks_ * kernel_r_ * count, 1, [&](int64_t job, int64_t end) {
      for (; job < end; ++job) input(b, job / count % kernel_r_, job % count, job / (count * kernel_r_), v);
    });
    context_.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
      for (; piece < end; ++piece) {
        float *m = memory + piece * (m_size + u_size_), *u = m + m_size;
        for (int64_t item = items * piece / pieces; item < items * (piece + 1) / pieces; ++item) {
          const int64_t panel = item / splits, split = item % splits;
          const int64_t from = count * split / splits, to = count * (split + 1) / splits;
          product(b, panel, from, to, v, m, u);
          for (int64_t g = from; g < to; ++g) output(b, panel, 0, g, m + (g - from) * m_group_);
        }
      }
    });
  }
}

template <int M>
constexpr Routines<float> routines() {
  return {[](const Shape& s) { return winograd_packed_size(s, winograd_transforms<M>(s)); },
          [](const Context& context, const Shape& s, const Weights<float>& w, float* packed) {
            winograd_pack(context, s, winograd_transforms<M>(s), w, packed);
          },
          [](const Context& context, const WorkItem<float>& work, const float* packed) {
            Run(context, work, packed, winograd_transforms<M>(work.shape))();
          }};
}

// One group of 14 tiles, the most that any ISA holds in registers, has to fit into a thread's scratch memory.
template <int M>
bool fits(const Shape& s) {
  constexpr int64_t kMax = int64_t{1} << 19;
  const WinogradAxes axes = winograd_axes(s, winograd_taps(M));
  const int64_t side = M + winograd_taps(M) - 1, points = side * (axes.line ? 1 : side);
  return axes.found && s.channels <= kMax / (points * 14) &&
         s.kernel[axes.r] <= kMax / (points * 14 * std::max<int64_t>(s.channels, 1));
}

// The choice compares estimated times of a group, in multiply-adds. The first term of a product is the multiplications
// of the algorithm; the others are transforms or the start of a sum, and reading the filters. The estimates were fitted
// to the times of 2700 random shapes (1-D to 3-D, 8 to 1024 channels, 8 to 512 filters, images of 2 to 16000 pixels a
// side, batches of 1, 4 and 8). On 620 other shapes they are within 3 % of the best choice on average, and in 98 of 100
// cases not slower than the direct algorithm.
double cost(const Shape& s, int64_t m) {
  const WinogradAxes axes = winograd_axes(s, winograd_taps(m));
  const auto tiles_along = [&](int axis) {
    const int64_t n = phases(s, axis);
    return n * ceil_div(ceil_div(s.out[axis], n), m);
  };
  const double rows = static_cast<double>(axes.line ? s.out[axes.y] : tiles_along(axes.y));
  const double tiles = static_cast<double>(s.batch * s.out[axes.r] * tiles_along(axes.x)) * rows;
  const int64_t side = m + winograd_taps(m) - 1;
  const double points = static_cast<double>(side * (axes.line ? 1 : side));
  const double channels = static_cast<double>(s.channels * s.kernel[axes.r]);
  const double filters = static_cast<double>(winograd_blocks(s.filters) * kWinogradBlock);
  const double time = points * (tiles * (channels * filters + 4 * channels + 14 * filters) + 4 * channels * filters);
  return m == 4 ? time : 0.95 * time;
}
double direct_cost(const Shape& s) {
  const double terms = static_cast<double>(s.channels) * used_taps(s);
  const double filters = static_cast<double>(s.filters <= 8 ? 8 : winograd_blocks(s.filters) * kWinogradBlock);
  return static_cast<double>(s.batch * s.out_pixels()) * (terms * filters + 3 * terms + 100 * filters);
}
bool wins_f2(const Shape& s, int) { return s.channels >= 8 && s.filters >= 8 && cost(s, 2) < direct_cost(s); }
bool wins_f3(const Shape& s, int) { return s.channels >= 8 && s.filters >= 8 && cost(s, 3) < direct_cost(s); }
bool wins_f4(const Shape& s, int) {
  return s.channels >= 4 && s.filters >= 8 && cost(s, 4) < direct_cost(s) && cost(s, 4) <= cost(s, 2);
}

}  // namespace

const Algorithm kWinogradF4 = {"winograd_f4", fits<4>, wins_f4, routines<4>(), {}};
const Algorithm kWinogradF2 = {"winograd_f2", fits<2>, wins_f2, routines<2>(), {}};
const Algorithm kWinogradF3 = {"winograd_f3", fits<3>, wins_f3, routines<3>(), {}};

}  // namespace fastcnn::conv
