// Vector kernels of the watershed: they relax tiles to their fixed point and compute rows of parents. See
// watershed.cpp.
#pragma once

#include <stdint.h>

#include "core/dispatch.h"

namespace fastcnn {

/// Pixels along each side of a tile; volumes have tiles kTileDepth deep.
inline constexpr int kTileSide = 32;
inline constexpr int kTileDepth = 8;

/// The state of one image during relaxation; dense planes of depth x height x width.
template <class T>
struct FloodField {
  int64_t depth, height, width;
  int connectivity;  // 1..3
  const T* fixed;    // depends on the rule: the lower bound of a pixel's key, or its fixed level
  T* key;
  T generation_mask;  // a combined key's generation bits
};

/// The offers of a converged tile to its 26 neighbours: for each neighbour the minimum key that would lower one of its
/// pixels, ~T(0) for none. Neighbour (dz, dy, dx) is at 9 (dz + 1) + 3 (dy + 1) + dx + 1.
template <class T>
struct TileReport {
  T offer[27];
  bool overflow;  // a combined key's generation reached its limit
};

struct TilePlace {
  int64_t z, y, x;
};

/// Relaxes a tile until nothing changes; `workspace` has tile_bytes and is 64-byte aligned. `next` is the probable next
/// tile, whose pixels are prefetched into the cache.
template <class T>
using TileKernel = void (*)(const FloodField<T>& field, const TilePlace& tile, const TilePlace& next, void* workspace,
                            TileReport<T>* report);

/// A row and the rows around it, each readable from -1 to width + 64; rows[3 (dz + 1) + dy + 1].
template <class T>
struct RowsAround {
  const T* rows[9];
};

/// A neighbour of a pixel: a row of RowsAround and a step along it.
struct NeighborOffset {
  int row, dx;
};
/// In raster order, so that neighbours i and count - 1 - i are opposite.
struct Neighborhood {
  int count;
  NeighborOffset offsets[26];
};

inline constexpr uint8_t kNoParent = 255;

/// Kernels of one key type. Rows may be read and written up to 64 pixels past the width, except those of `start`.
template <class T>
struct FloodKernels {
  int64_t tile_bytes;
  /// Level and generation in one key (of 16 and 32 bits).
  TileKernel<T> flood;
  /// Levels, then generations among equal levels (of 32 and 64 bits).
  TileKernel<T> fill, spread;

  /// Computes keys and fixed values before the flood from values, roots (markers inside the mask) and mask. Values
  /// above `gap` are reduced by one, then all are shifted left by `shift`. Lowers least[x / kTileSide] to the minimum
  /// key.
  void (*start)(const T* value, const uint8_t* root, const uint8_t* inside, int shift, T gap, T far, int64_t width,
                T* fixed, T* key, T* minimum);
  /// Sets generation 0 for roots and beside a lower level, otherwise ~T(1). Sets open[x / kTileSide] if there is a
  /// pixel of the latter kind.
  void (*source)(const RowsAround<T>& level, const Neighborhood& neighbors, const uint8_t* root, int64_t width,
                 T* generation, uint8_t* open);
  /// The index of each pixel's least neighbour; kNoParent for pixels that were not reached. Without generations, levels
  /// are combined keys.
  void (*parent)(const RowsAround<T>& level, const RowsAround<T>* generation, const Neighborhood& neighbors,
                 int64_t width, uint8_t* parent);
};

struct WatershedKernels {
  FloodKernels<uint16_t> keys16;
  FloodKernels<uint32_t> keys32;
  /// Computes from the rows of parents one bit for each neighbour (at most 8) that is a child of the pixel.
  void (*children)(const RowsAround<uint8_t>& parent, const Neighborhood& neighbors, int64_t width, uint8_t* child);
  /// Truth values of 32- and 64-bit numbers.
  void (*nonzero32)(const void* src, int64_t n, uint8_t* dst);
  void (*nonzero64)(const void* src, int64_t n, uint8_t* dst);
  /// ordered_key() of floats.
  void (*ordered_float)(const void* src, int64_t n, uint32_t* dst);
  void (*ordered_double)(const void* src, int64_t n, uint64_t* dst);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(WatershedKernels, watershed_kernels)
FASTCNN_DECLARE_KERNELS(FloodKernels<uint64_t>, watershed_wide_kernels)
