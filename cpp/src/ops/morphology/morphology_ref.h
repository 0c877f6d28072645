// The readable oracle: looks up every footprint member for every pixel. O(pixels x members).
#pragma once

#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/ops/morphology.h"
#include "ops/morphology/border.h"

namespace fastcnn {

/// f(index) for every member that the window at (z, y, x) meets; index is -1 for what lies outside.
template <class F>
void each_member(bool maximum, const Extent& e, const Footprint& f, Border border, int64_t z, int64_t y, int64_t x,
                 const F& visit) {
  const int64_t sign = maximum ? -1 : 1;  // dilation reflects the footprint
  for (int64_t k = 0, c = 0; c < f.depth; ++c)
    for (int64_t b = 0; b < f.height; ++b)
      for (int64_t a = 0; a < f.width; ++a, ++k) {
        if (f.mask && !f.mask[k]) continue;
        const int64_t sz = continued(z + sign * (c - f.depth / 2), e.depth, border);
        const int64_t sy = continued(y + sign * (b - f.height / 2), e.height, border);
        const int64_t sx = continued(x + sign * (a - f.width / 2), e.width, border);
        const bool outside = sz < 0 || sy < 0 || sx < 0;
        if (outside && border == Border::geodesic) continue;
        visit(outside ? -1 : (sz * e.height + sy) * e.width + sx);
      }
}

}  // namespace fastcnn
