// Pieces of a convolution whose images fit a memory limit: images, planes, rows and columns of the result.
#pragma once

#include <algorithm>

#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// The start of a piece in both images, and its shape.
struct Band {
  int64_t n = 0, out[3] = {0, 0, 0}, in[3] = {0, 0, 0};
  Shape shape;
};

/// The maximum number of images, planes, rows and columns of the result in a band.
struct BandSteps {
  int64_t images, depth, rows, columns;
};
/// The band size that `limit` bytes allow, given the bytes per pixel of the input and of the result, or twice the
/// pixels under one result; at least one pixel.
BandSteps plan_bands(const Shape& shape, int64_t limit, int64_t in_bytes, int64_t out_bytes);

Band band_at(const Shape& shape, const BandSteps& steps, int64_t n, int64_t z, int64_t y, int64_t x);

template <class F>
void for_each_band(const Shape& shape, const BandSteps& steps, const F& body) {
  for (int64_t n = 0; n < shape.batch; n += steps.images)
    for (int64_t z = 0; z < shape.out[0]; z += steps.depth)
      for (int64_t y = 0; y < shape.out[1]; y += steps.rows)
        for (int64_t x = 0; x < shape.out[2]; x += steps.columns) body(band_at(shape, steps, n, z, y, x));
}

}  // namespace fastcnn::conv
