// Lines of depthwise convolutions (lines_simd.h), compiled once per ISA. A block keeps its sums in registers; weights
// are loaded once for all vectors of the block that share them.
#include "core/simd.h"
#include "ops/conv/epilogue.inl"
#include "ops/conv/lines_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 32")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::Line;

/// Elements [begin, begin + P * U vectors), those before `end` of them.
template <class T, int P, int U>
FASTCNN_INLINE void block(const Line<T>& a, const Bounds<T>& bounds, int64_t begin, int64_t end) {
  constexpr int L = lanes<T>;
  Vec<T> sum[U][P] = {};
  for (int64_t t = 0; t < a.terms; ++t) {
    const T *x = a.src[t] + begin, *w = a.weights[t];
    FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
      Vec<T> weight = load(w + p * L);
      if constexpr (U > 1) keep(weight);
      FASTCNN_UNROLL for (int u = 0; u < U; ++u) sum[u][p] += load(x + (u * P + p) * L) * weight;
    }
  }
  FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
    const Vec<T> factor = load(a.factor + p * L), bias = load(a.bias + p * L);
    FASTCNN_UNROLL for (int u = 0; u < U; ++u) {
      const Vec<T> value = bound(sum[u][p] * factor + bias, bounds);
      const int64_t i = begin + (u * P + p) * L;
      if (i + L <= end)
        store(a.dst + i, value);
      else if (i < end)
        store_first(a.dst + i, value, end - i);
    }
  }
}

template <class T, int P>
__attribute__((noinline)) void line_of(const Line<T>& a, const Bounds<T>& bounds) {
#if defined(__AVX512BW__) || defined(__ARM_NEON)
  constexpr int kSums = 20;
#else
  constexpr int kSums = 10;
#endif
  constexpr int U = P == 1 ? 8 : P < kSums ? kSums / P : 1;
  constexpr int64_t kBlock = int64_t{P} * U * lanes<T>, kRest = int64_t{P} * lanes<T>;
  int64_t i = 0;
  for (; i + kBlock <= a.length; i += kBlock) block<T, P, U>(a, bounds, i, a.length);
  if constexpr (P == 1)
    for (; i + 4 * kRest <= a.length; i += 4 * kRest) block<T, P, 4>(a, bounds, i, a.length);
  for (; i < a.length; i += kRest) block<T, P, 1>(a, bounds, i, a.length);
}

template <class T, int... I>
FASTCNN_INLINE void line_of_period(const Line<T>& a, const Bounds<T>& bounds, std::integer_sequence<int, I...>) {
  using LineOf = void (*)(const Line<T>&, const Bounds<T>&);
  static constexpr LineOf table[] = {line_of<T, I + 1>...};
  table[a.period - 1](a, bounds);
}

template <class T>
void line(const Line<T>& a) {
  const Bounds<T> bounds = bounds_of(*a.epilogue);
  line_of_period<T>(a, bounds, std::make_integer_sequence<int, conv::kMaxPeriod>());
  if (!needs_finish(*a.epilogue)) return;
  T* dst[1] = {a.dst};
  const T *residual[1] = {a.residual}, *scale[1] = {a.scale};
  finish<T>(*a.epilogue, 1, dst, a.residual ? residual : nullptr, a.scale ? scale : nullptr, a.length);
}

template <int first>
struct EverySecond {
  static constexpr int at(int i) { return 2 * i + first; }
};

/// Adjacent values, to two lines.
template <class T>
void split(const T* src, int64_t n, T* even, T* odd) {
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    const Vec<T> a = load(src + 2 * i), b = load(src + 2 * i + lanes<T>);
    store(even + i, shuffle<EverySecond<0>>(a, b));
    store(odd + i, shuffle<EverySecond<1>>(a, b));
  }
  for (; i < n; ++i) even[i] = src[2 * i], odd[i] = src[2 * i + 1];
}

/// kWhole >= C values are copied at a time, which is one instruction. They reach into the next pixel, from where and to
/// where it is dealt; the last pixels are copied exactly, and all of them if the next pixel is not behind (strides of 0
/// or less).
template <class T, int C, int kWhole>
void deal_of(const T* from, int64_t from_stride, int64_t step, int64_t q, int64_t last, T* to, int64_t pitch) {
  T* at = to + q / step * C;
  int64_t f = q % step;
  const int64_t exact = from_stride >= C ? last - step : q;
  for (; q < exact && f != 0; ++q, from += from_stride) {
    __builtin_memcpy(at + f * pitch, from, C * sizeof(T));
    if (++f == step) f = 0, at += C;
  }
  if (step == 2)
    for (; q + 1 < exact; q += 2, from += 2 * from_stride, at += C) {
      __builtin_memcpy(at, from, kWhole * sizeof(T));
      __builtin_memcpy(at + pitch, from + from_stride, kWhole * sizeof(T));
    }
  for (; q < last; ++q, from += from_stride) {
    __builtin_memcpy(at + f * pitch, from, C * sizeof(T));
    if (++f == step) f = 0, at += C;
  }
}

template <class T>
void deal(const T* from, int64_t from_stride, int64_t channels, int64_t step, int64_t q, int64_t last, T* to,
          int64_t pitch) {
  if (channels == 1 && from_stride == 1 && step == 2) {
    if (q % 2 == 1 && q < last) to[pitch + q / 2] = *from++, ++q;
    const int64_t pairs = q < last ? (last - q) / 2 : 0;
    split(from, pairs, to + q / 2, to + pitch + q / 2);
    if (q + 2 * pairs < last) to[q / 2 + pairs] = from[2 * pairs];
    return;
  }
  using DealOf = void (*)(const T*, int64_t, int64_t, int64_t, int64_t, T*, int64_t);
  static constexpr DealOf table[] = {deal_of<T, 1, 1>, deal_of<T, 2, 2>, deal_of<T, 3, 4>, deal_of<T, 4, 4>,
                                     deal_of<T, 5, 8>, deal_of<T, 6, 8>, deal_of<T, 7, 8>, deal_of<T, 8, 8>};
  if (channels <= 8) return table[channels - 1](from, from_stride, step, q, last, to, pitch);
  for (; q < last; ++q, from += from_stride) {
    T* at = to + q % step * pitch + q / step * channels;
    for (int64_t c = 0; c + 8 <= channels; c += 8) __builtin_memcpy(at + c, from + c, 8 * sizeof(T));
    __builtin_memcpy(at + channels - 8, from + channels - 8, 8 * sizeof(T));
  }
}

}  // namespace

extern const conv::LineKernels line_kernels = {
    {lanes<float>, line<float>, deal<float>},
    {lanes<double>, line<double>, deal<double>},
};

}  // namespace fastcnn::FASTCNN_ISA
