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

int64_t count_bands(const Shape& shape, const BandSteps& steps);
/// Columns first, then rows, planes and images.
Band band_at(const Shape& shape, const BandSteps& steps, int64_t index);

template <class F>
void for_each_band(const Shape& shape, const BandSteps& steps, const F& body) {
  for (int64_t i = 0; i < count_bands(shape, steps); ++i) body(band_at(shape, steps, i));
}

}  // namespace fastcnn::conv
