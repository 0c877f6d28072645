// The readable oracle of all ops based on connected components: flood fill from each unvisited pixel in raster order.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "core/image_batch.h"

namespace fastcnn {

/// Numbers the components of the pixels with object(p), where neighbours p and q are connected if same(p, q).
template <class Object, class Same>
int32_t flood_components(const Extent& extent, int connectivity, Scratch& scratch, const Object& object,
                         const Same& same, int32_t* labels) {
  const int64_t size = extent.size();
  std::fill_n(labels, size, 0);
  auto* stack = scratch.get<int64_t>(size);
  int32_t count = 0;
  for (int64_t seed = 0; seed < size; ++seed) {
    if (!object(seed) || labels[seed]) continue;
    labels[seed] = ++count;
    stack[0] = seed;
    for (int64_t top = 1; top > 0;) {
      const int64_t p = stack[--top];
      const int64_t x = p % extent.width, y = p / extent.width % extent.height, z = p / extent.width / extent.height;
      for (int64_t dz = -1; dz <= 1; ++dz)
        for (int64_t dy = -1; dy <= 1; ++dy)
          for (int64_t dx = -1; dx <= 1; ++dx) {
            if (std::abs(dz) + std::abs(dy) + std::abs(dx) > connectivity) continue;
            if (z + dz < 0 || z + dz >= extent.depth || y + dy < 0 || y + dy >= extent.height || x + dx < 0 ||
                x + dx >= extent.width)
              continue;
            const int64_t q = p + (dz * extent.height + dy) * extent.width + dx;
            if (!object(q) || labels[q] || !same(p, q)) continue;
            labels[q] = count;
            stack[top++] = q;
          }
    }
  }
  return count;
}

inline bool on_border(const Extent& extent, int spatial_dims, int64_t p) {
  const int64_t x = p % extent.width, y = p / extent.width % extent.height, z = p / extent.width / extent.height;
  return x == 0 || x + 1 == extent.width || y == 0 || y + 1 == extent.height ||
         (spatial_dims == 3 && (z == 0 || z + 1 == extent.depth));
}

}  // namespace fastcnn
