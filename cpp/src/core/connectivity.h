// Which pixels are neighbours: 1..spatial_dims as in scikit-image (the number of coordinates that may differ by one),
// or the neighbour count: 4 and 8 in 2-D, 6, 18 and 26 in 3-D.
#pragma once

#include <cstdint>

#include "fastcnn/error.h"

namespace fastcnn {

/// The connectivity as 1..spatial_dims.
inline int connectivity_rank(int64_t connectivity, int spatial_dims, const char* op) {
  if (connectivity >= 1 && connectivity <= spatial_dims) return static_cast<int>(connectivity);
  constexpr int kCounts[2][3] = {{4, 8, 0}, {6, 18, 26}};
  for (int rank = 1; rank <= spatial_dims; ++rank)
    if (connectivity == kCounts[spatial_dims - 2][rank - 1]) return rank;
  FASTCNN_CHECK(false, op, ": expected connectivity ", spatial_dims == 2 ? "1, 2, 4 or 8" : "1, 2, 3, 6, 18 or 26",
                ", got ", connectivity);
  return 0;
}

}  // namespace fastcnn
