// What the pooling ops share: their check, their plan and their walk over planes, rows and channels.
#pragma once

#include <algorithm>

#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "ops/pooling/geometry.h"
#include "ops/pooling/planes.h"

namespace fastcnn {

/// A piece of work: rows [first, last) and channels [c0, c1) of one plane.
struct PoolPiece {
  int64_t plane, first, last, c0, c1;
};

/// Cuts planes x rows x channels into the threads' pieces and calls body(inner context, next), where next(piece) gives
/// one thread's pieces, one after the other. Channels are cut only where there are few rows, in whole blocks.
template <class F>
void for_each_piece(const Context& context, const PoolLayout& layout, int64_t rows, int64_t block, int64_t work_per_row,
                    const F& body) {
  const int64_t threads = context.num_threads();
  int64_t blocks = 1;
  if (block > 0 && layout.planes * rows < 4 * threads)
    blocks = std::max<int64_t>(1, std::min((layout.inner + block - 1) / block, 2 * threads));
  const int64_t width = ((layout.inner + blocks - 1) / blocks + (block > 0 ? block - 1 : 0)) /
                        std::max<int64_t>(block, 1) * std::max<int64_t>(block, 1);
  const int64_t columns = blocks == 1 ? 1 : (layout.inner + width - 1) / width;
  const int64_t units = layout.planes * rows * columns;
  const int64_t grain = std::max<int64_t>(1, 32768 * columns / std::max<int64_t>(work_per_row, 1));
  context.parallel_for(0, units, grain, [&](int64_t begin, int64_t end) {
    body([&](PoolPiece& piece) {
      if (begin >= end) return false;
      // Columns are outermost, so that rows stay together.
      const int64_t column = begin / (layout.planes * rows), at = begin % (layout.planes * rows);
      piece.plane = at / rows;
      piece.first = at % rows;
      piece.last = std::min(rows, piece.first + end - begin);
      piece.c0 = blocks == 1 ? 0 : column * width;
      piece.c1 = blocks == 1 ? layout.inner : std::min(layout.inner, piece.c0 + width);
      begin += piece.last - piece.first;
      return true;
    });
  });
}

inline int64_t elements(const PoolAxis& z, const PoolAxis& y, const PoolAxis& x) { return z.in * y.in * x.in; }

}  // namespace fastcnn
