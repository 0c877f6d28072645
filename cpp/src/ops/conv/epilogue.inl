// The epilogue of a convolution: bias, residual, activation, scale. Included by *_simd.inl only.
//
// Some steps are free because they work in registers: the bias (sums start from it), and none, relu and clamp, which
// are all a pair of bounds. finish() does the rest in a second pass over a tile that has just been stored and is still
// in the L1 cache. This costs one more load and store, but avoids compiling the kernels once for each combination.
//
//   const Bounds<T> bounds = bounds_of(epilogue);
//   store_first(dst, bound(sum, bounds), filters);                       // filters: how many lanes count
//   if (needs_finish(epilogue)) finish(epilogue, pixels, dst, residual, scale, filters);
//
// The residual must not overlap the result.
#pragma once

#include "core/simd.h"
#include "ops/conv/problem.h"
#include "ops/conv/vector_math.inl"

namespace fastcnn::FASTCNN_ISA {

// --- the first n lanes of a vector, 0 <= n; nothing behind them is touched ------------------------------------------

#if defined(__AVX512BW__)
FASTCNN_INLINE uint32_t first_lanes(int64_t n) { return n >= 32 ? ~0u : (1u << n) - 1; }
FASTCNN_INLINE Vec<float> load_first(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>(first_lanes(n)), p);
}
FASTCNN_INLINE Vec<double> load_first(const double* p, int64_t n) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>(first_lanes(n)), p);
}
FASTCNN_INLINE void store_first(float* p, Vec<float> v, int64_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first_lanes(n)), v);
}
FASTCNN_INLINE void store_first(double* p, Vec<double> v, int64_t n) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first_lanes(n)), v);
}
#elif defined(__AVX2__)
FASTCNN_INLINE __m256i first_lanes(const float*, int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? int(n) : 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FASTCNN_INLINE __m256i first_lanes(const double*, int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
FASTCNN_INLINE Vec<float> load_first(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(p, n)); }
FASTCNN_INLINE Vec<double> load_first(const double* p, int64_t n) { return _mm256_maskload_pd(p, first_lanes(p, n)); }
FASTCNN_INLINE void store_first(float* p, Vec<float> v, int64_t n) { _mm256_maskstore_ps(p, first_lanes(p, n), v); }
FASTCNN_INLINE void store_first(double* p, Vec<double> v, int64_t n) { _mm256_maskstore_pd(p, first_lanes(p, n), v); }
#else
template <class T>
FASTCNN_INLINE Vec<T> load_first(const T* p, int64_t n) {
  if (n >= lanes<T>) return load(p);
  Vec<T> v = {};
  for (int i = 0; i < lanes<T>; ++i)
    if (i < n) v[i] = p[i];
  return v;
}
template <class T>
FASTCNN_INLINE void store_first(T* p, Vec<T> v, int64_t n) {
  if (n >= lanes<T>) return store(p, v);
  for (int i = 0; i < lanes<T>; ++i)
    if (i < n) p[i] = v[i];
}
#endif

// --- in registers ---------------------------------------------------------------------------------------------------

template <class T>
struct Bounds {
  Vec<T> lower, upper;
};

template <class T>
FASTCNN_INLINE bool needs_finish(const conv::Epilogue<T>& e) {
  return e.residual.data || e.scale ||
         (e.activation != Activation::none && e.activation != Activation::relu && e.activation != Activation::clamp);
}

template <class T>
FASTCNN_INLINE Bounds<T> no_bounds() {
  return {splat(-FloatTraits<T>::infinity), splat(FloatTraits<T>::infinity)};
}
/// No bounds if finish() has to follow.
template <class T>
FASTCNN_INLINE Bounds<T> bounds_of(const conv::Epilogue<T>& e) {
  const T infinity = FloatTraits<T>::infinity;
  const bool here = !needs_finish(e);
  return {splat(here && e.activation != Activation::none ? T(0) : -infinity),
          splat(here && e.activation == Activation::clamp ? e.alpha : infinity)};
}

/// NaN stays NaN.
template <class T>
FASTCNN_INLINE Vec<T> bound(Vec<T> x, const Bounds<T>& bounds) {
  return vmin(bounds.upper, vmax(bounds.lower, x));
}

template <Activation A, class T>
FASTCNN_INLINE Vec<T> activate(Vec<T> x, T alpha) {
  const Vec<T> zero = {}, one = splat(T(1)), bounds_3 = vmin(splat(T(6)), vmax(zero, x + 3)) / 6;
  if constexpr (A == Activation::relu) return vmax(zero, x);
  if constexpr (A == Activation::clamp) return vmin(splat(alpha), vmax(zero, x));
  if constexpr (A == Activation::leaky_relu) return x > zero ? x : x * alpha;
  if constexpr (A == Activation::elu) return x > zero ? x : vexpm1<T>(x) * alpha;
  if constexpr (A == Activation::silu) return x / (one + vexp<T>(-x));
  if constexpr (A == Activation::hardswish) return x * bounds_3;
  if constexpr (A == Activation::hardsigmoid) return bounds_3;
  if constexpr (A == Activation::sigmoid) return one / (one + vexp<T>(-x));
  if constexpr (A == Activation::tanh) return vtanh<T>(x);
  if constexpr (A == Activation::softplus) return x > 20 ? x : vlog1p<T>(vexp<T>(vmin(splat(T(20)), x)));
  return x;
}

// --- in memory ------------------------------------------------------------------------------------------------------

template <Activation A, class T>
__attribute__((noinline)) void finish_as(T alpha, int64_t pixels, T* const* dst, const T* const* residual,
                                         const T* const* scale, int64_t filters) {
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t f = 0; f < filters; f += lanes<T>) {
      const int64_t n = filters - f;
      Vec<T> x = n >= lanes<T> ? load(dst[p] + f) : load_first(dst[p] + f, n);
      if (residual) x += n >= lanes<T> ? load(residual[p] + f) : load_first(residual[p] + f, n);
      x = activate<A, T>(x, alpha);
      if (scale) x *= n >= lanes<T> ? load(scale[p] + f) : load_first(scale[p] + f, n);
      if (n >= lanes<T>)
        store(dst[p] + f, x);
      else
        store_first(dst[p] + f, x, n);
    }
}

/// dst[p][0, filters) = activation(dst[p] + residual[p]) * scale[p] for each pixel p. `residual` and `scale` may be
/// null.
template <class T>
inline void finish(const conv::Epilogue<T>& e, int64_t pixels, T* const* dst, const T* const* residual,
                   const T* const* scale, int64_t filters) {
#define FASTCNN_FINISH(name) \
  case Activation::name: return finish_as<Activation::name, T>(e.alpha, pixels, dst, residual, scale, filters)
  switch (e.activation) {
    FASTCNN_FINISH(none);
    FASTCNN_FINISH(relu);
    FASTCNN_FINISH(clamp);
    FASTCNN_FINISH(leaky_relu);
    FASTCNN_FINISH(elu);
    FASTCNN_FINISH(silu);
    FASTCNN_FINISH(hardswish);
    FASTCNN_FINISH(hardsigmoid);
    FASTCNN_FINISH(sigmoid);
    FASTCNN_FINISH(tanh);
    FASTCNN_FINISH(softplus);
  }
#undef FASTCNN_FINISH
}

}  // namespace fastcnn::FASTCNN_ISA
