// Direct convolution as an implicit GEMM: no im2col of the image, which would be `taps` times as large.
//
// Tiles of pixels at a constant distance are read where they are. At the borders, where the input is scaled, and where
// pixels compete for the sets of the L1 cache, a tile's input is copied into a patch first, each value once. Tiles that
// span rows (narrow images), or share a pass over weights too large for the cache, are gathered term by term, one block
// of terms at a time; a value is then used once per filter, so that copying costs 1 / filters of the multiply-adds.
#include "ops/conv/direct.h"

#include <algorithm>

namespace fastcnn::conv {
namespace {

#ifndef WIC
#define WIC 1024
#endif
#ifndef TPP
#define TPP 16
#endif
constexpr int64_t kWeightsInCache = int64_t{WIC} << 10;  // bytes; beyond them some tiles share a pass over the weights
constexpr int64_t kTilesPerPass = TPP;
constexpr int64_t kPatchBytes = int64_t{256} << 10;  // beyond them a patch holds fewer groups

template <class T>
int64_t packed_size(const Shape& s) {
  const Packing packing(s);
  return s.groups * packing.group_size();
}

template <class T>
void pack(const Context& context, const Shape& s, const Weights<T>& w, T* packed) {
  const Packing packing(s);
  const int64_t plane = s.kernel[1] * s.kernel[2];
  context.parallel_for(0, s.groups * packing.filter_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / packing.filter_blocks, block = i % packing.filter_blocks;
      const int split = block == packing.filter_blocks - 1 ? packing.tail_split : 1;
      const int64_t width = std::min<int64_t>(kBlock / split, s.filters - block * kBlock);
      const T* src = w.data + group * w.group_stride + block * kBlock * w.filter_stride;
      for (int64_t part = 0; part < packing.term_blocks; ++part) {
        T* dst = packed + group * packing.group_size() + (part * packing.filter_blocks + block) * packing.block_size();
        std::fill(dst, dst + packing.block_size(), T(0));
        const int64_t first = part * packing.block_terms, last = std::min(first + packing.block_terms, packing.terms);
        for (int64_t term = first; term < last; ++term) {
          const int64_t tap = term / s.channels, channel = term % s.channels;
          const T* value = src + channel * w.channel_stride + tap / plane * w.tap_stride[0] +
                           tap / s.kernel[2] % s.kernel[1] * w.tap_stride[1] + tap % s.kernel[2] * w.tap_stride[2];
          T* row = dst + (term - first) / split * kBlock + (term - first) % split;
          for (int64_t f = 0; f < width; ++f) row[f * split] = value[f * w.filter_stride];
        }
      }
    }
  });
}

/// Pixels of one register tile.
template <class T>
struct Tile {
  int pixels;
  bool in_place;       ///< all of its input lies inside, at a constant distance
  int64_t n, z, y, x;  ///< first pixel
  T* dst[kMaxTilePixels];
  const T* residual[kMaxTilePixels];
  const T* scale[kMaxTilePixels];
};

/// One thread's part of the work: some tiles times some columns.
template <class T>
class Cell {
 public:
  Cell(const Context& context, const DirectPlan<T>& plan, const T* packed)
      : plan_(plan), s_(plan.task.shape), packed_(packed), scratch_(context) {}

  void run(int64_t tile_begin, int64_t tile_end, int64_t column_begin, int64_t column_end) {
    if (tile_begin >= tile_end || column_begin >= column_end) return;
    const Packing& packing = plan_.packing;
    const int64_t bytes = static_cast<int64_t>(sizeof(T));
    const int64_t panels = std::min(plan_.num_panels, column_end - column_begin);
    const bool weights_stay = packing.terms * panels * plan_.routines.panel_lanes * bytes > kWeightsInCache;
    const int64_t pass = std::min(weights_stay ? kTilesPerPass : 1, tile_end - tile_begin);
    tiles_ = scratch_.template get<Tile<T>>(pass);
    panel_stride_ = packing.block_terms + kBlock;
    gathered_ = scratch_.template get<T>(pass * plan_.routines.tile_pixels * panel_stride_);
    segments_ = scratch_.template get<Segment>(plan_.num_runs);

    const int64_t first_group = column_begin / plan_.num_panels, end_group = ceil_div(column_end, plan_.num_panels);
    const int64_t patch_rows = s_.kernel[0] * s_.kernel[1] * plan_.patch_columns;
    patch_groups_ = std::clamp<int64_t>(kPatchBytes / std::max<int64_t>(1, patch_rows * s_.channels * bytes), 1,
                                        end_group - first_group);
    patching_ =
        plan_.addressable && plan_.patchable && pass == 1 && patch_rows * s_.channels * bytes <= 4 * kPatchBytes;
    if (patching_) patch_ = scratch_.template get<T>(patch_rows * (patch_groups_ * s_.channels + plan_.patch_gap));

    for (int64_t first = tile_begin; first < tile_end; first += pass) {
      const int64_t count = std::min(pass, tile_end - first);
      for (int64_t i = 0; i < count; ++i) locate(first + i, tiles_[i]);
      for (int64_t column = column_begin; column < column_end;) {
        const int64_t group = column / plan_.num_panels, begin = column % plan_.num_panels;
        const int64_t end = std::min(plan_.num_panels, begin + column_end - column);
        run_group(count, group, begin, end, std::min(end_group - group, patch_groups_), group == first_group);
        column += end - begin;
      }
    }
  }

 private:
  void locate(int64_t index, Tile<T>& tile) {
    const Epilogue<T>& e = plan_.task.epilogue;
    const int64_t width = plan_.row_tiles ? s_.out[2] : s_.batch * s_.out_pixels();
    const int64_t row = plan_.row_tiles ? index / plan_.tiles_per_row : 0, i = index - row * plan_.tiles_per_row;
    // Sizes differ by one at most, the larger tiles come first.
    const int64_t size = width / plan_.tiles_per_row, larger = width % plan_.tiles_per_row;
    int64_t x = i * size + std::min(i, larger), y, z, n;
    tile.pixels = static_cast<int>(size + (i < larger));
    if (plan_.row_tiles) {
      y = row % s_.out[1], z = row / s_.out[1] % s_.out[0], n = row / (s_.out[1] * s_.out[0]);
    } else {
      y = x / s_.out[2] % s_.out[1], z = x / (s_.out[2] * s_.out[1]) % s_.out[0], n = x / s_.out_pixels();
      x %= s_.out[2];
    }
    tile.n = n, tile.z = z, tile.y = y, tile.x = x;
    const auto offset = [&](const auto& pixels) {
      return n * pixels.batch_stride + z * pixels.stride[0] + y * pixels.stride[1] + x * pixels.stride[2];
    };
    for (int p = 0; p < tile.pixels;) {
      // The pixels of one row.
      const int end = static_cast<int>(std::min<int64_t>(tile.pixels, p + s_.out[2] - x));
      T* dst = plan_.task.dst.data + offset(plan_.task.dst);
      const T* residual = e.residual.data ? e.residual.data + offset(e.residual) : nullptr;
      const T* scale = e.scale ? e.scale + n * s_.groups * s_.filters : nullptr;
      for (; p < end; ++p) {
        tile.dst[p] = dst;
        dst += plan_.task.dst.stride[2];
        if (residual) tile.residual[p] = residual, residual += e.residual.stride[2];
        if (scale) tile.scale[p] = scale;
      }
      x = 0;
      if (++y == s_.out[1]) {
        y = 0;
        if (++z == s_.out[0]) z = 0, ++n;
      }
    }
    const int64_t stride = s_.stride[2] * plan_.task.src.stride[2];
    // Pixels whole pages apart share the sets of the L1 cache, which has 8 to 12 ways.
    const bool conflict = tile.pixels > 8 && stride * static_cast<int64_t>(sizeof(T)) % 4096 == 0;
    const int64_t from = tile.x * s_.stride[2] - s_.pad[2];
    tile.in_place = plan_.addressable && !plan_.task.input_scale && !conflict && from >= 0 &&
                    from + (tile.pixels - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2] < s_.in[2];
  }

  /// Input coordinate under tap 0 of the kernel.
  int64_t under(int64_t out, int d) const { return out * s_.stride[d] - s_.pad[d]; }
  bool row_inside(const Tile<T>& tile, const int64_t (&at)[3]) const {
    const int64_t z = under(tile.z, 0) + at[0], y = under(tile.y, 1) + at[1];
    return z >= 0 && z < s_.in[0] && y >= 0 && y < s_.in[1];
  }

  /// Panels [begin, end) of a group.
  void run_group(int64_t count, int64_t group, int64_t begin, int64_t end, int64_t groups, bool first_group) {
    const Packing& packing = plan_.packing;
    if (first_group || --patch_left_ == 0) {
      patch_group_ = group;
      patch_left_ = groups;
      patch_stride_ = groups * s_.channels + plan_.patch_gap;
      if (patching_ && !tiles_[0].in_place) fill_patch(tiles_[0], group, groups);
    }
    TileArgs<T> args = {};
    args.block_stride = packing.block_size();
    args.epilogue = &plan_.task.epilogue;
    args.filter = group * s_.filters;
    for (int64_t part = 0; part < packing.term_blocks; ++part) {
      args.first = part == 0;
      args.last = part == packing.term_blocks - 1;
      args.weights = packed_ + group * packing.group_size() + part * packing.filter_blocks * packing.block_size();
      if (count == 1) {
        args.panels = plan_.panels + begin;
        args.num_panels = end - begin;
        source(0, group, part, true, args);
        run_tile(tiles_[0], args);
        continue;
      }
      for (int64_t j = begin; j < end; ++j) {
        args.panels = plan_.panels + j;
        args.num_panels = 1;
        for (int64_t i = 0; i < count; ++i) {
          source(i, group, part, j == begin, args);
          run_tile(tiles_[i], args);
        }
      }
    }
  }

  void run_tile(const Tile<T>& tile, TileArgs<T>& args) const {
    args.pixels = tile.pixels;
    args.dst = tile.dst;
    args.residual = plan_.task.epilogue.residual.data ? tile.residual : nullptr;
    args.scale = plan_.task.epilogue.scale ? tile.scale : nullptr;
    plan_.routines.tile(args);
  }

  /// Where a tile's input is: in the image, in the patch, or gathered.
  void source(int64_t i, int64_t group, int64_t part, bool fresh, TileArgs<T>& args) {
    const Tile<T>& tile = tiles_[i];
    const Pixels<const T>& src = plan_.task.src;
    const Run* runs = plan_.runs + plan_.first_run[part];
    const int64_t num_runs = plan_.first_run[part + 1] - plan_.first_run[part];
    if (tile.in_place || patching_) {
      args.segments = segments_;
      args.num_segments = 0;
      for (int64_t r = 0; r < num_runs; ++r) {
        if (!row_inside(tile, runs[r].at)) continue;  // zeros
        Segment& segment = segments_[args.num_segments++];
        segment = runs[r].segment;
        if (tile.in_place) continue;
        const int64_t row = runs[r].at[0] / s_.dilation[0] * s_.kernel[1] + runs[r].at[1] / s_.dilation[1];
        segment.offset = (row * plan_.patch_columns + runs[r].at[2]) * patch_stride_ + runs[r].first;
      }
      if (tile.in_place) {
        args.src = src.data + tile.n * src.batch_stride + under(tile.z, 0) * src.stride[0] +
                   under(tile.y, 1) * src.stride[1] + under(tile.x, 2) * src.stride[2] + group * s_.channels;
        args.stride = s_.stride[2] * src.stride[2];
      } else {
        args.src = patch_ + (group - patch_group_) * s_.channels;
        args.stride = s_.stride[2] * patch_stride_;
      }
      return;
    }
    const int64_t terms = std::min(plan_.packing.block_terms, plan_.packing.terms - part * plan_.packing.block_terms);
    whole_ = {0, 0, ceil_div(terms, kMaxSplit) * kMaxSplit};
    T* panel = gathered_ + i * plan_.routines.tile_pixels * panel_stride_;
    if (fresh) gather(tile, group, runs, num_runs, whole_.length, panel);
    args.segments = &whole_;
    args.num_segments = 1;
    args.src = panel;
    args.stride = panel_stride_;
  }

  void gather(const Tile<T>& tile, int64_t group, const Run* runs, int64_t num_runs, int64_t terms, T* panel) const {
    const Pixels<const T>& src = plan_.task.src;
    int64_t n = tile.n, z = tile.z, y = tile.y, x = tile.x;
    for (int p = 0; p < tile.pixels; ++p, panel += panel_stride_) {
      const int64_t at[3] = {under(z, 0), under(y, 1), under(x, 2)};
      const T* scale = plan_.task.input_scale;
      plan_.routines.gather({src.data + n * src.batch_stride + at[0] * src.stride[0] + at[1] * src.stride[1] +
                                 at[2] * src.stride[2] + group * s_.channels,
                             {at[0], at[1], at[2]},
                             {s_.in[0], s_.in[1], s_.in[2]},
                             s_.channels,
                             scale ? scale + (n * s_.groups + group) * s_.channels : nullptr,
                             runs,
                             num_runs,
                             terms,
                             panel});
      if (++x == s_.out[2]) {
        x = 0;
        if (++y == s_.out[1]) {
          y = 0;
          if (++z == s_.out[0]) z = 0, ++n;
        }
      }
    }
  }

  /// The input of some groups under a row tile, zeros to the left and right of the image.
  void fill_patch(const Tile<T>& tile, int64_t group, int64_t groups) const {
    const Pixels<const T>& src = plan_.task.src;
    const int64_t values = groups * s_.channels, x = under(tile.x, 2);
    const int64_t columns = (tile.pixels - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2] + 1;
    const int64_t from = std::clamp<int64_t>(-x, 0, columns), to = std::clamp<int64_t>(s_.in[2] - x, from, columns);
    const T* scale = plan_.task.input_scale;
    if (scale) scale += tile.n * s_.groups * s_.channels + group * s_.channels;
    for (int64_t row = 0; row < s_.kernel[0] * s_.kernel[1]; ++row) {
      const int64_t at[3] = {row / s_.kernel[1] * s_.dilation[0], row % s_.kernel[1] * s_.dilation[1], 0};
      if (!row_inside(tile, at)) continue;
      T* dst = patch_ + row * plan_.patch_columns * patch_stride_;
      const auto copy = plan_.routines.copy;
      copy(dst, patch_stride_, nullptr, 0, nullptr, values, from);
      if (to > from)
        copy(dst + from * patch_stride_, patch_stride_,
             src.data + tile.n * src.batch_stride + (under(tile.z, 0) + at[0]) * src.stride[0] +
                 (under(tile.y, 1) + at[1]) * src.stride[1] + (x + from) * src.stride[2] + group * s_.channels,
             src.stride[2], scale, values, to - from);
      copy(dst + to * patch_stride_, patch_stride_, nullptr, 0, nullptr, values, columns - to);
    }
  }

  const DirectPlan<T>& plan_;
  const Shape& s_;
  const T* packed_;
  Scratch scratch_;
  Tile<T>* tiles_ = nullptr;
  Segment* segments_ = nullptr;
  Segment whole_ = {};
  T* gathered_ = nullptr;
  int64_t panel_stride_ = 0;
  bool patching_ = false;
  T* patch_ = nullptr;
  int64_t patch_groups_ = 0, patch_group_ = 0, patch_left_ = 0, patch_stride_ = 0;
};

template <class T>
void run(const Context& context, const Task<T>& task, const T* packed) {
  if (task.shape.batch * task.shape.out_pixels() * task.shape.filters * task.shape.groups == 0) return;
  Scratch scratch(context);
  const DirectPlan<T> plan(task, scratch);
  const Shape& s = plan.task.shape;
  // A grid of threads over tiles and columns: the most even, and of those the one that reads least.
  const int64_t threads = context.num_threads(), tiles = plan.num_tiles, columns = plan.num_columns();
  const double weights = static_cast<double>(s.groups * plan.packing.group_size());
  const double inputs = static_cast<double>(s.batch * s.in_pixels() * s.groups * s.channels);
  int64_t over_tiles = 1;
  double best = -1;
  for (int64_t n = 1; n <= threads; ++n) {
    if (threads % n != 0) continue;
    const double work = static_cast<double>(ceil_div(tiles, n) * ceil_div(columns, threads / n));
    const double reads = weights * static_cast<double>(n) + inputs * static_cast<double>(threads / n);
    const double cost = work * (1 + 0.1 * reads / ((weights + inputs) * static_cast<double>(threads)));
    if (best < 0 || cost < best) best = cost, over_tiles = n;
  }
  const int64_t over_columns = threads / over_tiles;
  context.parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / over_columns, column = i % over_columns;
      Cell<T>(context, plan, packed)
          .run(tiles * row / over_tiles, tiles * (row + 1) / over_tiles, columns * column / over_columns,
               columns * (column + 1) / over_columns);
    }
  });
}

}  // namespace

const Algorithm kDirect = {"implicit_gemm",
                           [](const Shape&) { return true; },
                           [](const Shape&, int) { return true; },
                           {packed_size<float>, pack<float>, run<float>},
                           {packed_size<double>, pack<double>, run<double>}};

}  // namespace fastcnn::conv
