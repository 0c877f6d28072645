// Vectors of the type in which a dtype is computed: float for float16 and bfloat16, the same type or a wider one for
// others. Included by *_simd.inl only (see core/simd.h).
#pragma once

#include "core/simd.h"

namespace fastcnn::FASTCNN_ISA {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

template <class A, class B>
inline constexpr bool same = false;
template <class A>
inline constexpr bool same<A, A> = true;
template <class T>
inline constexpr bool narrow = same<T, Half> || same<T, Brain>;

template <class T>
struct LaneOf {
  using type = T;
};
template <>
struct LaneOf<Half> {
  using type = float;
};
template <>
struct LaneOf<Brain> {
  using type = float;
};
template <class T>
using Lane = typename LaneOf<T>::type;

template <class T, int kBytes>
struct PartOf {
  typedef T type __attribute__((vector_size(kBytes), aligned(1), may_alias));
};

/// One vector's worth of bits of 16-bit floats, zero-extended.
FASTCNN_INLINE Vec<uint32_t> load_bits(const void* p) {
  using Part = typename PartOf<uint16_t, FASTCNN_VECTOR_BYTES / 2>::type;
  return __builtin_convertvector(*static_cast<const Part*>(p), Vec<uint32_t>);
}
FASTCNN_INLINE void store_bits(void* p, Vec<uint32_t> bits) {
  using Part = typename PartOf<uint16_t, FASTCNN_VECTOR_BYTES / 2>::type;
  typedef uint16_t Short __attribute__((vector_size(FASTCNN_VECTOR_BYTES / 2)));
  *static_cast<Part*>(p) = __builtin_convertvector(bits, Short);
}

// core/half.h's conversions, on vectors; the CPU's own where it has them (they agree, but for NaN's payload). The
// masked forms, because GCC 12 warns of its own undefined operand in the others.
FASTCNN_INLINE Vec<float> widen(const Half* p) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)));
#elif defined(__F16C__)
  return (Vec<float>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p)));
#else
  const Vec<uint32_t> x = load_bits(p), sign = (x & 0x8000u) << 16, magnitude = x & 0x7fffu;
  const Vec<float> tiny = __builtin_convertvector(magnitude, Vec<float>) * 0x1p-24f;
  Vec<uint32_t> bits = (magnitude << 13) + 0x38000000u;
  bits = magnitude >= 0x7c00u ? (magnitude << 13) | 0x7f800000u : bits;
  bits = magnitude < 0x400u ? (Vec<uint32_t>)tiny : bits;
  return (Vec<float>)(bits | sign);
#endif
}
FASTCNN_INLINE Vec<float> widen(const Brain* p) { return (Vec<float>)(load_bits(p) << 16); }

FASTCNN_INLINE void narrowed(Half* p, Vec<float> v) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p),
                      _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#else
  const Vec<uint32_t> x = (Vec<uint32_t>)v, magnitude = x & 0x7fffffffu;
  const Vec<uint32_t> normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const Vec<uint32_t> small = magnitude < 0x38800000u ? magnitude : Vec<uint32_t>{};
  const Vec<uint32_t> tiny = (Vec<uint32_t>)((Vec<float>)small + 0.5f) - 0x3f000000u;
  Vec<uint32_t> half = magnitude < 0x38800000u ? tiny : normal;
  half = magnitude >= 0x477ff000u ? splat(0x7c00u) : half;
  half = magnitude > 0x7f800000u ? splat(0x7e00u) : half;
  store_bits(p, ((x >> 16) & 0x8000u) | half);
#endif
}
FASTCNN_INLINE void narrowed(Brain* p, Vec<float> v) {
  const Vec<uint32_t> x = (Vec<uint32_t>)v;
  store_bits(p, (x & 0x7fffffffu) > 0x7f800000u ? (x >> 16) | 0x40u : (x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
}

template <class A, class T>
FASTCNN_INLINE Vec<A> load_as(const T* p) {
  if constexpr (narrow<T>)
    return widen(p);
  else if constexpr (same<A, T>)
    return load(p);
  else
    return __builtin_convertvector(*reinterpret_cast<const typename PartOf<T, lanes<A>* int(sizeof(T))>::type*>(p),
                                   Vec<A>);
}
template <class A, class T>
FASTCNN_INLINE void store_as(T* p, Vec<A> v) {
  if constexpr (narrow<T>) {
    narrowed(p, v);
  } else if constexpr (same<A, T>) {
    store(p, v);
  } else {
    typedef T Part __attribute__((vector_size(lanes<A> * int(sizeof(T)))));
    *reinterpret_cast<typename PartOf<T, lanes<A>* int(sizeof(T))>::type*>(p) = __builtin_convertvector(v, Part);
  }
}

/// The first n < lanes elements; the others are zero. Reads nothing behind them.
template <class A, class T>
FASTCNN_INLINE Vec<A> load_first(const T* p, int64_t n) {
#if defined(__AVX512BW__)
  if constexpr (same<A, T> && sizeof(T) == 4)
    return (Vec<A>)_mm512_maskz_loadu_epi32(__mmask16((1u << n) - 1), p);
  else if constexpr (same<A, T> && sizeof(T) == 8)
    return (Vec<A>)_mm512_maskz_loadu_epi64(__mmask8((1u << n) - 1), p);
  else if constexpr (same<A, T> && sizeof(T) == 1)
    return (Vec<A>)_mm512_maskz_loadu_epi8((__mmask64(1) << n) - 1, p);
  else if constexpr (same<A, T> && sizeof(T) == 2)
    return (Vec<A>)_mm512_maskz_loadu_epi16(__mmask32((uint32_t(1) << n) - 1), p);
#endif
  T part[lanes<A>] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = p[i];
  return load_as<A>(part);
}
template <class A, class T>
FASTCNN_INLINE void store_first(T* p, Vec<A> v, int64_t n) {
#if defined(__AVX512BW__)
  if constexpr (same<A, T> && sizeof(T) == 4)
    return _mm512_mask_storeu_epi32(p, __mmask16((1u << n) - 1), (__m512i)v);
  else if constexpr (same<A, T> && sizeof(T) == 8)
    return _mm512_mask_storeu_epi64(p, __mmask8((1u << n) - 1), (__m512i)v);
  else if constexpr (same<A, T> && sizeof(T) == 1)
    return _mm512_mask_storeu_epi8(p, (__mmask64(1) << n) - 1, (__m512i)v);
  else if constexpr (same<A, T> && sizeof(T) == 2)
    return _mm512_mask_storeu_epi16(p, __mmask32((uint32_t(1) << n) - 1), (__m512i)v);
#endif
  T part[lanes<A>];
  store_as<A>(part, v);
  for (int64_t i = 0; i < n; ++i) p[i] = part[i];
}

/// f(e, k) over n elements, k of them from e on: whole vectors, then the rest.
template <class A, class F>
FASTCNN_INLINE void in_vectors(int64_t n, const F& f) {
  int64_t e = 0;
  for (; e + lanes<A> <= n; e += lanes<A>) f(e, int64_t(lanes<A>));
  if (e < n) f(e, n - e);
}
template <class A, class T>
FASTCNN_INLINE Vec<A> load_up_to(const T* p, int64_t n) {
  return n >= lanes<A> ? load_as<A>(p) : load_first<A>(p, n);
}
template <class A, class T>
FASTCNN_INLINE void store_up_to(T* p, Vec<A> v, int64_t n) {
  if (n >= lanes<A>)
    store_as<A>(p, v);
  else
    store_first<A>(p, v, n);
}

template <int... I>
struct Numbers {};
template <int N, int... I>
struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I>
struct CountTo<0, I...> {
  using type = Numbers<I...>;
};
template <class V, int... I>
FASTCNN_INLINE V evens_of(V a, V b, Numbers<I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class V, int... I>
FASTCNN_INLINE V odds_of(V a, V b, Numbers<I...>) {
  return __builtin_shufflevector(a, b, (2 * I + 1)...);
}
template <class A>
FASTCNN_INLINE Vec<A> evens(Vec<A> a, Vec<A> b) {
  return evens_of(a, b, typename CountTo<lanes<A>>::type{});
}
template <class A>
FASTCNN_INLINE Vec<A> odds(Vec<A> a, Vec<A> b) {
  return odds_of(a, b, typename CountTo<lanes<A>>::type{});
}

template <class A>
inline constexpr bool is_float = same<A, float> || same<A, double>;

/// The minimum value, which is the initial value of a maximum.
template <class A>
FASTCNN_INLINE constexpr A minimum() {
  if constexpr (is_float<A>)
    return -A(__builtin_inf());
  else if constexpr (A(-1) > A(0))
    return A(0);
  else
    return A(A(1) << (8 * sizeof(A) - 2)) * A(-2);
}

}  // namespace fastcnn::FASTCNN_ISA
