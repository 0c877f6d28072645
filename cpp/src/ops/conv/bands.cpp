#include "ops/conv/bands.h"

namespace fastcnn::conv {
namespace {

/// The part of the input that contributes to results [first, first + count) along one dimension.
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
  // The extent of the input for this many results, away from the borders.
  const auto seen = [&](int d, int64_t count) {
    return std::min(s.in[d], (count - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1);
  };
  // Around taps that are far apart, one result may need as much as the limit. Bands of few results would then copy the
  // same pixels again and again.
  const int64_t under_one = seen(0, 1) * seen(1, 1) * seen(2, 1);
  limit = std::max(limit, 2 * under_one * in_bytes);
  if (4 * under_one >= s.in_pixels()) limit = std::max(limit, s.in_pixels() * in_bytes + s.out_pixels() * out_bytes);
  BandSteps steps{s.batch, s.out[0], s.out[1], s.out[2]};
  const auto fits = [&] {
    return steps.images * (seen(0, steps.depth) * seen(1, steps.rows) * seen(2, steps.columns) * in_bytes +
                           steps.depth * steps.rows * steps.columns * out_bytes) <=
           limit;
  };
  // `multiple`: bands consist of whole Winograd tiles, at positions that do not depend on the band.
  const auto halve = [&](int64_t& size, int64_t minimum, int64_t multiple) {
    while (size > minimum && !fits()) {
      size = (size + 1) / 2;
      if (2 * size > multiple) size = (size + multiple - 1) / multiple * multiple;
    }
  };
  halve(steps.images, 1, 1);
  // Neighbouring bands share a border of input, so all dimensions are reduced evenly.
  constexpr int64_t kMin[][3] = {{4, 8, 128}, {2, 4, 32}, {1, 1, 1}};
  for (const auto& minimum : kMin) {
    halve(steps.depth, minimum[0], 1);
    halve(steps.rows, minimum[1], 4);
    halve(steps.columns, minimum[2], 4);
  }
  return steps;
}

int64_t count_bands(const Shape& s, const BandSteps& steps) {
  return ceil_div(s.batch, steps.images) * ceil_div(s.out[0], steps.depth) * ceil_div(s.out[1], steps.rows) *
         ceil_div(s.out[2], steps.columns);
}

Band band_at(const Shape& s, const BandSteps& steps, int64_t index) {
  Band band;
  band.shape = s;
  const auto next = [&](int64_t size, int64_t step) {
    const int64_t bands = ceil_div(size, step), first = index % bands * step;
    index /= bands;
    return first;
  };
  const int64_t along[] = {steps.depth, steps.rows, steps.columns};
  for (int d = 2; d >= 0; --d) {
    const int64_t first = next(s.out[d], along[d]);
    restrict_to(band, s, d, first, std::min(along[d], s.out[d] - first));
  }
  band.n = next(s.batch, steps.images);
  band.shape.batch = std::min(steps.images, s.batch - band.n);
  return band;
}

}  // namespace fastcnn::conv
