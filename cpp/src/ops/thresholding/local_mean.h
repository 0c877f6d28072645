// The mean over a block around every pixel of one image, with a reflected border. Its cost hardly depends on the block
// size.
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

/// src: a dense image. The result does not depend on the number of threads. Scratch memory: a few rows per thread for
/// integers; for floats, as many rows per thread as the block has, at most 16 bytes per pixel.
void local_mean(const Context& context, const void* src, DType dtype, const Extent& extent, const LocalMean& mean);

}  // namespace fastcnn
