// Separable filters of one image: correlation along z, then y, then x, or the transposed operator.
#pragma once

#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/border.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"
#include "ops/filtering/taps.h"

namespace fastcnn {

struct SeparableFilter {
  Taps z, y, x;
  Border border = Border::reflect;
  bool adjoint = false;  ///< apply the transpose of the operator, border included
};

/// Receives row `row` (numbered across planes) of the result. Called once per row, from any thread. Must not throw.
template <class A>
using RowSink = FunctionRef<void(int64_t row, const A* values)>;

/// Filters the dense image src, whose dtype separable_kernels can load as A (float or double). The result is written to
/// dst, a dense image of A, or passed row by row to `sink` if dst is null. The result does not depend on the number of
/// threads. Scratch: a few rows per thread; 4 (8 for double) bytes per pixel more for volumes and for small or
/// transposed images.
template <class A>
void separable_filter(const Context& context, const void* src, DType dtype, const Extent& extent,
                      const SeparableFilter& filter, A* dst, RowSink<A> sink);

extern template void separable_filter<float>(const Context&, const void*, DType, const Extent&, const SeparableFilter&,
                                             float*, RowSink<float>);
extern template void separable_filter<double>(const Context&, const void*, DType, const Extent&, const SeparableFilter&,
                                              double*, RowSink<double>);

}  // namespace fastcnn
