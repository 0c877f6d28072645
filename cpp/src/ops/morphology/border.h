// Where a window lies, for host and device.
#pragma once

#include "core/border.h"
#include "core/host_device.h"

namespace fastcnn {

/// How far before its pixel a window of this size starts. Dilation's footprint is reflected about its origin, size / 2.
FASTCNN_HOST_DEVICE constexpr int64_t window_start(int64_t size, bool maximum) {
  return maximum ? size - 1 - size / 2 : size / 2;
}

}  // namespace fastcnn
