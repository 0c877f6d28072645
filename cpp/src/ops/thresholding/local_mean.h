// The mean over a block around every pixel of one image, the border reflected; its cost hardly depends on the block.
#pragma once

#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The use of the means m: rows of m - offset are written to `threshold` (of local_threshold_dtype). If that is null,
/// pixel > m - offset is written to `mask`.
struct LocalMean {
  int64_t block_size;
  double offset;
  void* threshold;
  uint8_t* mask;
};

/// src: a dense image. The result does not depend on the number of threads.
/// Scratch: integers a few rows per thread; floats as many rows per thread as the block has, 16 bytes per pixel at
/// most.
void local_mean(const Context& context, const void* src, DType dtype, const Extent& extent, const LocalMean& mean);

}  // namespace fastcnn
