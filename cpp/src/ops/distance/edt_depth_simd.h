// The pass of edt_volume along the depth.
#pragma once

#include "core/dispatch.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn {

/// The value for a slice without a zero. Its sum with the square of any depth that edt_volume takes still fits int32.
inline constexpr int32_t kEdtFar = 1 << 30;
inline constexpr int64_t kEdtTile = 64;

struct EdtDepth {
  int64_t depth, plane;
  const int32_t* square_z;
  void* volume;  ///< squares within the slices, int32; becomes the squares, or the distances in float32
  bool distances;
};

/// Scratch of one thread.
struct EdtDepthWorkspace {
  int32_t *tile, *result;  ///< [depth, kEdtTile]
  int32_t* line;           ///< [depth + kEdtPad]
  int64_t* edges;          ///< [depth / kEdtBlock + 2]
};

struct EdtDepthKernels {
  /// Processes the whole depth for `count` pixels of the plane, at most kEdtTile.
  void (*tile)(const EdtDepth&, const EdtDepthWorkspace&, int64_t begin, int64_t count);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(EdtDepthKernels, edt_depth_kernels)
