// Vectors of FASTCNN_VECTOR_BYTES through the vector extensions of GCC and Clang: one source for SSE, AVX2, AVX-512 and
// NEON. Included only by *_simd.inl, which are compiled once per ISA. Nothing here or there may instantiate an inline
// function or template outside namespace FASTCNN_ISA: the linker would keep one ISA's copy for all (ODR).
#pragma once

#include <stdint.h>

#include <utility>

#if defined(__AVX512BW__)
#define FASTCNN_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define FASTCNN_VECTOR_BYTES 32
#else
#define FASTCNN_VECTOR_BYTES 16
#endif

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define FASTCNN_INLINE inline __attribute__((always_inline))

namespace fastcnn::FASTCNN_ISA {

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(FASTCNN_VECTOR_BYTES)));
  typedef T unaligned __attribute__((vector_size(FASTCNN_VECTOR_BYTES), aligned(1), may_alias));
};
template <class T>
using Vec = typename VecOf<T>::type;

/// Elements per vector.
template <class T>
inline constexpr int lanes = FASTCNN_VECTOR_BYTES / int(sizeof(T));

template <class T>
FASTCNN_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecOf<T>::unaligned*>(p);
}
template <class T>
FASTCNN_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecOf<T>::unaligned*>(p) = v;
}
template <class T>
FASTCNN_INLINE Vec<T> splat(T value) {
  return value - Vec<T>{};  // not +: -0 + 0 is 0, so that a compiler has to add
}
/// The lanes Lane::at(0), Lane::at(1)... of a and b; indices run through a and then b.
template <class Lane, class V, int... i>
FASTCNN_INLINE V shuffle_lanes(V a, V b, std::integer_sequence<int, i...>) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, Lane::at(i)...);
#else
  return __builtin_shuffle(a, b, decltype(a == b){Lane::at(i)...});
#endif
}
template <class Lane, class V>
FASTCNN_INLINE V shuffle(V a, V b) {
  return shuffle_lanes<Lane>(a, b, std::make_integer_sequence<int, int(sizeof(V) / sizeof(a[0]))>());
}
/// Keeps a loaded value in its register: GCC would otherwise reload it for every use.
template <class V>
FASTCNN_INLINE void keep(V& v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}
template <class V>
FASTCNN_INLINE V vmax(V a, V b) {
  return a > b ? a : b;
}
template <class V>
FASTCNN_INLINE V vmin(V a, V b) {
  return a < b ? a : b;
}

/// True where a comparison holds in any lane.
template <class Mask>
FASTCNN_INLINE bool any(Mask mask) {
#if defined(__AVX512BW__)
  return _mm512_movepi8_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8((__m256i)mask) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)mask) != 0;
#elif defined(__ARM_NEON)
  return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
  typedef uint64_t Words __attribute__((vector_size(FASTCNN_VECTOR_BYTES)));
  return ((Words)mask)[0] | ((Words)mask)[1];
#endif
}

/// Packs the lanes of a comparison into bits; lane 0 is the lowest bit.
template <class T, class Mask>
FASTCNN_INLINE uint32_t bits_of(Mask mask) {
#if defined(__AVX2__) && !defined(__AVX512BW__)
  if constexpr (sizeof(T) == 4)
    return uint32_t(_mm256_movemask_ps((__m256)mask));
  else
    return uint32_t(_mm256_movemask_pd((__m256d)mask));
#elif defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return uint32_t(_mm_movemask_ps((__m128)mask));
  else
    return uint32_t(_mm_movemask_pd((__m128d)mask));
#else
  uint32_t bits = 0;
  if (any(mask))
    for (int i = 0; i < lanes<T>; ++i) bits |= uint32_t(mask[i] & 1) << i;
  return bits;
#endif
}
/// Computes a > b or a >= b with one bit per lane. AVX-512 compares directly into such bits; a vector of masks would
/// need a conversion in both directions.
template <bool or_equal, class T>
FASTCNN_INLINE uint32_t bits_above(Vec<T> a, Vec<T> b) {
#if defined(__AVX512BW__)
  constexpr int kPredicate = or_equal ? _CMP_GE_OQ : _CMP_GT_OQ;
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, kPredicate);
  else
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, kPredicate);
#else
  if constexpr (or_equal)
    return bits_of<T>(a >= b);
  else
    return bits_of<T>(a > b);
#endif
}

}  // namespace fastcnn::FASTCNN_ISA
