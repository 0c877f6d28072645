// Argument checks of the ops of this family.
#pragma once

#include <algorithm>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"

namespace fastcnn::geometry {

/// The sizes of an image batch and of its result; an empty image cannot be resized to a non-empty one.
struct Sizes {
  Sizes(const char* op, const char* argument, const TensorView& src, const TensorView& dst) {
    const BatchShape batch(src, 2, op, argument);
    height = batch.extent.height, width = batch.extent.width;
    check_dtype(dst, dtype_of(src), op, "result");
    const bool same = dst.ndim == src.ndim && std::equal(src.shape, src.shape + src.ndim - 2, dst.shape);
    FASTCNN_CHECK(same, op, ": expected result of the ", argument, "'s leading dimensions, got ", shape_text(dst));
    rows = dst.shape[dst.ndim - 2], columns = dst.shape[dst.ndim - 1];
    empty = dst.numel() == 0;
    FASTCNN_CHECK(empty || src.numel() > 0, op, ": expected ", argument, " with pixels, got ", shape_text(src));
    const int64_t maximum = INT32_MAX;
    FASTCNN_CHECK(std::max({height, width, rows, columns}) < maximum, op, ": expected sides below 2^31, got ",
                  shape_text(src), " and ", shape_text(dst));
  }
  int64_t height, width, rows, columns;
  bool empty;
};

}  // namespace fastcnn::geometry
