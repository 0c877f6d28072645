// Keeps or drops connected components by what is measured of them.
#pragma once

#include "fastcnn/view.h"
#include "ops/labeling/runs.h"

namespace fastcnn {

/// The components of the non-zero pixels of each image of src, or with filter.invert of the zero ones, filtered; dst:
/// bool, the components that are kept, or with filter.invert all but them.
void filter_components(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                       RunMeasure measure, const RunFilter& filter, const TensorView& dst);
/// The same by flooding.
void filter_components_ref(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                           RunMeasure measure, const RunFilter& filter, const TensorView& dst);

/// The checks of an op whose result is bool.
void check_mask(const TensorView& src, int spatial_dims, const TensorView& dst, const char* op);
/// A size as a filter's bound.
int32_t size_bound(int64_t size, const char* op, const char* argument);

}  // namespace fastcnn
