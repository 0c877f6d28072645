// Layout of the packed weights, tiles, panels and runs of the direct convolution. Everything depends only on the shape
// and the ISA, so that the result does not depend on threads.
#include <algorithm>

#include "ops/conv/direct.h"

namespace fastcnn::conv {
namespace {

constexpr int64_t kMaxBlockTerms = 256;

template <class T>
const TileRoutines<T>& tile_routines() {
  return in_type<T>(FASTCNN_SELECT(tile_kernels));
}

}  // namespace

Packing::Packing(const Shape& s) {
  terms = s.channels * s.taps();
  term_blocks = std::max<int64_t>(1, ceil_div(terms, kMaxBlockTerms));
  block_terms = ceil_div(ceil_div(terms, term_blocks), kMaxSplit) * kMaxSplit;
  filter_blocks = ceil_div(s.filters, kBlock);
  const int64_t tail = s.filters % kBlock;
  tail_split = tail == 0 || tail > 8 ? 1 : tail > 4 ? 2 : 4;
}

bool skips_outside(const Shape& s) {
  bool wide = false;
  for (int d = 0; d < 3; ++d) wide = wide || (s.kernel[d] > 1 && s.pad[d] >= ceil_div(s.in[d], 8));
  return wide && s.channels >= kBlock;
}

double used_taps(const Shape& s) {
  if (!skips_outside(s)) return static_cast<double>(s.taps());
  constexpr int64_t kTile = 6;  // pixels, of which one is enough
  double taps = 1;
  for (int d = 0; d < 3; ++d) {
    double along = 0;
    for (int64_t k = 0; k < s.kernel[d]; ++k) {
      const int64_t first = s.pad[d] - k * s.dilation[d], last = first + s.in[d] - 1;  // in steps of the input
      const int64_t begin = std::max<int64_t>(0, first > 0 ? ceil_div(first, s.stride[d]) : 0);
      const int64_t end = last < 0 ? 0 : std::min(s.out[d], last / s.stride[d] + 1);
      const int64_t used = end > begin ? std::min(s.out[d], end - begin + (d == 2 ? kTile : 0)) : 0;
      along += static_cast<double>(used) / static_cast<double>(std::max<int64_t>(1, s.out[d]));
    }
    taps *= along;
  }
  return taps;
}

template <class T>
DirectPlan<T>::DirectPlan(const WorkItem<T>& t, bool with_padding, Scratch& scratch)
    : work(t), packing(t.shape), routines(tile_routines<T>()) {
  join_dimensions();
  plan_tiles();
  plan_panels(scratch);
  plan_runs(with_padding, scratch);
}

/// Joins dimensions of a 1x1 convolution of stride 1 that are adjacent in memory into one long row.
template <class T>
void DirectPlan<T>::join_dimensions() {
  Shape& s = work.shape;
  for (int d = 0; d < 3; ++d)
    if (s.kernel[d] != 1 || s.stride[d] != 1 || s.pad[d] != 0 || s.in[d] != s.out[d]) return;
  const auto join = [&](int64_t Shape::* batch, int d) {  // dimension d, or the batch, into the last one
    int64_t& size = batch ? s.*batch : s.in[d];
    const auto stride = [&](auto& pixels) -> int64_t& { return batch ? pixels.batch_stride : pixels.stride[d]; };
    if (s.in[2] == 1) {
      work.src.stride[2] = stride(work.src);
      work.dst.stride[2] = stride(work.dst);
      work.epilogue.residual.stride[2] = stride(work.epilogue.residual);
    } else if (size != 1) {
      const auto adjacent = [&](auto& pixels) { return !pixels.data || stride(pixels) == s.in[2] * pixels.stride[2]; };
      if (!adjacent(work.src) || !adjacent(work.dst) || !adjacent(work.epilogue.residual)) return false;
    }
    s.in[2] = s.out[2] = s.in[2] * size;
    size = 1;
    if (!batch) s.out[d] = 1;
    return true;
  };
  if (!join(nullptr, 1) || !join(nullptr, 0)) return;
  if (!work.input_scale && !work.epilogue.scale) join(&Shape::batch, 0);
}

template <class T>
void DirectPlan<T>::plan_tiles() {
  const Shape& s = work.shape;
  const int64_t width = s.out[2], rows = s.batch * s.out[0] * s.out[1], maximum = routines.tile_pixels;
  tiles_per_row = ceil_div(width, maximum);
  // Gathering is not worthwhile for few filters.
  row_tiles = rows == 1 || tiles_per_row * maximum * 3 <= width * 4 || (s.filters <= kBlock && width > 3);
  if (!row_tiles) tiles_per_row = ceil_div(rows * width, maximum);
  num_tiles = row_tiles ? rows * tiles_per_row : tiles_per_row;
  const int64_t pixels = row_tiles ? width : rows * width;
  tile_size = pixels / tiles_per_row;
  larger_tiles = pixels % tiles_per_row;
}

template <class T>
void DirectPlan<T>::plan_panels(Scratch& scratch) {
  const int64_t lanes = routines.panel_lanes, filters = work.shape.filters;
  const int64_t whole = (packing.filter_blocks - (packing.tail_split > 1 ? 1 : 0)) * kBlock;
  num_panels = 0;
  panels = scratch.get<Panel>(packing.filter_blocks * std::max<int64_t>(1, kBlock / lanes) + 1);
  for (int64_t lane = 0; lane < packing.filter_blocks * kBlock;) {
    const bool tail = lane >= whole;
    const int split = tail ? packing.tail_split : 1;
    const int64_t width = std::min(lanes, tail ? kBlock : whole - lane);
    const int64_t block = lane / kBlock, first = block * kBlock + lane % kBlock / split;
    const int64_t count = std::min(width / split, filters - first);
    if (count > 0) panels[num_panels++] = {first, count, block * packing.block_size() + lane % kBlock, split};
    lane += width;
  }
}

/// A row of the kernel is one run if its pixels are adjacent in memory; otherwise each tap is a run.
template <class T>
void DirectPlan<T>::plan_runs(bool with_padding, Scratch& scratch) {
  const Shape& s = work.shape;
  const bool rows =
      s.groups == 1 && s.dilation[2] == 1 && work.src.stride[2] == s.channels && !work.input_scale && s.kernel[2] > 1;
  const int64_t per_row = rows ? 1 : s.kernel[2], length = s.channels * (s.kernel[2] / per_row);
  const int64_t maximum = (length > 0 ? packing.terms / length : 0) + packing.term_blocks;
  runs = scratch.get<Run>(maximum);
  first_run = scratch.get<int64_t>(packing.term_blocks + 1);
  num_runs = 0;
  bool divisible = true;
  for (int64_t part = 0; part < packing.term_blocks; ++part) {
    first_run[part] = num_runs;
    const int64_t begin = part * packing.block_terms, end = std::min(begin + packing.block_terms, packing.terms);
    for (int64_t term = begin; term < end; term += runs[num_runs++].segment.length) {
      const int64_t i = term / length, row = i / per_row;
      Run& run = runs[num_runs];
      run.first = term % length;
      run.at[0] = row / s.kernel[1] * s.dilation[0];
      run.at[1] = row % s.kernel[1] * s.dilation[1];
      run.at[2] = i % per_row * s.dilation[2];
      run.segment = {run.first, term - begin, std::min(length - run.first, end - term)};
      for (int d = 0; d < 3; ++d) run.segment.offset += run.at[d] * work.src.stride[d];
      divisible = divisible && run.segment.length % kMaxSplit == 0;
    }
  }
  first_run[packing.term_blocks] = num_runs;

  segments = scratch.get<Segment>(maximum);
  for (int64_t i = 0; i < num_runs; ++i) segments[i] = runs[i].segment;

  addressable = !with_padding && row_tiles && (divisible || packing.tail_split == 1);
  skips_runs = !with_padding && (divisible || packing.tail_split == 1) && skips_outside(s);
  // Copying a patch is worthwhile if the patch is smaller than the data that gathering would write.
  patch_columns = (routines.tile_pixels - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1;
  patchable = patch_columns <= routines.tile_pixels * s.kernel[2];
  // Whole rows of the kernel are read in one go, without gaps.
  patch_gap = rows ? 0 : kBlock;
}

template struct DirectPlan<float>;
template struct DirectPlan<double>;

}  // namespace fastcnn::conv
