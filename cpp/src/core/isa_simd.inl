#include "core/isa_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {
const char* name() {
#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
  return "avx512";
#elif defined(__AVX2__) && defined(__FMA__)
  return "avx2";
#elif defined(__ARM_NEON)
  return "neon";
#else
  return "baseline";
#endif
}
}  // namespace
extern const IsaKernels isa_kernels = {name};
}  // namespace fastcnn::FASTCNN_ISA
