// The rows around a row of an image, each with a margin, for kernels that read neighbours without checking for borders.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "ops/flooding/watershed_simd.h"

namespace fastcnn {

/// Rows of a dense image.
template <class T>
struct DenseRows {
  const T* image;
  int64_t width;
  void operator()(int64_t row, T* buffer) const {
    std::memcpy(buffer, image + row * width, static_cast<size_t>(width) * sizeof(T));
  }
};

/// Rows(row, buffer) writes row z * height + y.
template <class T, class Rows = DenseRows<T>>
class RowWindow {
 public:
  /// `outside` is the value of pixels beyond the image.
  RowWindow(Scratch& scratch, const T* image, const Extent& extent, T outside)
      : RowWindow(scratch, DenseRows<T>{image, extent.width}, extent, outside) {}
  RowWindow(Scratch& scratch, Rows rows, const Extent& extent, T outside)
      : rows_(rows), extent_(extent), planes_(extent.depth > 1 ? 3 : 1) {
    const int64_t stride = kMargin + extent.width + kMargin;
    T* memory = scratch.get<T>(stride * (3 * planes_ + 1));
    for (int64_t i = 0; i < stride * (3 * planes_ + 1); ++i) memory[i] = outside;
    nothing_ = memory + kMargin;
    for (int i = 0; i < 3 * planes_; ++i) buffers_[i] = memory + (i + 1) * stride + kMargin;
    for (const T*& row : around_.rows) row = nothing_;
  }

  /// The rows around row (z, y). Cheapest when rows are visited in order.
  const RowsAround<T>& at(int64_t z, int64_t y) {
    const bool next = z == z_ && y == y_ + 1;
    z_ = z;
    y_ = y;
    for (int p = 0; p < planes_; ++p) {
      const int dz = planes_ == 3 ? p - 1 : 0;
      const T** rows = &around_.rows[3 * (dz + 1)];
      for (int dy = -1; dy <= 1; ++dy) {
        const int64_t iz = z + dz, iy = y + dy;
        const bool inside = iz >= 0 && iz < extent_.depth && iy >= 0 && iy < extent_.height;
        T* buffer = buffers_[3 * p + (iy + 3) % 3];
        if (inside && (dy == 1 || !next)) rows_(iz * extent_.height + iy, buffer);
        rows[dy + 1] = inside ? buffer : nothing_;
      }
    }
    return around_;
  }

 private:
  static constexpr int64_t kMargin = 64;  // one pixel is needed, but whole vectors are read
  Rows rows_;
  Extent extent_;
  int planes_;
  T* nothing_;
  T* buffers_[9];
  RowsAround<T> around_;
  int64_t z_ = -1, y_ = -2;
};

}  // namespace fastcnn
