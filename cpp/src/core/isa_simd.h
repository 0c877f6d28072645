#pragma once
#include "core/dispatch.h"
namespace fastcnn {
struct IsaKernels {
  const char* (*name)();
};
}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(IsaKernels, isa_kernels)
