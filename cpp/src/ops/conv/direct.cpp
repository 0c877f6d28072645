// Direct convolution as an implicit GEMM: no im2col of the image, which would be `taps` times as large.
//
// Tiles of pixels at a constant distance are read in place. A tile's input is first copied into a patch, each value
// once, at the borders, if the input is scaled, and if pixels compete for the sets of the L1 cache. Tiles that span
// rows (narrow images), or share a pass over weights too large for the cache, are gathered term by term, one block of
// terms at a time; a value is then used once per filter, so that copying costs 1 / filters of the multiply-adds. Taps
// that lie outside the image under a whole tile are left out, if there are many of them.
//
// padded_gemm gathers every tile, so it also multiplies the zeros around the image. Weights that are not finite need
// this, because their products with zero are NaN.
#include "ops/conv/direct.h"

#include <algorithm>

namespace fastcnn::conv {
namespace {

constexpr int64_t kWeightsInCache = int64_t{1} << 20;  // bytes; beyond them some tiles share a pass over the weights
constexpr int64_t kTilesPerPass = 16;
constexpr int64_t kPanelsInCache = int64_t{20} << 10;
constexpr int64_t kTilesInCache = int64_t{12} << 10;  // bytes of the input of tiles that one call computes
constexpr int64_t kPatchBytes = int64_t{256} << 10;   // beyond them a patch holds fewer groups

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

/// Segments of all blocks of terms. Those of block i are first[i] to first[i + 1].
struct Segments {
  Segment* all;
  int64_t* first;
};

/// One thread's part of the work: some tiles times some columns.
template <class T>
class Cell {
 public:
  Cell(const Context& context, const DirectPlan<T>& plan, const T* packed)
      : plan_(plan), s_(plan.work.shape), packed_(packed), scratch_(context) {}

  void run(int64_t tile_begin, int64_t tile_end, int64_t column_begin, int64_t column_end) {
    if (tile_begin >= tile_end || column_begin >= column_end) return;
    const int64_t panels = std::min(plan_.num_panels, column_end - column_begin);
    const int64_t weights = plan_.packing.terms * panels * plan_.routines.panel_lanes * kBytes;
    const int64_t pass = std::min(weights > kWeightsInCache ? kTilesPerPass : 1, tile_end - tile_begin);
    const int64_t first_group = column_begin / plan_.num_panels, end_group = ceil_div(column_end, plan_.num_panels);
    prepare(pass, end_group - first_group);
    for (int64_t first = tile_begin, count = 0; first < tile_end; first += count) {
      count = std::min(pass, tile_end - first);
      for (int64_t i = 0; i < count; ++i) locate(first + i, tiles_[i]);
      alike_ = count == 1 && tiles_[0].in_place ? tiles_alike(first, tile_end) : 1;
      for (int64_t column = column_begin; column < column_end;) {
        const int64_t group = column / plan_.num_panels, begin = column % plan_.num_panels;
        const int64_t end = std::min(plan_.num_panels, begin + column_end - column);
        if (patching_ && !tiles_[0].in_place && (group - first_group) % patch_groups_ == 0)
          fill_patch(tiles_[0], group, std::min(patch_groups_, end_group - group));
        run_group(count, group, begin, end);
        column += end - begin;
      }
      if (alike_ > 1) count = alike_;
    }
  }

 private:
  static constexpr int64_t kBytes = static_cast<int64_t>(sizeof(T));

  void prepare(int64_t pass, int64_t groups) {
    tiles_ = scratch_.template get<Tile<T>>(pass);
    panel_stride_ = plan_.packing.block_terms + kBlock;
    gathered_ = scratch_.template get<T>(pass * plan_.routines.tile_pixels * panel_stride_);
    for (int64_t part = 0; part < plan_.packing.term_blocks; ++part)
      max_runs_ = std::max(max_runs_, plan_.first_run[part + 1] - plan_.first_run[part]);
    live_ = scratch_.template get<Run>(max_runs_);
    gathered_segments_ = {scratch_.template get<Segment>(pass * max_runs_), scratch_.template get<int64_t>(pass)};
    in_place_ = {plan_.segments, plan_.first_run};
    if (!plan_.addressable) return;
    kept_in_place_ = new_segments();
    const int64_t columns = s_.kernel[0] * s_.kernel[1] * plan_.patch_columns;
    const int64_t group_bytes = columns * s_.channels * kBytes;
    patching_ = plan_.patchable && pass == 1 && group_bytes <= 4 * kPatchBytes;
    if (!patching_) return;
    patch_groups_ = std::clamp<int64_t>(kPatchBytes / std::max<int64_t>(1, group_bytes), 1, groups);
    patch_stride_ = patch_groups_ * s_.channels + plan_.patch_gap;
    patch_ = scratch_.template get<T>(columns * patch_stride_);
    in_patch_ = new_segments();
    in_patch_.first = plan_.first_run;
    kept_in_patch_ = new_segments();
    for (int64_t i = 0; i < plan_.num_runs; ++i) {
      const Run& run = plan_.runs[i];
      const int64_t row = run.at[0] / s_.dilation[0] * s_.kernel[1] + run.at[1] / s_.dilation[1];
      in_patch_.all[i] = run.segment;
      in_patch_.all[i].offset = (row * plan_.patch_columns + run.at[2]) * patch_stride_ + run.first;
    }
  }
  Segments new_segments() {
    return {scratch_.template get<Segment>(plan_.num_runs),
            scratch_.template get<int64_t>(plan_.packing.term_blocks + 1)};
  }

  // --- tiles
  // ----------------------------------------------------------------------------------------------------------

  void locate(int64_t index, Tile<T>& tile) {
    const Epilogue<T>& e = plan_.work.epilogue;
    int64_t i = index;
    if (plan_.row_tiles) {
      if (index < row_begin_ || index >= row_begin_ + plan_.tiles_per_row) enter_row(index / plan_.tiles_per_row);
      i = index - row_begin_;
    }
    int64_t x = i * plan_.tile_size + std::min(i, plan_.larger_tiles), y = row_y_, z = row_z_, n = row_n_;
    tile.pixels = static_cast<int>(plan_.tile_size + (i < plan_.larger_tiles));
    if (!plan_.row_tiles) {
      y = x / s_.out[2] % s_.out[1], z = x / (s_.out[2] * s_.out[1]) % s_.out[0], n = x / s_.out_pixels();
      x %= s_.out[2];
    }
    tile.n = n, tile.z = z, tile.y = y, tile.x = x;
    const auto offset = [&](const auto& pixels) {
      return n * pixels.batch_stride + z * pixels.stride[0] + y * pixels.stride[1] + x * pixels.stride[2];
    };
    for (int p = 0; p < tile.pixels; next_row(n, z, y, x)) {
      const int end = static_cast<int>(std::min<int64_t>(tile.pixels, p + s_.out[2] - x));
      T* dst = plan_.work.dst.data + offset(plan_.work.dst);
      for (int q = p; q < end; ++q, dst += plan_.work.dst.stride[2]) tile.dst[q] = dst;
      if (e.residual.data) {
        const T* residual = e.residual.data + offset(e.residual);
        for (int q = p; q < end; ++q, residual += e.residual.stride[2]) tile.residual[q] = residual;
      }
      if (e.scale) std::fill(tile.scale + p, tile.scale + end, e.scale + n * s_.groups * s_.filters);
      p = end;
    }
    const int64_t stride = s_.stride[2] * plan_.work.src.stride[2], from = under(tile.x, 2);
    // Pixels whole pages apart share the sets of the L1 cache, which has 8 to 12 ways.
    const bool conflict = tile.pixels > 8 && stride * kBytes % 4096 == 0;
    tile.in_place = plan_.addressable && !plan_.work.input_scale && !conflict && from >= 0 &&
                    from + (tile.pixels - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2] < s_.in[2];
  }

  /// If the panels are too large for the L1 cache, tiles that are alike use one panel after the other.
  bool panel_by_panel() const {
    return plan_.packing.block_terms * plan_.num_panels * plan_.routines.panel_lanes * kBytes > kPanelsInCache;
  }
  /// The number of tiles from tiles_[0] on that are read in place too and have as many pixels, which one call computes;
  /// panel by panel only as many as leave their input in the L1 cache.
  int64_t tiles_alike(int64_t first, int64_t end) const {
    const Tile<T>& tile = tiles_[0];
    const int64_t i = first - row_begin_, step = tile.pixels * s_.stride[2];
    const int64_t same = (i < plan_.larger_tiles ? plan_.larger_tiles : plan_.tiles_per_row) - i;
    const int64_t last = under(tile.x, 2) + (tile.pixels - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2];
    const int64_t inside = (s_.in[2] - 1 - last) / step + 1;
    const int64_t bytes = step * plan_.work.src.stride[2] * s_.kernel[0] * s_.kernel[1] * kBytes;
    const int64_t cached =
        !panel_by_panel() ? same : std::max<int64_t>(1, kTilesInCache / std::max<int64_t>(1, std::abs(bytes)));
    return std::min({same, inside, cached, end - first});
  }

  void next_row(int64_t& n, int64_t& z, int64_t& y, int64_t& x) const {
    x = 0;
    if (++y < s_.out[1]) return;
    y = 0;
    if (++z < s_.out[0]) return;
    z = 0;
    ++n;
  }

  /// The input coordinate under the first tap.
  int64_t under(int64_t out, int d) const { return out * s_.stride[d] - s_.pad[d]; }
  bool inside(int64_t z, int64_t y, int64_t at_z, int64_t at_y) const {
    const int64_t from_z = under(z, 0) + at_z, from_y = under(y, 1) + at_y;
    return from_z >= 0 && from_z < s_.in[0] && from_y >= 0 && from_y < s_.in[1];
  }

  /// Drops the segments that lie above or below the image.
  void enter_row(int64_t row) {
    row_begin_ = row * plan_.tiles_per_row;
    row_y_ = row % s_.out[1], row_z_ = row / s_.out[1] % s_.out[0], row_n_ = row / (s_.out[1] * s_.out[0]);
    row_in_place_ = in_place_;
    row_in_patch_ = in_patch_;
    if (!plan_.addressable ||
        (inside(row_z_, row_y_, 0, 0) &&
         inside(row_z_, row_y_, (s_.kernel[0] - 1) * s_.dilation[0], (s_.kernel[1] - 1) * s_.dilation[1])))
      return;
    keep_inside(in_place_, kept_in_place_);
    row_in_place_ = kept_in_place_;
    if (!patching_) return;
    keep_inside(in_patch_, kept_in_patch_);
    row_in_patch_ = kept_in_patch_;
  }
  void keep_inside(const Segments& from, const Segments& kept) const {
    int64_t n = 0;
    for (int64_t part = 0; part < plan_.packing.term_blocks; ++part) {
      kept.first[part] = n;
      for (int64_t i = plan_.first_run[part]; i < plan_.first_run[part + 1]; ++i)
        if (inside(row_z_, row_y_, plan_.runs[i].at[0], plan_.runs[i].at[1])) kept.all[n++] = from.all[i];
    }
    kept.first[plan_.packing.term_blocks] = n;
  }

  // --- sums
  // -----------------------------------------------------------------------------------------------------------

  /// Panels [begin, end) of a group.
  void run_group(int64_t count, int64_t group, int64_t begin, int64_t end) {
    const Packing& packing = plan_.packing;
    TileArgs<T> args = {};
    args.block_stride = packing.block_size();
    args.epilogue = &plan_.work.epilogue;
    args.filter = group * s_.filters;
    // If tiles share a pass, all of them use each panel of weights in turn.
    args.num_panels = count == 1 ? end - begin : 1;
    for (int64_t part = 0; part < packing.term_blocks; ++part) {
      args.first = part == 0;
      args.last = part == packing.term_blocks - 1;
      args.weights = packed_ + group * packing.group_size() + part * packing.filter_blocks * packing.block_size();
      for (int64_t j = begin; j < end; j += args.num_panels) {
        args.panels = plan_.panels + j;
        for (int64_t i = 0; i < count; ++i) {
          const Tile<T>& tile = tiles_[i];
          set_source(i, group, part, j == begin, args);
          args.pixels = tile.pixels;
          args.tiles = alike_;
          args.panel_by_panel = panel_by_panel();
          args.src_step = tile.pixels * args.stride;
          args.dst_step = tile.pixels * plan_.work.dst.stride[2];
          args.residual_step = tile.pixels * plan_.work.epilogue.residual.stride[2];
          args.dst = tile.dst;
          args.residual = plan_.work.epilogue.residual.data ? tile.residual : nullptr;
          args.scale = plan_.work.epilogue.scale ? tile.scale : nullptr;
          plan_.routines.tile(args);
        }
      }
    }
  }

  /// The location of a tile's input: in the image, in the patch, or gathered (the first time).
  void set_source(int64_t i, int64_t group, int64_t part, bool first_time, TileArgs<T>& args) {
    const Tile<T>& tile = tiles_[i];
    if (tile.in_place || patching_) {
      if (tile.y != row_y_ || tile.z != row_z_ || tile.n != row_n_)  // tiles that share a pass span rows
        enter_row((tile.n * s_.out[0] + tile.z) * s_.out[1] + tile.y);
      const Segments& segments = tile.in_place ? row_in_place_ : row_in_patch_;
      args.segments = segments.all + segments.first[part];
      args.num_segments = segments.first[part + 1] - segments.first[part];
      args.src =
          tile.in_place ? source(group, tile.n, tile.z, tile.y, tile.x) : patch_ + (group - patch_group_) * s_.channels;
      args.stride = s_.stride[2] * (tile.in_place ? plan_.work.src.stride[2] : patch_stride_);
      return;
    }
    T* panel = gathered_ + i * plan_.routines.tile_pixels * panel_stride_;
    Segment* segments = gathered_segments_.all + i * max_runs_;
    if (first_time) gathered_segments_.first[i] = gather(tile, group, part, panel, segments);
    args.segments = segments;
    args.num_segments = gathered_segments_.first[i];
    args.src = panel;
    args.stride = panel_stride_;
  }

  // --- copies of the input
  // --------------------------------------------------------------------------------------------

  /// Channels of a group in the pixel under the first tap.
  const T* source(int64_t group, int64_t n, int64_t z, int64_t y, int64_t x) const {
    const Pixels<const T>& src = plan_.work.src;
    return src.data + n * src.batch_stride + under(z, 0) * src.stride[0] + under(y, 1) * src.stride[1] +
           under(x, 2) * src.stride[2] + group * s_.channels;
  }
  const T* input_scale(int64_t group, int64_t n) const {
    const T* scale = plan_.work.input_scale;
    return scale ? scale + (n * s_.groups + group) * s_.channels : nullptr;
  }

  /// Returns how many segments of the panel there are.
  int64_t gather(const Tile<T>& tile, int64_t group, int64_t part, T* panel, Segment* segments) const {
    const Run* runs = plan_.runs + plan_.first_run[part];
    int64_t num_runs = plan_.first_run[part + 1] - plan_.first_run[part];
    int64_t terms = std::min(plan_.packing.block_terms, plan_.packing.terms - part * plan_.packing.block_terms);
    const int64_t live = plan_.skips_runs ? keep_live(tile, runs, num_runs, segments) : num_runs;
    if (live < num_runs) {
      runs = live_;
      num_runs = live;
      terms = live == 0 ? 0 : segments[live - 1].offset + segments[live - 1].length;
    } else {
      segments[0] = {0, 0, ceil_div(terms, kMaxSplit) * kMaxSplit};
    }
    const int64_t padded_terms = ceil_div(terms, kMaxSplit) * kMaxSplit;
    int64_t n = tile.n, z = tile.z, y = tile.y, x = tile.x;
    for (int p = 0; p < tile.pixels; ++p, panel += panel_stride_) {
      plan_.routines.gather({source(group, n, z, y, x),
                             {under(z, 0), under(y, 1), under(x, 2)},
                             {s_.in[0], s_.in[1], s_.in[2]},
                             s_.channels,
                             input_scale(group, n),
                             runs,
                             num_runs,
                             padded_terms,
                             panel});
      if (++x == s_.out[2]) next_row(n, z, y, x);
    }
    return live < plan_.first_run[part + 1] - plan_.first_run[part] ? live : 1;
  }

  /// Copies the runs that meet the image under a pixel of the tile, one behind the other.
  int64_t keep_live(const Tile<T>& tile, const Run* runs, int64_t num_runs, Segment* segments) const {
    int64_t live = 0, offset = 0;
    for (int64_t i = 0; i < num_runs; ++i) {
      const int64_t length = runs[i].segment.length;
      if (!meets_image(tile, runs[i])) continue;
      live_[live] = runs[i];
      live_[live].segment.term = offset;
      segments[live++] = {offset, runs[i].segment.term, length};
      offset += length;
    }
    return live;
  }
  bool meets_image(const Tile<T>& tile, const Run& run) const {
    const int64_t left = run.at[2] + run.first / s_.channels;
    const int64_t right = run.at[2] + (run.first + run.segment.length - 1) / s_.channels;
    int64_t n = tile.n, z = tile.z, y = tile.y, x = tile.x;
    for (int p = 0; p < tile.pixels; ++p) {
      const int64_t from = under(x, 2);
      if (from + right >= 0 && from + left < s_.in[2] && inside(z, y, run.at[0], run.at[1])) return true;
      if (++x == s_.out[2]) next_row(n, z, y, x);
    }
    return false;
  }

  /// Copies the input of some groups under a row tile, with zeros to the left and right of the image.
  void fill_patch(const Tile<T>& tile, int64_t group, int64_t groups) {
    patch_group_ = group;
    const int64_t values = groups * s_.channels, x = under(tile.x, 2), stride = plan_.work.src.stride[2];
    const int64_t columns = (tile.pixels - 1) * s_.stride[2] + (s_.kernel[2] - 1) * s_.dilation[2] + 1;
    const int64_t from = std::clamp<int64_t>(-x, 0, columns), to = std::clamp<int64_t>(s_.in[2] - x, from, columns);
    const auto copy = plan_.routines.copy;
    for (int64_t row = 0; row < s_.kernel[0] * s_.kernel[1]; ++row) {
      const int64_t at_z = row / s_.kernel[1] * s_.dilation[0], at_y = row % s_.kernel[1] * s_.dilation[1];
      if (!inside(tile.z, tile.y, at_z, at_y)) continue;
      T* dst = patch_ + row * plan_.patch_columns * patch_stride_;
      copy(dst, patch_stride_, nullptr, 0, nullptr, values, from);
      if (to > from)
        copy(dst + from * patch_stride_, patch_stride_,
             source(group, tile.n, tile.z, tile.y, tile.x) + at_z * plan_.work.src.stride[0] +
                 at_y * plan_.work.src.stride[1] + from * stride,
             stride, input_scale(group, tile.n), values, to - from);
      copy(dst + to * patch_stride_, patch_stride_, nullptr, 0, nullptr, values, columns - to);
    }
  }

  const DirectPlan<T>& plan_;
  const Shape& s_;
  const T* packed_;
  Scratch scratch_;
  Tile<T>* tiles_ = nullptr;
  int64_t alike_ = 1;  // tiles that one call computes
  // The last tile's row, and the segments that meet the image there.
  int64_t row_begin_ = -(int64_t{1} << 62), row_n_ = -1, row_z_ = 0, row_y_ = 0;
  Segments in_place_ = {}, in_patch_ = {};
  Segments kept_in_place_ = {}, kept_in_patch_ = {}, row_in_place_ = {}, row_in_patch_ = {};
  T* gathered_ = nullptr;
  int64_t panel_stride_ = 0;
  // For each gathered tile: room for max_runs_ segments, and the number of segments in use.
  Segments gathered_segments_ = {};
  int64_t max_runs_ = 1;
  Run* live_ = nullptr;
  bool patching_ = false;
  T* patch_ = nullptr;
  int64_t patch_groups_ = 1, patch_group_ = 0, patch_stride_ = 0;
};

template <class T, bool with_padding>
void run(const Context& context, const WorkItem<T>& work, const T* packed) {
  if (work.shape.batch * work.shape.out_pixels() * work.shape.filters * work.shape.groups == 0) return;
  Scratch scratch(context);
  const DirectPlan<T> plan(work, with_padding, scratch);
  const Shape& s = plan.work.shape;
  // Chooses a grid of threads over tiles and columns: the most even one, and among equals the one that reads least.
  const int64_t threads = context.num_threads(), tiles = plan.num_tiles, columns = plan.num_columns();
  const double weights = static_cast<double>(s.groups * plan.packing.group_size());
  const double inputs = static_cast<double>(s.batch * s.in_pixels() * s.groups * s.channels);
  int64_t over_tiles = 1;
  double best = -1;
  for (int64_t n = 1; n <= threads; ++n) {
    if (threads % n != 0) continue;
    const double cells = static_cast<double>(ceil_div(tiles, n) * ceil_div(columns, threads / n));
    const int64_t beside = threads / n;
    const double reads = weights * static_cast<double>(n) + inputs * static_cast<double>(beside);
    const double cost = cells * (1 + 0.1 * reads / ((weights + inputs) * static_cast<double>(threads)));
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
                           {packed_size<float>, pack<float>, run<float, false>},
                           {packed_size<double>, pack<double>, run<double, false>}};

const Algorithm kPadded = {"padded_gemm",
                           [](const Shape&) { return true; },
                           [](const Shape&, int) { return false; },
                           {packed_size<float>, pack<float>, run<float, true>},
                           {packed_size<double>, pack<double>, run<double, true>}};

}  // namespace fastcnn::conv
