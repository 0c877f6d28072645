// Narrow rows in registers: two hold the input, one the output, and a permutation moves the taps to each output, for
// any window. For planes a few pixels wide, the setup of the other methods costs more than the work. Only for AVX-512,
// whose permutations take two registers and any lane. Included by *_simd.inl only.
#pragma once

#include "ops/pooling/pool_fold_simd.h"
#include "ops/pooling/pooling_simd.h"

namespace fastcnn::FASTCNN_ISA {

#if defined(__AVX512F__)
inline constexpr bool kPermutes = true;

template <int kBytes>
struct IndexOf {
  using type = int32_t;
};
template <>
struct IndexOf<8> {
  using type = int64_t;
};
template <class A>
using Index = typename IndexOf<sizeof(A)>::type;

FASTCNN_INLINE Vec<float> permute(Vec<float> a, Vec<float> b, Vec<int32_t> from) {
  return (Vec<float>)_mm512_permutex2var_ps((__m512)a, (__m512i)from, (__m512)b);
}
FASTCNN_INLINE Vec<double> permute(Vec<double> a, Vec<double> b, Vec<int64_t> from) {
  return (Vec<double>)_mm512_permutex2var_pd((__m512d)a, (__m512i)from, (__m512d)b);
}
/// The positions of each output's taps in two registers. The last lane is neutral, for windows with fewer taps.
template <class A>
struct Permutation {
  int64_t taps;
  Vec<Index<A>> lane, tap[kMaxPermuted];
  Vec<A> scale[2];  // what divides the outputs, or weighs the two sources

  Permutation(const PoolJob& job, bool transposed, bool mean) {
    constexpr int64_t kLanes = lanes<A>;
    const PoolAxis& x = job.x;
    taps = 1;
    for (auto& t : tap) t = splat(Index<A>(2 * kLanes - 1));
    for (int64_t o = 0; o < x.out; ++o) {
      int64_t t = 0;
      for (int64_t i = x.begin[o]; i < x.end[o]; i += x.dilation) tap[t++][o] = Index<A>(i);
      taps = t > taps ? t : taps;
    }
    scale[0] = scale[1] = splat(A(1));
    const A* given = static_cast<const A*>(job.scale_x);
    const int64_t n = transposed ? x.in : mean ? x.out : 0;
    for (int64_t i = 0; i < n; ++i) scale[i / kLanes][i % kLanes] = given[i];
    for (int64_t i = 0; i < kLanes; ++i) lane[i] = Index<A>(i);
  }
};

/// One output row: `buffer` holds the Permutation.
template <class T, class Op, bool kTransposed>
FASTCNN_INLINE void permute_row(const PoolJob& job, const Rows<T>& r, Lane<T> row_divisor, const void* buffer, T* dst) {
  using A = Lane<T>;
  if constexpr (is_float<A>) {
    constexpr int64_t kLanes = lanes<A>;
    const Permutation<A>& table = *static_cast<const Permutation<A>*>(buffer);
    const int64_t n = job.x.in < kLanes ? job.x.in : kLanes, rest = job.x.in - n;
    Vec<A> a = splat(Op::neutral()), b = a;
    for (int64_t z = 0; z < r.planes; ++z)
      for (int64_t y = 0; y < r.rows; ++y) {
        const T* row = r.base + z * r.plane_step + y * r.row_step;
        Vec<A> first = load_up_to<A>(row, n), second = b;
        if (rest > 0) second = load_first<A>(row + kLanes, rest);
        if constexpr (kTransposed) {
          const Vec<A> weight = splat(A(r.plane_weight[z] * r.row_weight[y]));
          first = first * weight;
          second = second * weight;
        }
        a = Op::fold(a, first);
        if (rest > 0) b = Op::fold(b, second);
      }
    if constexpr (kTransposed) {
      a = a * table.scale[0];
      b = b * table.scale[1];
    }
    // Lanes behind the row hold what load_first gave them.
    a = table.lane < splat(Index<A>(n)) ? a : splat(Op::neutral());
    b = table.lane < splat(Index<A>(rest)) ? b : splat(Op::neutral());
    Vec<A> kept = permute(a, b, table.tap[0]);
    for (int64_t t = 1; t < table.taps; ++t) kept = Op::fold(kept, permute(a, b, table.tap[t]));
    if constexpr (Op::kMean && !kTransposed) kept = kept / (table.scale[0] * splat(row_divisor));
    store_up_to<A>(dst, kept, job.x.out);
  }
}

FASTCNN_INLINE void prepare_permutation(const PoolJob& job, bool wide, bool transposed, bool mean, void* buffer) {
  if (wide)
    *static_cast<Permutation<double>*>(buffer) = Permutation<double>(job, transposed, mean);
  else
    *static_cast<Permutation<float>*>(buffer) = Permutation<float>(job, transposed, mean);
}
#else
inline constexpr bool kPermutes = false;
template <class T, class Op, bool kTransposed>
FASTCNN_INLINE void permute_row(const PoolJob&, const Rows<T>&, Lane<T>, const void*, T*) {}
FASTCNN_INLINE void prepare_permutation(const PoolJob&, bool, bool, bool, void*) {}
#endif

}  // namespace fastcnn::FASTCNN_ISA
