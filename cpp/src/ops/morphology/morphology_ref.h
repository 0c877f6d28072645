// The readable oracle: every footprint member looked up for every pixel. O(pixels x members).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/border.h"
#include "core/half.h"
#include "core/image_batch.h"
#include "fastcnn/ops/morphology.h"

namespace fastcnn {

template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return T::from(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

template <class T>
void extremum_ref(bool maximum, const T* src, Extent e, const Footprint& f, Border border, double value, T* dst) {
  for (int64_t z = 0; z < e.depth; ++z)
    for (int64_t y = 0; y < e.height; ++y)
      for (int64_t x = 0; x < e.width; ++x) {
        bool any = false;
        T best{};
        for (int64_t k = 0, c = 0; c < f.depth; ++c)
          for (int64_t b = 0; b < f.height; ++b)
            for (int64_t a = 0; a < f.width; ++a, ++k) {
              if (f.mask && !f.mask[k]) continue;
              const int64_t sign = maximum ? -1 : 1;
              const int64_t sz = continued(z + sign * (c - f.depth / 2), e.depth, border);
              const int64_t sy = continued(y + sign * (b - f.height / 2), e.height, border);
              const int64_t sx = continued(x + sign * (a - f.width / 2), e.width, border);
              const bool outside = sz < 0 || sy < 0 || sx < 0;
              if (outside && border == Border::geodesic) continue;
              const T v = outside ? from_double<T>(value) : src[(sz * e.height + sy) * e.width + sx];
              if (!any || (maximum ? v > best : v < best)) best = v;
              any = true;
            }
        *dst++ = any ? best : T{};
      }
}

}  // namespace fastcnn
