// Shared by threshold_local, its fused comparison and its oracle.
#pragma once

#include "core/dtypes.h"
#include "fastcnn/ops/thresholding.h"

namespace fastcnn {

using ThresholdTypes = DTypeList<DType::uint8, DType::uint16, DType::int16, DType::int32, DType::float16,
                                 DType::bfloat16, DType::float32, DType::float64>;

/// The same value as in skimage: more than 99 % of the Gaussian lies within the block.
inline double sigma_of(int64_t block_size) { return static_cast<double>(block_size - 1) / 6; }

void check_local_threshold(const char* op, const char* argument, const TensorView& src, const LocalThreshold& threshold,
                           const TensorView& dst, DType dtype);

}  // namespace fastcnn
