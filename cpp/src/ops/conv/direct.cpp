// Direct convolution as an implicit GEMM: no im2col of the image, which would be `taps` times as large.
//
// Pixels of a register tile at a constant distance, whose taps all lie inside, are read where they are. Other tiles (at
// borders, over several rows of narrow images, scaled inputs) are gathered first, one tile and one block of terms at a
// time, into a panel in the L1 or L2 cache, where a value is used once per filter: that costs 1 / (filters / 16) of the
// multiply-adds at most. Tiles and blocks follow from the shape only, so that the result does not depend on threads.
#include "ops/conv/direct.h"

#include <algorithm>
#include <cstddef>

namespace fastcnn::conv {
namespace {

constexpr int64_t kMaxBlockTerms = 512;
constexpr int64_t kWeightsInCache = int64_t{1} << 20;  // bytes; beyond them several tiles share a pass over the weights
constexpr int64_t kTilesPerPass = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Packing::Packing(const Shape& s) {
  terms = s.channels * s.taps();
  term_blocks = std::max<int64_t>(1, ceil_div(terms, kMaxBlockTerms));
  block_terms = ceil_div(ceil_div(terms, term_blocks), kMaxSplit) * kMaxSplit;
  filter_blocks = ceil_div(s.filters, kBlock);
  const int64_t tail = s.filters % kBlock;
  tail_split = tail == 0 || tail > 8 ? 1 : tail > 4 ? 2 : 4;
}

namespace {

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

// --- the plan: tiles, panels, segments
// --------------------------------------------------------------------------------

/// Joins dimensions of a 1x1 convolution of stride 1 that are adjacent in memory.
template <class T>
void join_dimensions(Task<T>& t) {
  Shape& s = t.shape;
  for (int d = 0; d < 3; ++d)
    if (s.kernel[d] != 1 || s.stride[d] != 1 || s.pad[d] != 0 || s.in[d] != s.out[d]) return;
  const auto adjacent = [&](int64_t outer, int64_t inner) {
    const auto holds = [&](const auto& pixels) {
      if (!pixels.data) return true;
      const int64_t outer_stride = outer < 0 ? pixels.batch_stride : pixels.stride[outer];
      return outer_stride == s.in[inner] * pixels.stride[inner];
    };
    return holds(t.src) && holds(t.dst) && holds(t.epilogue.residual);
  };
  const auto join_into_row = [&](int64_t& size) {
    s.in[2] = s.out[2] = s.in[2] * size;
    size = 1;
  };
  for (int d = 1; d >= 0; --d) {
    if (s.in[d] != 1 && !(s.in[2] == 1 || adjacent(d, 2))) return;
    if (s.in[d] != 1 && s.in[2] == 1) {
      t.src.stride[2] = t.src.stride[d];
      t.dst.stride[2] = t.dst.stride[d];
      t.epilogue.residual.stride[2] = t.epilogue.residual.stride[d];
    }
    join_into_row(s.in[d]);
    s.out[d] = 1;
  }
  if (!t.input_scale && !t.epilogue.scale && (s.batch == 1 || adjacent(-1, 2))) join_into_row(s.batch);
}

template <class T>
class Direct {
 public:
  Direct(const Context& context, const Task<T>& task, const T* packed)
      : context_(context), task_(task), packing_(task.shape), packed_(packed), kernels_(kernels()), scratch_(context) {
    join_dimensions(task_);
    plan_tiles();
    plan_columns();
    plan_segments();
  }

  void run() {
    const int64_t threads = context_.num_threads();
    // A grid of threads over tiles and columns: the most even, and of those the one that reads least.
    const Shape& s = task_.shape;
    const double weight_bytes = static_cast<double>(s.groups * packing_.group_size());
    const double input_bytes = static_cast<double>(s.batch * s.in_pixels() * s.groups * s.channels);
    int64_t over_tiles = 1;
    double best = -1;
    for (int64_t n = 1; n <= threads; ++n) {
      if (threads % n != 0) continue;
      const int64_t m = threads / n;
      const double work = static_cast<double>(ceil_div(num_tiles_, n) * ceil_div(num_columns_, m));
      const double reads =
          (weight_bytes / static_cast<double>(m) + input_bytes / static_cast<double>(n)) / (weight_bytes + input_bytes);
      const double cost = work * (1 + 0.1 * reads);
      if (best < 0 || cost < best) best = cost, over_tiles = n;
    }
    const int64_t over_columns = threads / over_tiles;
    context_.parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t cell = begin; cell < end; ++cell) {
        const int64_t i = cell / over_columns, j = cell % over_columns;
        run_cell(num_tiles_ * i / over_tiles, num_tiles_ * (i + 1) / over_tiles, num_columns_ * j / over_columns,
                 num_columns_ * (j + 1) / over_columns);
      }
    });
  }

 private:
  /// Filters [first, first + count) of a group.
  struct Panel {
    int64_t first, count;
    int64_t weights;  ///< from the block of terms
    int split;
  };

  /// Pixels of one register tile, and what is left of the plan for them.
  struct Tile {
    int pixels;
    bool in_place;  ///< readable without gathering
    const T* src;   ///< of the first pixel, under the first tap
    int64_t stride;
    int64_t batch[kMaxTilePixels];
    int64_t at[kMaxTilePixels][3];   ///< input coordinates under the first tap
    int64_t source[kMaxTilePixels];  ///< their offsets
    T* dst[kMaxTilePixels];
    const T* residual[kMaxTilePixels];
    const T* scale[kMaxTilePixels];
  };

  static const TileRoutines<T>& kernels() {
    if constexpr (sizeof(T) == 4)
      return FASTCNN_SELECT(tile_kernels).f32;
    else
      return FASTCNN_SELECT(tile_kernels).f64;
  }

  /// Tiles within a row where rows are wide enough: their pixels stand at a constant distance. Else across rows.
  void plan_tiles() {
    const Shape& s = task_.shape;
    const int64_t width = s.out[2], most = kernels_.tile_pixels;
    const int64_t rows = s.batch * s.out[0] * s.out[1];
    tiles_per_row_ = ceil_div(width, most);
    row_tiles_ = rows == 1 || tiles_per_row_ * most * 3 <= width * 4;
    if (!row_tiles_) tiles_per_row_ = ceil_div(rows * width, most);
    num_tiles_ = row_tiles_ ? rows * tiles_per_row_ : tiles_per_row_;
  }

  void plan_columns() {
    const Shape& s = task_.shape;
    panels_per_group_ = 0;
    // Split blocks are taken apart where a panel is narrower than a block.
    const int64_t lanes = kernels_.panel_lanes;
    panels_ = scratch_.template get<Panel>(2 * packing_.filter_blocks * std::max<int64_t>(1, ceil_div(kBlock, lanes)));
    for (int64_t lane = 0; lane < packing_.filter_blocks * kBlock;) {
      const int64_t block = lane / kBlock;
      const bool tail = packing_.tail_split > 1 && block == packing_.filter_blocks - 1;
      const int split = tail ? packing_.tail_split : 1;
      const int64_t whole = (packing_.filter_blocks - (packing_.tail_split > 1 ? 1 : 0)) * kBlock;
      const int64_t width = tail ? std::min<int64_t>(lanes, kBlock) : std::min(lanes, whole - lane);
      const int64_t first = block * kBlock + lane % kBlock / split;
      const int64_t count = std::min(width / split, s.filters - first);
      if (count > 0)
        panels_[panels_per_group_++] = {first, count, block * packing_.block_size() + lane % kBlock, split};
      lane += width;
    }
    num_columns_ = s.groups * panels_per_group_;
  }

  /// Rows of the kernel are one segment where its pixels are adjacent in memory, else its taps.
  void plan_segments() {
    const Shape& s = task_.shape;
    const bool whole_rows =
        s.groups == 1 && s.dilation[2] == 1 && task_.src.stride[2] == s.channels && !task_.input_scale;
    const int64_t length = whole_rows ? s.kernel[2] * s.channels : s.channels;
    const int64_t per_row = whole_rows ? 1 : s.kernel[2];
    const int64_t runs = packing_.terms / std::max<int64_t>(1, length);
    segments_ = scratch_.template get<Segment>(runs + packing_.term_blocks + 1);
    first_segment_ = scratch_.template get<int64_t>(packing_.term_blocks + 1);
    int64_t n = 0;
    for (int64_t part = 0; part < packing_.term_blocks; ++part) {
      first_segment_[part] = n;
      const int64_t first = part * packing_.block_terms, last = std::min(first + packing_.block_terms, packing_.terms);
      for (int64_t term = first; term < last;) {
        const int64_t run = term / length, row = run / per_row;
        Segment& segment = segments_[n++];
        segment.term = term - first;
        segment.first = term % length;
        segment.length = std::min(length - segment.first, last - term);
        segment.at[0] = row / s.kernel[1] * s.dilation[0];
        segment.at[1] = row % s.kernel[1] * s.dilation[1];
        segment.at[2] = run % per_row * s.dilation[2];
        segment.offset = segment.first;
        for (int d = 0; d < 3; ++d) segment.offset += segment.at[d] * task_.src.stride[d];
        term += segment.length;
      }
    }
    first_segment_[packing_.term_blocks] = n;
    split_segments_ = true;
    for (int64_t i = 0; i < n; ++i) split_segments_ = split_segments_ && segments_[i].length % kMaxSplit == 0;
  }

  void locate(int64_t index, Tile& tile) const {
    const Shape& s = task_.shape;
    const Epilogue<T>& e = task_.epilogue;
    const int64_t width = row_tiles_ ? s.out[2] : s.batch * s.out_pixels();
    const int64_t row = row_tiles_ ? index / tiles_per_row_ : 0, i = index - row * tiles_per_row_;
    // Even sizes, the larger tiles first.
    const int64_t size = width / tiles_per_row_, larger = width % tiles_per_row_;
    int64_t pixel = row * width + i * size + std::min(i, larger);
    tile.pixels = static_cast<int>(size + (i < larger));
    int64_t x = pixel % s.out[2], y = pixel / s.out[2] % s.out[1], z = pixel / (s.out[2] * s.out[1]) % s.out[0],
            n = pixel / s.out_pixels();
    for (int p = 0; p < tile.pixels; ++p) {
      tile.batch[p] = n;
      const int64_t at[3] = {z * s.stride[0] - s.pad[0], y * s.stride[1] - s.pad[1], x * s.stride[2] - s.pad[2]};
      tile.source[p] = n * task_.src.batch_stride;
      for (int d = 0; d < 3; ++d) {
        tile.at[p][d] = at[d];
        tile.source[p] += at[d] * task_.src.stride[d];
      }
      const auto offset = [&](const auto& pixels) {
        return n * pixels.batch_stride + z * pixels.stride[0] + y * pixels.stride[1] + x * pixels.stride[2];
      };
      tile.dst[p] = task_.dst.data + offset(task_.dst);
      if (e.residual.data) tile.residual[p] = e.residual.data + offset(e.residual);
      if (e.scale) tile.scale[p] = e.scale + n * s.groups * s.filters;
      if (++x == s.out[2]) {
        x = 0;
        if (++y == s.out[1]) {
          y = 0;
          if (++z == s.out[0]) z = 0, ++n;
        }
      }
    }
    tile.stride = s.stride[2] * task_.src.stride[2];
    // Pixels a multiple of a page apart share the sets of the L1 cache: more of them than it has ways are gathered.
    const bool conflicts = tile.stride * static_cast<int64_t>(sizeof(T)) % 4096 == 0 && tile.pixels > 8;
    tile.in_place = row_tiles_ && !task_.input_scale && !conflicts;
    for (int d = 0; d < 3; ++d) {
      const int64_t last = tile.at[tile.pixels - 1][d] + (s.kernel[d] - 1) * s.dilation[d];
      tile.in_place = tile.in_place && tile.at[0][d] >= 0 && last < s.in[d];
    }
  }

  void run_cell(int64_t tile_begin, int64_t tile_end, int64_t column_begin, int64_t column_end) const {
    if (tile_begin == tile_end || column_begin == column_end) return;
    const int64_t panels = std::min(panels_per_group_, column_end - column_begin);
    const bool weights_stay =
        packing_.terms * panels * kernels_.panel_lanes * static_cast<int64_t>(sizeof(T)) > kWeightsInCache;
    const int64_t pass = std::min(weights_stay ? kTilesPerPass : 1, tile_end - tile_begin);
    Scratch scratch(context_);
    Tile* tiles = scratch.template get<Tile>(pass);
    const int64_t panel_stride = packing_.block_terms + kBlock;
    T* gathered = scratch.template get<T>(pass * kernels_.tile_pixels * panel_stride);
    for (int64_t first = tile_begin; first < tile_end; first += pass) {
      const int64_t count = std::min(pass, tile_end - first);
      for (int64_t i = 0; i < count; ++i) locate(first + i, tiles[i]);
      for (int64_t column = column_begin; column < column_end;) {
        const int64_t group = column / panels_per_group_, begin = column % panels_per_group_;
        const int64_t end = std::min(panels_per_group_, begin + column_end - column);
        for (int64_t part = 0; part < packing_.term_blocks; ++part)
          run_block(tiles, count, group, begin, end, part, gathered, panel_stride);
        column += end - begin;
      }
    }
  }

  /// One block of terms of some tiles and the panels [begin, end) of a group.
  void run_block(Tile* tiles, int64_t count, int64_t group, int64_t begin, int64_t end, int64_t part, T* gathered,
                 int64_t panel_stride) const {
    const Shape& s = task_.shape;
    const int64_t terms = std::min(packing_.block_terms, packing_.terms - part * packing_.block_terms);
    const int64_t padded = ceil_div(terms, kMaxSplit) * kMaxSplit;
    const Segment* segments = segments_ + first_segment_[part];
    const int64_t num_segments = first_segment_[part + 1] - first_segment_[part];
    const Segment whole = {0, 0, padded, 0, {0, 0, 0}};
    const bool splits = panels_[end - 1].split > 1;

    TileArgs<T> args = {};
    args.block_stride = packing_.block_size();
    args.accumulate = part > 0;
    args.last = part == packing_.term_blocks - 1;
    args.epilogue = &task_.epilogue;
    const T* weights = packed_ + group * packing_.group_size() + part * packing_.filter_blocks * packing_.block_size();
    const auto in_place = [&](const Tile& tile) { return tile.in_place && (split_segments_ || !splits); };
    for (int64_t i = 0; i < count; ++i)
      if (!in_place(tiles[i]))
        for (int p = 0; p < tiles[i].pixels; ++p) {
          const Tile& tile = tiles[i];
          const T* scale =
              task_.input_scale ? task_.input_scale + (tile.batch[p] * s.groups + group) * s.channels : nullptr;
          kernels_.gather({task_.src.data + group * s.channels + tile.source[p],
                           {tile.at[p][0], tile.at[p][1], tile.at[p][2]},
                           {s.in[0], s.in[1], s.in[2]},
                           s.channels,
                           scale,
                           segments,
                           num_segments,
                           padded,
                           gathered + (i * kernels_.tile_pixels + p) * panel_stride});
        }
    for (int64_t j = begin; j < end; ++j) {
      const Panel& panel = panels_[j];
      args.weights = weights + panel.weights;
      args.split = panel.split;
      args.filters = panel.count;
      args.filter = group * s.filters + panel.first;
      args.bias = part == 0 && task_.epilogue.bias ? task_.epilogue.bias : nullptr;
      for (int64_t i = 0; i < count; ++i) {
        const Tile& tile = tiles[i];
        const bool here = in_place(tile);
        args.src = here ? task_.src.data + group * s.channels + tile.source[0]
                        : gathered + i * kernels_.tile_pixels * panel_stride;
        args.stride = here ? tile.stride : panel_stride;
        args.segments = here ? segments : &whole;
        args.num_segments = here ? num_segments : 1;
        args.pixels = tile.pixels;
        args.dst = tile.dst;
        args.residual = task_.epilogue.residual.data ? tile.residual : nullptr;
        args.scale = task_.epilogue.scale ? tile.scale : nullptr;
        kernels_.tile(args);
      }
    }
  }

  const Context& context_;
  Task<T> task_;
  const Packing packing_;
  const T* packed_;
  const TileRoutines<T>& kernels_;
  Scratch scratch_;
  bool row_tiles_ = false, split_segments_ = false;
  int64_t tiles_per_row_ = 0, num_tiles_ = 0, panels_per_group_ = 0, num_columns_ = 0;
  Panel* panels_ = nullptr;
  Segment* segments_ = nullptr;
  int64_t* first_segment_ = nullptr;
};

template <class T>
void run(const Context& context, const Task<T>& task, const T* packed) {
  if (task.shape.batch * task.shape.out_pixels() * task.shape.filters * task.shape.groups == 0) return;
  Direct<T>(context, task, packed).run();
}

}  // namespace

const Algorithm kDirect = {"implicit_gemm",
                           [](const Shape&) { return true; },
                           [](const Shape&, int) { return true; },
                           {packed_size<float>, pack<float>, run<float>},
                           {packed_size<double>, pack<double>, run<double>}};

}  // namespace fastcnn::conv
