// Coordinates outside the image.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "fastcnn/border.h"

namespace fastcnn {

/// Maps coordinate i to [0, n) by the border rule; -1 if it stays outside.
FASTCNN_HOST_DEVICE constexpr int64_t continued(int64_t i, int64_t n, Border border) {
  if (i >= 0 && i < n) return i;
  if (border == Border::replicate) return i < 0 ? 0 : n - 1;
  if (border == Border::reflect) {
    const int64_t period = 2 * n, m = ((i % period) + period) % period;
    return m < n ? m : period - 1 - m;
  }
  if (border == Border::mirror) {
    if (n == 1) return 0;
    const int64_t period = 2 * (n - 1), m = ((i % period) + period) % period;
    return m < n ? m : period - m;
  }
  return -1;
}

}  // namespace fastcnn
