// exp, expm1, log1p and tanh of vectors, in float and double, within about 2 ulp; NaN and infinities as in <cmath>.
// Included by *_simd.inl only.
//
// expm1 and exp reduce to |r| <= ln(2) / 2 (Cody and Waite 1980) and sum the Taylor series, whose coefficients need no
// table of their own in either precision. log1p is that of fdlibm: atanh series of the mantissa of y = 1 + u, and u -
// (y - 1), what y rounded away, as a correction.
#pragma once

#include <stdint.h>

#include "core/simd.h"

namespace fastcnn::FASTCNN_ISA {

template <class T>
struct FloatTraits;
template <>
struct FloatTraits<float> {
  typedef int32_t Int;
  static constexpr int mantissa = 23, bias = 127, exp_terms = 7, log_terms = 5;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.428606820309417e-6f;
  static constexpr float exp_lowest = -105, exp_highest = 89.5f, infinity = __builtin_huge_valf();
};
template <>
struct FloatTraits<double> {
  typedef int64_t Int;
  static constexpr int mantissa = 52, bias = 1023, exp_terms = 13, log_terms = 11;
  static constexpr double magic = 6755399441055744.0;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_lowest = -746, exp_highest = 710.5, infinity = __builtin_huge_val();
};
template <class T>
using IntVec = typename VecOf<typename FloatTraits<T>::Int>::type;

/// 2^n for integral n in [-bias + 1, bias].
template <class T>
FASTCNN_INLINE Vec<T> power_of_two(IntVec<T> n) {
  typedef FloatTraits<T> F;
  return (Vec<T>)((n + F::bias) << F::mantissa);
}

template <class T>
struct Reduced {
  Vec<T> r;     ///< x - n ln 2
  IntVec<T> n;  ///< round(x / ln 2)
};

/// x within [exp_lowest, exp_highest] or NaN.
template <class T>
FASTCNN_INLINE Reduced<T> reduce(Vec<T> x) {
  typedef FloatTraits<T> F;
  const Vec<T> rounded = x * T(1.4426950408889634074) + F::magic, n = rounded - F::magic;
  return {x - n * F::ln2_high - n * F::ln2_low, (IntVec<T>)rounded - (IntVec<T>)splat<T>(F::magic)};
}

/// exp(r) - 1 for |r| <= ln(2) / 2.
template <class T>
FASTCNN_INLINE Vec<T> expm1_series(Vec<T> r) {
  T factorial = 1;
  for (int i = 2; i <= FloatTraits<T>::exp_terms; ++i) factorial *= T(i);
  Vec<T> sum = splat(1 / factorial);
#pragma GCC unroll 16
  for (int i = FloatTraits<T>::exp_terms; i > 2; --i) {
    factorial /= T(i);
    sum = sum * r + 1 / factorial;
  }
  return sum * (r * r) + r;  // the leading term apart, so that it is exact
}

/// Keeps NaN.
template <class T>
FASTCNN_INLINE Vec<T> clamp_exponent(Vec<T> x) {
  typedef FloatTraits<T> F;
  return vmin(splat<T>(F::exp_highest), vmax(splat<T>(F::exp_lowest), x));
}

template <class T>
FASTCNN_INLINE Vec<T> vexp(Vec<T> x) {
  const Reduced<T> a = reduce<T>(clamp_exponent<T>(x));
  const IntVec<T> half = a.n >> 1;  // two factors: 2^n itself may be infinite or denormal
  return (expm1_series<T>(a.r) + 1) * power_of_two<T>(half) * power_of_two<T>(a.n - half);
}

/// Half of 2^n comes first, so that the largest results do not overflow on the way.
template <class T>
FASTCNN_INLINE Vec<T> vexpm1(Vec<T> x) {
  const Vec<T> lowest = splat<T>(-(FloatTraits<T>::mantissa + 2));  // exp(it) is below half an ulp of 1
  const Reduced<T> a = reduce<T>(vmin(splat<T>(FloatTraits<T>::exp_highest), vmax(lowest, x)));
  const Vec<T> half = power_of_two<T>(a.n - 1);
  return (half * expm1_series<T>(a.r) + (half - T(0.5))) * 2;
}

/// For u >= 0 or NaN.
template <class T>
FASTCNN_INLINE Vec<T> vlog1p(Vec<T> u) {
  typedef FloatTraits<T> F;
  const Vec<T> y = u + 1, correction = (u - (y - 1)) / y;
  // y = 2^n m, m in [sqrt(1/2), sqrt(2))
  const IntVec<T> root_half = (IntVec<T>)splat<T>(T(0.70710678118654752440));
  const IntVec<T> n = ((IntVec<T>)y - root_half) >> F::mantissa;
  const Vec<T> f = (Vec<T>)((IntVec<T>)y - (n << F::mantissa)) - 1, s = f / (f + 2), z = s * s;
  Vec<T> sum = splat(T(1) / (2 * F::log_terms + 1));
#pragma GCC unroll 16
  for (int i = F::log_terms - 1; i > 0; --i) sum = sum * z + T(1) / (2 * i + 1);
  // 2 atanh(s) = f - s (f - 2 z sum), which keeps f exact
  const Vec<T> exponent = __builtin_convertvector(n, Vec<T>);
  const Vec<T> log = exponent * F::ln2_high + (f - (s * (f - 2 * z * sum) - (exponent * F::ln2_low + correction)));
  return u < F::infinity ? log : u;
}

template <class T>
FASTCNN_INLINE Vec<T> vtanh(Vec<T> x) {
  const Vec<T> magnitude = x < 0 ? -x : x, t = vexpm1<T>(magnitude * -2), y = -t / (t + 2);
  return x < 0 ? -y : x > 0 ? y : x;  // signed zeros and NaN stay
}

}  // namespace fastcnn::FASTCNN_ISA
