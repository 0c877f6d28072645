// The plan of edt_bands for an image, as an argument of its kernels.
#pragma once

#include <stdint.h>

namespace fastcnn {

/// The type of squared distances. Integers are exact; float64 is for spacings, whose squares are added in the order of
/// the axes, as in SciPy.
enum class EdtCost { int32, int64, float64 };

/// "Slice" is what one step along the first axis holds: a row of an image, a plane of a volume.
struct EdtPlan {
  int dims;                    ///< 2 or 3
  int64_t slices, length;      ///< the first axis, and the pixels of a slice
  int64_t height, width;       ///< of a slice; height is 1 for an image's row
  int64_t band_slices, bands;  ///< the first axis is cut into bands, the units of parallel work

  const void* mask;
  uint64_t mask_bits;
  void *above, *below;  ///< [bands, length] gaps: to the nearest zero before and behind each band

  double spacing;                   ///< along the first axis
  double inverse_y, inverse_x;      ///< 1 / spacing
  const void *square_y, *square_x;  ///< the costs of k steps, at index k, for both signs of k

  float* distance;  ///< the results; one of these two
  int32_t* squared;
  int64_t* nearest[3];  ///< or null
};

/// Scratch memory of one thread. Lines have kEdtPad extra elements on both sides.
struct EdtWorkspace {
  int64_t columns;       ///< of a plane that are solved together
  int64_t stride;        ///< from one column's line to the next
  void *cost, *rank;     ///< [max(1, columns), line]
  void *best, *sources;  ///< [columns, height]: what plane_columns finds
  int64_t* edges;        ///< [line / kEdtBlock + 2]
  uint16_t* near_cost;   ///< [width]
  int32_t* slack;        ///< [width / kEdtNear + 1]
};

inline constexpr int kEdtPad = 64;     ///< readable elements before and behind a line
inline constexpr int kEdtBundle = 16;  ///< columns that are transposed together, at most
inline constexpr int kEdtNear = 64;    ///< pixels that the near pass takes together
inline constexpr int kEdtBlock = 16;   ///< the least distance of two edges

}  // namespace fastcnn
