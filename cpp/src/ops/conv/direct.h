// The direct convolution: implicit GEMM on register tiles (tile_simd.h).
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/tile_simd.h"

namespace fastcnn::conv {

/// How the terms of the sum, tap by tap and channel by channel, and the filters are laid out in packed weights:
/// [group][block of terms][block of filters][term][16]. It depends on nothing but the weights' shape.
struct Packing {
  int64_t terms;        ///< channels * taps
  int64_t term_blocks;  ///< the sum is one of so many sums: bounds the rounding error, and the panels of inputs
  int64_t block_terms;  ///< of all but the last, a multiple of kMaxSplit
  int64_t filter_blocks;
  int tail_split;  ///< of the last filter block

  explicit Packing(const Shape& s);
  int64_t block_size() const { return block_terms * kBlock; }
  int64_t group_size() const { return term_blocks * filter_blocks * block_size(); }
};

/// What all threads share.
template <class T>
struct DirectPlan {
  Task<T> task;
  const Packing packing;
  const TileRoutines<T>& routines;

  /// Tiles within a row where rows are wide enough: their pixels stand at a constant distance. Else across rows.
  bool row_tiles;
  int64_t tiles_per_row, num_tiles;
  int64_t tile_size, larger_tiles;  ///< so many tiles of a row, the first ones, are one pixel larger
  /// A group's filters.
  Panel* panels;
  int64_t num_panels;
  /// Terms of each block of terms: [first_run[part], first_run[part + 1]).
  Run* runs;
  Segment* segments;  ///< of the runs, in the image
  int64_t* first_run;
  int64_t num_runs;
  /// Runs can be read as they are: in row tiles, without parting what a split joins. Never where zeros around the image
  /// have to be multiplied too, since what is read as it is leaves out taps above and below it.
  bool addressable;
  /// Layout of a patch, [kernel row][column][channel of some groups], which stands for the image where a row tile
  /// reaches outside.
  int64_t patch_columns, patch_gap;
  bool patchable;

  DirectPlan(const Task<T>& t, bool with_padding, Scratch& scratch);
  int64_t num_columns() const { return task.shape.groups * num_panels; }  ///< group by group, panel by panel

 private:
  void join_dimensions();
  void plan_tiles();
  void plan_panels(Scratch& scratch);
  void plan_runs(bool with_padding, Scratch& scratch);
};

}  // namespace fastcnn::conv
