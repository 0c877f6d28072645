#include "ops/conv/bands.h"

namespace fastcnn::conv {
namespace {

/// The part of the input that results [first, first + count) see along one dimension.
void restrict_to(Band& band, const Shape& whole, int d, int64_t first, int64_t count) {
  const int64_t begin = first * whole.stride[d] - whole.pad[d];
  const int64_t end = begin + (count - 1) * whole.stride[d] + (whole.kernel[d] - 1) * whole.dilation[d] + 1;
  band.out[d] = first;
  band.shape.out[d] = count;
  band.in[d] = std::clamp<int64_t>(begin, 0, whole.in[d]);
  band.shape.in[d] = std::clamp<int64_t>(end, band.in[d], whole.in[d]) - band.in[d];
  band.shape.pad[d] = band.in[d] - begin;
}

}  // namespace

BandSteps plan_bands(const Shape& s, int64_t limit, int64_t in_bytes, int64_t out_bytes) {
  // The input that so many results see away from the borders.
  const auto seen = [&](int d, int64_t count) {
    return std::min(s.in[d], (count - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1);
  };
  const auto fits = [&](const BandSteps& b) {
    return b.images *
               (seen(0, b.depth) * seen(1, b.rows) * s.in[2] * in_bytes + b.depth * b.rows * s.out[2] * out_bytes) <=
           limit;
  };
  BandSteps steps{s.batch, s.out[0], s.out[1]};
  while (steps.images > 1 && !fits(steps)) steps.images = (steps.images + 1) / 2;
  while (steps.depth > 1 && !fits(steps)) steps.depth = (steps.depth + 1) / 2;
  while (steps.rows > 1 && !fits(steps)) {
    steps.rows = (steps.rows + 1) / 2;
    if (steps.rows > 4) steps.rows = (steps.rows + 3) / 4 * 4;  // whole Winograd tiles
  }
  return steps;
}

Band band_at(const Shape& s, const BandSteps& steps, int64_t n, int64_t z, int64_t y) {
  Band band;
  band.n = n;
  band.shape = s;
  band.shape.batch = std::min(steps.images, s.batch - n);
  restrict_to(band, s, 0, z, std::min(steps.depth, s.out[0] - z));
  restrict_to(band, s, 1, y, std::min(steps.rows, s.out[1] - y));
  return band;
}

}  // namespace fastcnn::conv
