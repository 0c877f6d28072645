// The two ways to an exact distance transform, one image at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Where an image's results go: one of distance and squared, and indices or null.
struct EdtResult {
  float* distance;
  int32_t* squared;
  int64_t* indices;  ///< one plane per axis
};

/// True where squares along every axis, and their sum, stay below kFar, and columns fit 16 bits.
bool fits_fast_edt(Extent e);

/// Unit sampling, no indices. False where a squared distance does not exist.
template <class T>
bool fast_edt(const Context& context, const T* mask, Extent e, const EdtResult& dst);
/// Anything. False where a squared distance does not fit.
template <class T>
bool general_edt(const Context& context, const T* mask, Extent e, int spatial_dims, const double* sampling,
                 const EdtResult& dst);

/// False where it does not fit; +inf fits a float.
inline bool write_square(double square, const EdtResult& dst, int64_t i) {
  if (dst.distance) dst.distance[i] = static_cast<float>(std::sqrt(square));
  if (!dst.squared) return true;
  if (square > 2147483647.0) return false;
  dst.squared[i] = static_cast<int32_t>(square);
  return true;
}

}  // namespace fastcnn
