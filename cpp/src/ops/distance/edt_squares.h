// The tables of k steps' costs.
#pragma once

#include "fastcnn/context.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn {

/// Returns the costs for all k that a line of n pixels needs, of both signs. The pointer is at k = 0.
template <class Cost>
const Cost* edt_squares(Scratch& scratch, int64_t n, double spacing) {
  const int64_t reach = n + kEdtPad;
  Cost* squares = scratch.get<Cost>(2 * reach + 1) + reach;
  for (int64_t k = 0; k <= reach; ++k) {
    const Cost length = static_cast<Cost>(static_cast<double>(k) * spacing);
    squares[k] = squares[-k] = length * length;
  }
  return squares;
}

/// True if int32 can represent all costs, including the sum of the infinite cost, which exceeds all real ones, and the
/// cost of one more axis.
inline bool edt_fits_int32(const int64_t* extent, int dims) {
  double maximum = 0;
  for (int i = 0; i < dims; ++i)
    maximum += static_cast<double>(extent[i] + kEdtPad) * static_cast<double>(extent[i] + kEdtPad);
  return maximum <= double{1 << 30};
}

}  // namespace fastcnn
