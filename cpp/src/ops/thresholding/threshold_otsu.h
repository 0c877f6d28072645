// Shared by threshold_otsu and its oracle.
#pragma once

#include "core/dtypes.h"
#include "fastcnn/ops/thresholding.h"

namespace fastcnn {

using OtsuTypes =
    DTypeList<DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32, DType::uint64,
              DType::int64, DType::float16, DType::bfloat16, DType::float32, DType::float64>;

/// Checks the arguments, and fills dst where the images are empty.
void check_otsu(const char* op, const TensorView& src, int spatial_dims, int64_t nbins, const TensorView& dst);

}  // namespace fastcnn
