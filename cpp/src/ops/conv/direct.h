// The direct convolutions: implicit GEMM on register tiles (tile_simd.h).
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/tile_simd.h"

namespace fastcnn::conv {

/// How the terms of the sum, tap by tap and channel by channel, and the filters are laid out in packed weights:
/// [group][block of terms][block of filters][term][16]. It depends on nothing but the weights' shape.
struct Packing {
  int64_t terms;        ///< channels * taps
  int64_t term_blocks;  ///< sums of so many parts: bounds the rounding error, and the panels of inputs
  int64_t block_terms;  ///< in all but the last, a multiple of kMaxSplit
  int64_t filter_blocks;
  int tail_split;  ///< split of the last filter block

  explicit Packing(const Shape& s);
  int64_t block_size() const { return block_terms * kBlock; }
  int64_t group_size() const { return term_blocks * filter_blocks * block_size(); }
};

}  // namespace fastcnn::conv
