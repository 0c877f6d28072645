#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

/// No zero in the column: above every height that the fast path takes.
inline constexpr uint16_t kNoZero = 65535;
/// Rows of squares have this many elements of padding on both sides.
inline constexpr int64_t kRowPad = 64;
/// The min-plus pass looks this far. 255^2 + 22^2 is the largest sum that fits 16 bits.
inline constexpr int kReach = 22;
/// No zero in the slice, for the pass along the depth.
inline constexpr int32_t kFar = 1 << 30;

struct DistanceKernels {
  /// Distance to the nearest zero of the same column, kNoZero where there is none.
  void (*columns)(const uint8_t* mask, int64_t mask_stride, uint16_t* dst, int64_t dst_stride, int64_t height,
                  int64_t width);
  /// min(distance, 255)^2.
  void (*squares)(const uint16_t* distance, uint16_t* dst, int64_t width);
  /// dst[x] = min over |k| <= kReach of squares[x + k] + k^2. Returns whether every result is certain (at most
  /// kReach^2); per block of kRowPad pixels certain[] says the same.
  bool (*min_plus)(const uint16_t* squares, uint16_t* dst, uint8_t* certain, int64_t width);
  /// The same along the depth of a tile of `depth` rows of kRowPad int32; returns whether every result is certain.
  bool (*min_plus_depth)(const int32_t* tile, int32_t* dst, int64_t depth, int reach);
  void (*widen)(const uint16_t* src, int32_t* dst, int64_t n);
  /// Correctly rounded square roots.
  void (*root16)(const uint16_t* src, float* dst, int64_t n);
  void (*root32)(const int32_t* src, float* dst, int64_t n);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(DistanceKernels, distance_kernels)
