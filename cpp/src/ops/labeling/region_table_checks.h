// Shared by the region table, its reference and its gradient.
#pragma once

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/labeling_checks.h"

namespace fastcnn {

inline constexpr const char* kRegionTable = "region_table";

/// The dtype of a mean: the intensity's where that is a float, else float32.
template <class V>
using MeanOf = std::conditional_t<std::is_integral_v<V>, float, V>;

template <class V>
V from_double(double value) {
  if constexpr (std::is_arithmetic_v<V>)
    return static_cast<V>(value);
  else
    return V::from(static_cast<float>(value));
}

struct RegionTableCall {
  RegionTableCall(const TensorView& labels, const TensorView* intensity, int spatial_dims, const RegionTableViews& dst);
  BatchShape batch;
  int64_t maximum;  ///< N
};

}  // namespace fastcnn
