// Keeps or removes connected components by a measurement.
#pragma once

#include "fastcnn/view.h"
#include "ops/labeling/runs.h"

namespace fastcnn {

/// Filters the components of the non-zero pixels of each image of src, or of the zero pixels with filter.invert. dst:
/// bool, true for the kept components, or for everything else with filter.invert.
void filter_components(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                       RunMeasure measure, const RunFilter& filter, const TensorView& dst);
/// The same by flooding.
void filter_components_ref(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                           RunMeasure measure, const RunFilter& filter, const TensorView& dst);

/// Checks for an op with a bool result.
void check_mask(const TensorView& src, int spatial_dims, const TensorView& dst, const char* op);
/// Converts a size to the bound of a filter.
int32_t size_bound(int64_t size, const char* op, const char* argument);

}  // namespace fastcnn
