// One table of kernels per family and ISA. A family's <op>_simd.h declares
//
//   struct MorphologyKernels { void (*rows)(...); ... };
//   FASTCNN_DECLARE_KERNELS(MorphologyKernels, morphology_kernels)
//
// its <op>_simd.inl, compiled once per ISA, defines
//
//   namespace fastcnn::FASTCNN_ISA { extern const MorphologyKernels morphology_kernels = {...}; }
//
// and its <op>.cpp asks FASTCNN_SELECT(morphology_kernels), or in_type<T> of it.
#pragma once

#include "core/cpu.h"

#if defined(FASTCNN_X86)
#define FASTCNN_DECLARE_KERNELS(Type, name) \
  namespace fastcnn::baseline {             \
  extern const Type name;                   \
  }                                         \
  namespace fastcnn::avx2 {                 \
  extern const Type name;                   \
  }                                         \
  namespace fastcnn::avx512 {               \
  extern const Type name;                   \
  }
#define FASTCNN_SELECT(name)                                                     \
  (::fastcnn::selected_isa() == ::fastcnn::Isa::avx512 ? ::fastcnn::avx512::name \
   : ::fastcnn::selected_isa() == ::fastcnn::Isa::avx2 ? ::fastcnn::avx2::name   \
                                                       : ::fastcnn::baseline::name)
#elif defined(FASTCNN_ARM64)
#define FASTCNN_DECLARE_KERNELS(Type, name) \
  namespace fastcnn::neon {                 \
  extern const Type name;                   \
  }
#define FASTCNN_SELECT(name) (::fastcnn::neon::name)
#else
#define FASTCNN_DECLARE_KERNELS(Type, name) \
  namespace fastcnn::baseline {             \
  extern const Type name;                   \
  }
#define FASTCNN_SELECT(name) (::fastcnn::baseline::name)
#endif

namespace fastcnn {

/// Kernels for float or double.
template <class T, class Kernels>
const auto& in_type(const Kernels& kernels) {
  if constexpr (sizeof(T) == sizeof(float))
    return kernels.f32;
  else
    return kernels.f64;
}

}  // namespace fastcnn
