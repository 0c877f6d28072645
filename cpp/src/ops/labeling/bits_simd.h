// Bytes to bits, for the bodies that are compiled once per ISA.
#pragma once

#include "core/simd.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fastcnn::FASTCNN_ISA {

/// 64 bytes, each 0 or not, as bits.
FASTCNN_INLINE uint64_t bits_of_bytes(const uint8_t* p) {
#if defined(__AVX512BW__)
  const __m512i v = _mm512_loadu_si512(p);
  return _mm512_test_epi8_mask(v, v);
#elif defined(__AVX2__)
  uint64_t zero = 0;
  for (int i = 0; i < 2; ++i) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * i));
    zero |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, __m256i{}))))
            << (32 * i);
  }
  return ~zero;
#elif defined(__SSE2__)
  uint64_t zero = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
    zero |= static_cast<uint64_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, __m128i{}))) << (16 * i);
  }
  return ~zero;
#else
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) {
    uint64_t v = 0;  // eight bytes, the first lowest
    for (int j = 0; j < 8; ++j) v |= static_cast<uint64_t>(p[8 * i + j] != 0) << (8 * j);
    bits |= (v * 0x0102040810204080u) >> 56 << (8 * i);
  }
  return bits;
#endif
}
}  // namespace fastcnn::FASTCNN_ISA
