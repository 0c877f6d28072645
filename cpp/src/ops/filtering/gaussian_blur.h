// Shared by gaussian_blur and its oracle: the dtypes and the checks.
#pragma once

#include "core/dtypes.h"
#include "fastcnn/ops/filtering.h"
#include "ops/filtering/separable.h"

namespace fastcnn {

/// Checks the arguments and makes the filter.
SeparableFilter checked_gaussian(const char* op, const char* argument, const TensorView& src, const GaussianBlur& blur,
                                 const TensorView& dst);

}  // namespace fastcnn
