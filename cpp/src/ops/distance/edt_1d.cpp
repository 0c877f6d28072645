#include <cstring>

#include "ops/distance/edt_image.h"

namespace fastcnn {
namespace {

int64_t next_zero(const EdtImage& image, int64_t from, int64_t n) {
  for (; from < n; ++from) {
    uint64_t pixel = 0;
    std::memcpy(&pixel, static_cast<const char*>(image.mask) + from * image.mask_bytes,
                static_cast<size_t>(image.mask_bytes));
    if ((pixel & image.mask_bits) == 0) break;
  }
  return from;
}

}  // namespace

// Between two consecutive zeros, the first half of the pixels is nearer to the first zero.
EdtOutcome edt_1d(const EdtImage& image) {
  const int64_t n = image.size();
  int64_t after = next_zero(image, 0, n);
  if (after == n) return {false, true};
  int64_t before = after;
  bool fits = true;
  for (int64_t x = 0; x < n; ++x) {
    if (x > after) {
      before = after < n ? after : before;
      after = next_zero(image, x, n);
    }
    const int64_t nearest = after < n && after - x < std::abs(x - before) ? after : before;
    const double length = static_cast<double>(x - nearest) * (image.dims ? image.spacing[0] : 1);
    fits = write_square(length * length, image.distance, image.squared, x) && fits;
    if (image.nearest[0]) image.nearest[0][x] = nearest;
  }
  return {true, fits};
}

}  // namespace fastcnn
