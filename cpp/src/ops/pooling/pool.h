// Shared by the pooling ops: checks, plan, and the loop over planes, rows and channels.
#pragma once

#include <algorithm>

#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "ops/pooling/planes.h"
#include "ops/pooling/window_sizes.h"

namespace fastcnn {

/// A piece of work: rows [first, last) and channels [c0, c1), counted from a plane's first row.
struct PoolPiece {
  int64_t plane, first, last, c0, c1;
};

/// Divides planes x rows x channels into pieces for the threads and calls body(inner context, next), where next(piece)
/// returns the pieces of one thread, one after the other. Channels are divided only if there are few rows, in whole
/// blocks. A piece ends with its plane unless `spanning`, which is for tiny planes.
template <class F>
void for_each_piece(const Context& context, const PoolLayout& layout, int64_t rows, int64_t block, int64_t work_per_row,
                    bool spanning, const F& body) {
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
    // Columns are outermost, so that rows stay contiguous.
    int64_t column = begin / (layout.planes * rows), at = begin % (layout.planes * rows);
    int64_t plane = at / rows, row = at % rows, left = end - begin;
    body([&](PoolPiece& piece) {
      if (left <= 0) return false;
      const int64_t limit = spanning ? (layout.planes - plane) * rows : rows;
      piece = {plane, row, std::min(limit, row + left), 0, layout.inner};
      if (blocks > 1) {
        piece.c0 = column * width;
        piece.c1 = std::min(layout.inner, piece.c0 + width);
      }
      left -= piece.last - piece.first;
      row = 0;
      plane = spanning ? layout.planes : plane + 1;
      if (plane == layout.planes) plane = 0, ++column;
      return true;
    });
  });
}

inline int64_t elements(const PoolAxis& z, const PoolAxis& y, const PoolAxis& x) { return z.in * y.in * x.in; }

}  // namespace fastcnn
