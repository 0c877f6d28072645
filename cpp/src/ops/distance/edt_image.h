// The ways to an exact distance transform, one image at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include "fastcnn/context.h"

namespace fastcnn {

/// An image without its axes of one pixel, and where its results go.
struct EdtImage {
  const void* mask;    ///< dense
  int mask_bytes;      ///< of a pixel
  uint64_t mask_bits;  ///< those that tell a pixel from zero: all, or all but a float's sign
  int dims;            ///< the axes left: 0 to 3
  int64_t extent[3];
  double spacing[3];
  bool real;        ///< some spacing is not 1: squares are float64, not integers
  float* distance;  ///< one of these two
  int32_t* squared;
  int64_t* nearest[3];  ///< the coordinates' planes, or null

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < dims; ++i) n *= extent[i];
    return n;
  }
};

struct EdtOutcome {
  bool found;  ///< the image has a zero; otherwise nothing has been written
  bool fits;   ///< no square exceeded int32
};

/// Up to one axis. No scratch.
EdtOutcome edt_1d(const EdtImage& image);
/// Two or three axes: distances along the first, then the lower envelope along each other.
EdtOutcome edt_bands(const Context& context, const EdtImage& image);
/// Three axes, unit spacing, no coordinates: slices, then the depth.
bool fits_edt_volume(const EdtImage& image);
EdtOutcome edt_volume(const Context& context, const EdtImage& image);

/// False where it does not fit; +inf fits a float.
inline bool write_square(double square, float* distance, int32_t* squared, int64_t i) {
  if (distance) distance[i] = static_cast<float>(std::sqrt(square));
  if (!squared) return true;
  if (square > 2147483647.0) return false;
  squared[i] = static_cast<int32_t>(square);
  return true;
}

}  // namespace fastcnn
