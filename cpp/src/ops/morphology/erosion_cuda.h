// Erosion and dilation on CUDA. No CUDA types here: the core needs no toolkit headers.
#pragma once

#include "core/cuda.h"
#include "ops/morphology/extremum_plan.h"

namespace fastcnn {

/// Enqueues the plan on the stream of that device. src and dst are dense and of the planned image's shape, and so is
/// scratch where the plan needs it. dst must not overlap src.
using LaunchErosion = void(const ExtremumPlan& plan, const void* src, void* dst, void* scratch, int device,
                           void* stream);
FASTCNN_API extern CudaLaunch<LaunchErosion> erosion_launch;

}  // namespace fastcnn
