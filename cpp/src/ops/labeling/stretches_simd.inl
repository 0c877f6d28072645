#include "ops/labeling/stretches_simd.h"

#include "core/simd.h"
#include "ops/labeling/bits_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class T>
void changes_of(const T* p, int64_t n, uint64_t* bits) {
  uint8_t bytes[64];
  for (; n >= 64; n -= 64, p += 64) {
    for (int i = 0; i < 64; ++i) bytes[i] = p[i] != p[i - 1];
    *bits++ = bits_of_bytes(bytes);
  }
  if (n > 0) {
    for (int64_t i = 0; i < 64; ++i) bytes[i] = i < n && p[i] != p[i - 1];
    *bits = bits_of_bytes(bytes);
  }
}

void changes(const void* p, int32_t bytes, int64_t n, uint64_t* bits) {
  switch (bytes) {
    case 1: return changes_of(static_cast<const uint8_t*>(p), n, bits);
    case 2: return changes_of(static_cast<const uint16_t*>(p), n, bits);
    case 4: return changes_of(static_cast<const uint32_t*>(p), n, bits);
    default: return changes_of(static_cast<const uint64_t*>(p), n, bits);
  }
}

uint64_t any_bits(const void* p, int32_t bytes, int64_t n) {
  const auto* begin = static_cast<const uint8_t*>(p);
  const int64_t size = n * bytes;
  Vec<uint64_t> all{};
  int64_t i = 0;
  for (; i + FASTCNN_VECTOR_BYTES <= size; i += FASTCNN_VECTOR_BYTES)
    all |= load(reinterpret_cast<const uint64_t*>(begin + i));
  uint64_t word = 0;
  for (int k = 0; k < lanes<uint64_t>; ++k) word |= all[k];
  for (; i < size; ++i) word |= static_cast<uint64_t>(begin[i]) << (8 * (i % bytes));
  for (int shift = 32; shift >= 8 * bytes; shift /= 2) word |= word >> shift;
  return bytes == 8 ? word : word & ((uint64_t{1} << (8 * bytes)) - 1);
}

}  // namespace

extern const StretchKernels stretch_kernels = {changes, any_bits};

}  // namespace fastcnn::FASTCNN_ISA
