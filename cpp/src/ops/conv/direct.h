// The direct convolution: implicit GEMM on register tiles (tile_simd.h).
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/tile_simd.h"

namespace fastcnn::conv {

/// How the terms of the sum, tap by tap and channel by channel, and the filters are laid out in packed weights:
/// [group][block of terms][block of filters][term][16]. The layout depends only on the shape of the weights.
struct Packing {
  int64_t terms;        ///< channels * taps
  int64_t term_blocks;  ///< the sum is split into this many sums, which limits the rounding error and the size of input
                        ///< panels
  int64_t block_terms;  ///< of all but the last, a multiple of kMaxSplit
  int64_t filter_blocks;
  int tail_split;  ///< of the last filter block

  explicit Packing(const Shape& s);
  int64_t block_size() const { return block_terms * kBlock; }
  int64_t group_size() const { return term_blocks * filter_blocks * block_size(); }
};

/// True if runs outside the image are left out, which is worthwhile if the padding is a good part of the image, as
/// around taps that are far apart.
bool skips_outside(const Shape& s);
/// About how many taps a pixel of the result uses; fewer than all if some are left out.
double used_taps(const Shape& s);

/// Data that all threads share.
template <class T>
struct DirectPlan {
  WorkItem<T> work;
  const Packing packing;
  const TileRoutines<T>& routines;

  /// If rows are wide enough, tiles lie within a row and their pixels have a constant distance. Otherwise tiles span
  /// rows.
  bool row_tiles;
  int64_t tiles_per_row, num_tiles;
  int64_t tile_size, larger_tiles;  ///< the first `larger_tiles` tiles of a row are one pixel larger
  /// A group's filters.
  Panel* panels;
  int64_t num_panels;
  /// Terms of each block of terms: [first_run[part], first_run[part + 1]).
  Run* runs;
  Segment* segments;  ///< of the runs, in the image
  int64_t* first_run;
  int64_t num_runs;
  /// Runs can be read in place: in row tiles, without separating values that a split joins. Not possible if the zeros
  /// around the image must be multiplied too, because reading in place omits taps above and below the image.
  bool addressable;
  /// Layout of a patch, [kernel row][column][channel of some groups]. It replaces the image if a row tile reaches
  /// outside.
  int64_t patch_columns, patch_gap;
  bool patchable;
  /// Runs that lie outside the image under all pixels of a gathered tile are left out.
  bool skips_runs;

  DirectPlan(const WorkItem<T>& t, bool with_padding, Scratch& scratch);
  int64_t num_columns() const { return work.shape.groups * num_panels; }  ///< group by group, panel by panel

 private:
  void join_dimensions();
  void plan_tiles();
  void plan_panels(Scratch& scratch);
  void plan_runs(bool with_padding, Scratch& scratch);
};

}  // namespace fastcnn::conv
