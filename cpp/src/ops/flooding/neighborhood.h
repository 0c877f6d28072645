// The neighbours of a pixel under a connectivity, in raster order.
#pragma once

#include <cstdint>

#include "core/image_batch.h"
#include "ops/flooding/watershed_simd.h"

namespace fastcnn {

inline Neighborhood neighborhood(int connectivity, int spatial_dims) {
  Neighborhood result{};
  const int dz_max = spatial_dims == 3 ? 1 : 0;
  for (int dz = -dz_max; dz <= dz_max; ++dz)
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx) {
        const int steps = dz * dz + dy * dy + dx * dx;
        if (steps > 0 && steps <= connectivity) result.offsets[result.count++] = {3 * (dz + 1) + dy + 1, dx};
      }
  return result;
}

/// From a pixel to each neighbour, in a dense image.
struct LinearOffsets {
  LinearOffsets(const Neighborhood& n, const Extent& e) : count(n.count) {
    for (int i = 0; i < count; ++i)
      at[i] = ((n.offsets[i].row / 3 - 1) * e.height + n.offsets[i].row % 3 - 1) * e.width + n.offsets[i].dx;
  }
  int count;
  int64_t at[26];
};

}  // namespace fastcnn
