// One driver for maxima, means and their gradients (see pool_window.inl).
#pragma once

#include "ops/pooling/planes.h"
#include "ops/pooling/window_sizes.h"

namespace fastcnn {

enum class PoolFold { max, mean, transposed_mean };

/// The geometry is that of the forward pass or its transpose. Sizes have been checked.
void pool_windows(const Context& context, const TensorView& src, PoolGeometry& geometry, PoolFold fold,
                  const PoolLayout& layout, int rank, const TensorView& dst);

}  // namespace fastcnn
