// The fold of a window (maximum or sum), and folds of rows. Included by *_simd.inl only.
#pragma once

#include "ops/pooling/lanes_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 8")
#endif

namespace fastcnn::FASTCNN_ISA {

/// The maximum of two values: the first if they are equal, NaN if there is one.
template <class V>
FASTCNN_INLINE V greater(V kept, V x) {
  return ((x > kept) | (x != x)) ? x : kept;
}
#if defined(__AVX512F__)
// The maximum instruction returns its second operand if either is NaN.
FASTCNN_INLINE Vec<float> greater(Vec<float> kept, Vec<float> x) {
  const __m512 a = (__m512)kept, b = (__m512)x;
  return (Vec<float>)_mm512_mask_max_ps(b, _mm512_cmp_ps_mask(b, b, _CMP_ORD_Q), b, a);
}
FASTCNN_INLINE Vec<double> greater(Vec<double> kept, Vec<double> x) {
  const __m512d a = (__m512d)kept, b = (__m512d)x;
  return (Vec<double>)_mm512_mask_max_pd(b, _mm512_cmp_pd_mask(b, b, _CMP_ORD_Q), b, a);
}
#elif defined(__AVX__)
FASTCNN_INLINE Vec<float> greater(Vec<float> kept, Vec<float> x) {
  const __m256 a = (__m256)kept, b = (__m256)x;
  return (Vec<float>)_mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
}
FASTCNN_INLINE Vec<double> greater(Vec<double> kept, Vec<double> x) {
  const __m256d a = (__m256d)kept, b = (__m256d)x;
  return (Vec<double>)_mm256_blendv_pd(_mm256_max_pd(b, a), b, _mm256_cmp_pd(b, b, _CMP_UNORD_Q));
}
#endif

template <class A>
struct Greatest {
  static constexpr bool kMean = false;
  static FASTCNN_INLINE A neutral() { return minimum<A>(); }
  static FASTCNN_INLINE Vec<A> fold(Vec<A> kept, Vec<A> x) {
    if constexpr (is_float<A>)
      return greater(kept, x);
    else
      return x > kept ? x : kept;
  }
  static FASTCNN_INLINE A fold_one(A kept, A x) { return x > kept || x != x ? x : kept; }
};

template <class A>
struct Sum {
  static constexpr bool kMean = true;
  static FASTCNN_INLINE A neutral() { return A(0); }
  static FASTCNN_INLINE Vec<A> fold(Vec<A> kept, Vec<A> x) { return kept + x; }
  static FASTCNN_INLINE A fold_one(A kept, A x) { return kept + x; }
};

template <class T>
FASTCNN_INLINE Lane<T> load_one(const T* p) {
  if constexpr (same<T, Brain>) {
    const uint32_t bits = uint32_t(p->bits) << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
  } else if constexpr (narrow<T>) {
    return load_first<float>(p, 1)[0];
  } else {
    return *p;
  }
}
template <class T>
FASTCNN_INLINE void store_one(T* p, Lane<T> value) {
  if constexpr (narrow<T>)
    store_first<float>(p, splat(value), 1);
  else
    *p = value;
}

/// The input rows that one output row folds, and the weights that they are scaled with before (transposed means).
template <class T>
struct Rows {
  const T* base;
  int64_t planes, plane_step, rows, row_step;
  const Lane<T>*plane_weight = nullptr, *row_weight = nullptr;
  int64_t count() const { return planes * rows; }
};

template <class T, class Op, bool kWeighted, int N>
FASTCNN_INLINE void fold_block(const Rows<T>& r, int64_t e, int64_t part, Lane<T>* dst) {
  using A = Lane<T>;
  Vec<A> kept[N];
  FASTCNN_UNROLL
  for (int i = 0; i < N; ++i) kept[i] = splat(Op::neutral());
  for (int64_t z = 0; z < r.planes; ++z)
    for (int64_t y = 0; y < r.rows; ++y) {
      const T* row = r.base + z * r.plane_step + y * r.row_step + e;
      Vec<A> weight{};
      if constexpr (kWeighted) weight = splat(A(r.plane_weight[z] * r.row_weight[y]));
      FASTCNN_UNROLL
      for (int i = 0; i < N; ++i) {
        Vec<A> x = part < lanes<A> ? load_first<A>(row, part) : load_as<A>(row + i * lanes<A>);
        if constexpr (kWeighted) x = x * weight;
        kept[i] = z + y == 0 ? x : Op::fold(kept[i], x);
      }
    }
  FASTCNN_UNROLL
  for (int i = 0; i < N; ++i) store(dst + e + i * lanes<A>, kept[i]);
}

/// dst[e] = the fold of all rows at e. Writes whole vectors: up to lanes - 1 elements behind n.
template <class T, class Op, bool kWeighted>
FASTCNN_INLINE void fold_rows(const Rows<T>& r, int64_t n, Lane<T>* dst) {
  constexpr int64_t kLanes = lanes<Lane<T>>;
  int64_t e = 0;
  for (; e + 4 * kLanes <= n; e += 4 * kLanes) fold_block<T, Op, kWeighted, 4>(r, e, kLanes, dst);
  for (; e + kLanes <= n; e += kLanes) fold_block<T, Op, kWeighted, 1>(r, e, kLanes, dst);
  if (e < n) fold_block<T, Op, kWeighted, 1>(r, e, n - e, dst);
}

template <int kBy, class A, int... I>
FASTCNN_INLINE Vec<A> rotated(Vec<A> v, Numbers<I...>) {
  return __builtin_shufflevector(v, v, ((I + kBy) % lanes<A>)...);
}

/// The fold of a vector's lanes: halves onto halves.
template <class Op, class A, int kDistance = lanes<A> / 2>
FASTCNN_INLINE A fold_lanes(Vec<A> v) {
  if constexpr (kDistance == 0)
    return v[0];
  else
    return fold_lanes<Op, A, kDistance / 2>(Op::fold(v, rotated<kDistance, A>(v, typename CountTo<lanes<A>>::type{})));
}

/// The fold of n elements side by side.
template <class T, class Op>
FASTCNN_INLINE Lane<T> fold_run(const T* p, int64_t n) {
  using A = Lane<T>;
  constexpr int64_t kLanes = lanes<A>;
  if (n < kLanes) {
    A result = Op::neutral();
    for (int64_t i = 0; i < n; ++i) result = Op::fold_one(result, load_one(p + i));
    return result;
  }
  Vec<A> all = load_as<A>(p);
  int64_t i = kLanes;
  if (n >= 8 * kLanes) {
    Vec<A> kept[4] = {all, load_as<A>(p + kLanes), load_as<A>(p + 2 * kLanes), load_as<A>(p + 3 * kLanes)};
    for (i = 4 * kLanes; i + 4 * kLanes <= n; i += 4 * kLanes) {
      FASTCNN_UNROLL
      for (int j = 0; j < 4; ++j) kept[j] = Op::fold(kept[j], load_as<A>(p + i + j * kLanes));
    }
    all = Op::fold(Op::fold(kept[0], kept[1]), Op::fold(kept[2], kept[3]));
  }
  for (; i + kLanes <= n; i += kLanes) all = Op::fold(all, load_as<A>(p + i));
  // The rest: zeros add nothing, and a maximum may read an element twice.
  if (i < n) all = Op::fold(all, Op::kMean ? load_first<A>(p + i, n - i) : load_as<A>(p + n - kLanes));
  return fold_lanes<Op, A>(all);
}

}  // namespace fastcnn::FASTCNN_ISA
