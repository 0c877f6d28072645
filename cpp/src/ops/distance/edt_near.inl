// Small distances with integer cost: the minimum over |k| <= kReach in 16 bits, with the reach limited to the need of
// each block.
#pragma once

#include "core/simd.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

constexpr int kReach = 32;     // beyond, solve_line is faster
constexpr int kNearGap = 181;  // 181^2 + kReach^2 < 2^16; a gap so large is never the answer of a near block
static_assert(kReach <= kEdtPad && kReach < kNearGap && kEdtNear % 32 == 0);

FASTCNN_INLINE bool any_greater(Vec<uint16_t> a, Vec<uint16_t> b) {
#if defined(__AVX512BW__)
  return _mm512_cmpgt_epu16_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)) != 0;
#elif defined(__AVX2__)
  const __m256i over = _mm256_subs_epu16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b));
  return !_mm256_testz_si256(over, over);
#elif defined(__SSE4_1__)
  const __m128i over = _mm_subs_epu16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b));
  return !_mm_testz_si128(over, over);
#else
  typedef uint64_t Words __attribute__((vector_size(FASTCNN_VECTOR_BYTES)));
  const Words over = reinterpret_cast<Words>(a > b);
  uint64_t any = 0;
  for (int i = 0; i < FASTCNN_VECTOR_BYTES / 8; ++i) any |= over[i];
  return any != 0;
#endif
}

/// Solves the kEdtNear pixels from cost on; cost has kEdtPad readable elements on both sides. Returns false if kReach
/// was not sufficient.
FASTCNN_INLINE bool solve_near(const uint16_t* cost, int32_t* best) {
  constexpr int L = lanes<uint16_t>, N = kEdtNear / L;
  Vec<uint16_t> v[N];
  for (int i = 0; i < N; ++i) v[i] = load(cost + i * L);
  for (int k = 1;; ++k) {
    Vec<uint16_t> largest = v[0];
    for (int i = 1; i < N; ++i) largest = vmax(largest, v[i]);
    const Vec<uint16_t> square = splat(static_cast<uint16_t>(k * k));
    if (!any_greater(largest, square)) break;
    if (k > kReach) return false;
    for (int i = 0; i < N; ++i) {
      const Vec<uint16_t> side = vmin(load(cost + i * L - k), load(cost + i * L + k));
      v[i] = vmin(v[i], side + square);
    }
  }
  alignas(64) uint16_t result[kEdtNear];
  for (int i = 0; i < N; ++i) store(result + i * L, v[i]);
  for (int i = 0; i < kEdtNear; ++i) best[i] = result[i];
  return true;
}

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
