// The positions where the values of a row change, as bits. They give its stretches of equal values.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

struct StretchKernels {
  /// bits[i / 64] bit i % 64: whether p[i] differs from p[i - 1], for i in [0, n); p[-1] is read. Elements of 1, 2, 4
  /// or 8 bytes. Bits behind n are 0.
  void (*changes)(const void* p, int32_t bytes, int64_t n, uint64_t* bits);
  /// All elements of p[0, n) or-ed together, the low bytes of the result.
  uint64_t (*any_bits)(const void* p, int32_t bytes, int64_t n);
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(StretchKernels, stretch_kernels)
