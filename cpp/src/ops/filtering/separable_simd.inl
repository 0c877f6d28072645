// Correlation of rows and columns, compiled once per ISA.
//
// Both directions are limited by multiply-adds (two per cycle) if loads are not the bottleneck, so both are blocked in
// registers to use every loaded vector several times:
//   - columns: a block of R rows x N vectors; an input row contributes to all R outputs. Symmetric folding,
//     (a + b) * w, does not help if there is a fused multiply-add, because an addition costs as much.
//   - along a row: taps t and t + lanes read the same vectors, one block further. All taps of one residue class
//     modulo the lane count therefore share loads, which nearly all cross cache lines and are the bottleneck.
#include <stdint.h>

#include "core/simd.h"
#include "ops/filtering/separable_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 16")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

// 32 registers with AVX-512 and NEON, 16 otherwise.
#if defined(__AVX512BW__) || defined(__ARM_NEON)
constexpr int kRows = 8, kColumnVectors = 2, kRowVectors = 16;
#else
constexpr int kRows = 4, kColumnVectors = 2, kRowVectors = 8;
#endif

// --- down the columns
// -------------------------------------------------------------------------------------------------

// Input row t adds taps[t - j] to output j. The first and the last R - 1 input rows contribute to some outputs only;
// zero taps instead would turn an infinity outside the window into NaN.
template <class A, int R, int N, int From, int To>
FASTCNN_INLINE void add_row(const A* row, const A* taps, Vec<A> (&sum)[R][N]) {
  Vec<A> in[N];
  FASTCNN_UNROLL for (int v = 0; v < N; ++v) in[v] = load(row + v * lanes<A>);
  FASTCNN_UNROLL for (int j = From; j < To; ++j) {
    const Vec<A> w = splat(taps[-j]);
    FASTCNN_UNROLL for (int v = 0; v < N; ++v) sum[j][v] += w * in[v];
  }
}

template <class A, int R, int N, int T = 0>
FASTCNN_INLINE void add_head(const A* const* rows, const A* taps, int64_t x, Vec<A> (&sum)[R][N]) {
  if constexpr (T < R - 1) {
    add_row<A, R, N, 0, T + 1>(rows[T] + x, taps + T, sum);
    add_head<A, R, N, T + 1>(rows, taps, x, sum);
  }
}

template <class A, int R, int N, int J = 1>
FASTCNN_INLINE void add_tail(const A* const* rows, const A* taps, int64_t n, int64_t x, Vec<A> (&sum)[R][N]) {
  if constexpr (J < R) {
    add_row<A, R, N, J, R>(rows[n - 1 + J] + x, taps + n - 1 + J, sum);
    add_tail<A, R, N, J + 1>(rows, taps, n, x, sum);
  }
}

template <class A, int R, int N>
FASTCNN_INLINE void columns_block(const A* const* rows, const A* taps, int64_t n, int64_t x, A* dst, int64_t stride) {
  Vec<A> sum[R][N] = {};
  add_head<A, R, N>(rows, taps, x, sum);
  for (int64_t t = R - 1; t < n; ++t) {
    // Hides that the next iteration uses the same taps: GCC would pass them on in scalar registers and splat them
    // again, which costs more than loading them.
    asm("" : "+r"(taps));
    add_row<A, R, N, 0, R>(rows[t] + x, taps + t, sum);
  }
  add_tail<A, R, N>(rows, taps, n, x, sum);
  FASTCNN_UNROLL for (int j = 0; j < R; ++j) {
    FASTCNN_UNROLL for (int v = 0; v < N; ++v) store(dst + j * stride + x + v * lanes<A>, sum[j][v]);
  }
}

// R outputs at a time; needs n >= R.
template <class A, int R>
void columns_of(const A* const* rows, const A* taps, int64_t n, int64_t width, A* dst, int64_t stride) {
  constexpr int64_t kBlock = kColumnVectors * lanes<A>;
  if (width >= lanes<A>) {
    int64_t x = 0;
    for (; x + kBlock <= width; x += kBlock) columns_block<A, R, kColumnVectors>(rows, taps, n, x, dst, stride);
    for (; x + lanes<A> <= width; x += lanes<A>) columns_block<A, R, 1>(rows, taps, n, x, dst, stride);
    if (x < width) columns_block<A, R, 1>(rows, taps, n, width - lanes<A>, dst, stride);
  } else {
    for (int64_t j = 0; j < R; ++j)
      for (int64_t x = 0; x < width; ++x) {
        A sum = 0;
        for (int64_t t = 0; t < n; ++t) sum += taps[t] * rows[j + t][x];
        dst[j * stride + x] = sum;
      }
  }
}

template <class A>
void columns(const A* const* rows, const A* taps, int64_t n, int64_t count, int64_t width, A* dst, int64_t stride) {
  int64_t j = 0;
  if (n >= kRows)
    for (; j + kRows <= count; j += kRows) columns_of<A, kRows>(rows + j, taps, n, width, dst + j * stride, stride);
  if (n >= 3)
    for (; j + 3 <= count; j += 3) columns_of<A, 3>(rows + j, taps, n, width, dst + j * stride, stride);
  for (; j < count; ++j) columns_of<A, 1>(rows + j, taps, n, width, dst + j * stride, stride);
}

// --- along a row
// ------------------------------------------------------------------------------------------------------

template <class A, int N>
FASTCNN_INLINE void row_block(const A* src, const A* taps, int64_t n, Vec<A> (&sum)[N]) {
  constexpr int L = lanes<A>;
  for (int64_t from = 0; from < n; from += 2 * L) {
    const int64_t left = n - from, pairs = left >= 2 * L ? L : left > L ? left - L : 0, all = left < L ? left : L;
    const A *in = src + from, *w = taps + from;
    int64_t t = 0;
    for (; t < pairs; ++t) {
      const Vec<A> first = splat(w[t]), second = splat(w[t + L]);
      Vec<A> x = load(in + t);
      FASTCNN_UNROLL for (int v = 0; v < N; ++v) {
        sum[v] += first * x;
        x = load(in + t + (v + 1) * L);
        keep(x);
        sum[v] += second * x;
      }
    }
    for (; t < all; ++t) {
      const Vec<A> first = splat(w[t]);
      FASTCNN_UNROLL for (int v = 0; v < N; ++v) sum[v] += first * load(in + t + v * L);
    }
  }
}

// Processes as many blocks of N vectors as fit, from x on; returns their end.
template <class A, int N>
int64_t row_blocks(const A* src, const A* taps, int64_t n, int64_t x, int64_t width, A* dst) {
  for (; x + N * lanes<A> <= width; x += N * lanes<A>) {
    Vec<A> sum[N] = {};
    row_block<A, N>(src + x, taps, n, sum);
    FASTCNN_UNROLL for (int v = 0; v < N; ++v) store(dst + x + v * lanes<A>, sum[v]);
  }
  return x;
}

template <class A>
void row(const A* src, const A* taps, int64_t n, int64_t width, A* dst) {
  int64_t x = row_blocks<A, kRowVectors>(src, taps, n, 0, width, dst);
  x = row_blocks<A, 6>(src, taps, n, x, width, dst);
  for (; x < width; x += 2 * lanes<A>) {
    Vec<A> sum[2] = {};
    row_block<A, 2>(src + x, taps, n, sum);
    FASTCNN_UNROLL for (int v = 0; v < 2; ++v) {
      const int64_t left = width - x - v * lanes<A>;
      A* out = dst + x + v * lanes<A>;
      if (left >= lanes<A>)
        store(out, sum[v]);
      else
        for (int64_t i = 0; i < left; ++i) out[i] = sum[v][i];
    }
  }
}

// --- rows of other dtypes
// ---------------------------------------------------------------------------------------------

// Compilers vectorise widening and narrowing loops. Other operations on the values use vectors, on runs of this many
// values in a buffer.
constexpr int64_t kRun = 256;

template <class T, class A>
void load_as(const void* src, int64_t n, A* dst) {
  const T* in = static_cast<const T*>(src);
  for (int64_t i = 0; i < n; ++i) dst[i] = static_cast<A>(in[i]);
}

// dst[i] = T(convert(src[i])), through values of type W as wide as a float.
template <class W, class T, class Convert>
FASTCNN_INLINE void store_as(const float* src, int64_t n, void* dst, Convert convert) {
  alignas(64) float in[kRun];
  alignas(64) W values[kRun];
  T* out = static_cast<T*>(dst);
  for (int64_t from = 0; from < n; from += kRun) {
    const int64_t count = n - from < kRun ? n - from : kRun;
    const float* run = src + from;
    if (count % lanes<float> != 0) {
      for (int64_t i = 0; i < kRun; ++i) in[i] = i < count ? run[i] : 0.0f;
      run = in;
    }
    for (int64_t i = 0; i < count; i += lanes<float>) store(values + i, convert(load(run + i)));
    for (int64_t i = 0; i < count; ++i) out[from + i] = static_cast<T>(values[i]);
  }
}

// Rounded to nearest, ties to even: float32 has no bits below the units between 2^23 and 2^24.
FASTCNN_INLINE Vec<float> to_nearest(Vec<float> x) {
  const Vec<float> zero = {}, magic = x < zero ? splat(-8388608.0f) : splat(8388608.0f), size = x < zero ? -x : x;
  return size < 8388608.0f ? (x + magic) - magic : x;
}

struct ToInteger {
  float lowest, highest;
  FASTCNN_INLINE Vec<int32_t> operator()(Vec<float> x) const {
    return __builtin_convertvector(vmin(vmax(to_nearest(x), splat(lowest)), splat(highest)), Vec<int32_t>);
  }
};
struct ToInt32 {
  FASTCNN_INLINE Vec<int32_t> operator()(Vec<float> x) const {
    const Vec<float> bound = splat(2147483648.0f);
    const Vec<int32_t> above = x >= bound;  // their highest value is no float32
    const Vec<int32_t> inside =
        __builtin_convertvector(vmax(to_nearest(above ? Vec<float>{} : x), -bound), Vec<int32_t>);
    return above ? splat(INT32_MAX) : inside;
  }
};
void store_uint8(const float* src, int64_t n, void* dst) {
  store_as<int32_t, uint8_t>(src, n, dst, ToInteger{0.0f, 255.0f});
}
void store_uint16(const float* src, int64_t n, void* dst) {
  store_as<int32_t, uint16_t>(src, n, dst, ToInteger{0.0f, 65535.0f});
}
void store_int16(const float* src, int64_t n, void* dst) {
  store_as<int32_t, int16_t>(src, n, dst, ToInteger{-32768.0f, 32767.0f});
}
void store_int32(const float* src, int64_t n, void* dst) { store_as<int32_t, int32_t>(src, n, dst, ToInt32{}); }

// core/half.h's conversions, on vectors.
using Bits = Vec<uint32_t>;
FASTCNN_INLINE Vec<float> as_float(Bits v) { return (Vec<float>)v; }
FASTCNN_INLINE Bits as_bits(Vec<float> v) { return (Bits)v; }

void load_float16(const void* src, int64_t n, float* dst) {
  alignas(64) uint32_t values[kRun];
  const uint16_t* in = static_cast<const uint16_t*>(src);
  for (int64_t from = 0; from < n; from += kRun) {
    const int64_t count = n - from < kRun ? n - from : kRun;
    for (int64_t i = 0; i < count; ++i) values[i] = in[from + i];
    for (int64_t i = 0; i < count; i += lanes<float>) {
      const Bits half = load(values + i), magnitude = half & 0x7fffu;
      const Bits normal = (magnitude << 13) + (magnitude >= 0x7c00u ? splat(0x70000000u) : splat(0x38000000u));
      const Bits tiny = as_bits(__builtin_convertvector((Vec<int32_t>)magnitude, Vec<float>) * 0x1p-24f);
      const Bits bits = ((half & 0x8000u) << 16) | (magnitude < 0x400u ? tiny : normal);
      if (i + lanes<float> <= count)
        store(dst + from + i, as_float(bits));
      else
        for (int64_t k = i; k < count; ++k) dst[from + k] = as_float(bits)[k - i];
    }
  }
}
struct ToFloat16 {
  FASTCNN_INLINE Bits operator()(Vec<float> value) const {
    const Bits x = as_bits(value), magnitude = x & 0x7fffffffu;
    const Bits normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    const Bits tiny = as_bits(as_float(magnitude < 0x38800000u ? magnitude : Bits{}) + 0.5f) - 0x3f000000u;
    Bits half = magnitude < 0x38800000u ? tiny : normal;
    half = magnitude >= 0x477ff000u ? splat(0x7c00u) : half;
    half = magnitude > 0x7f800000u ? splat(0x7e00u) : half;
    return ((x >> 16) & 0x8000u) | half;
  }
};
void store_float16(const float* src, int64_t n, void* dst) { store_as<uint32_t, uint16_t>(src, n, dst, ToFloat16{}); }

void load_bfloat16(const void* src, int64_t n, float* dst) {
  const uint16_t* in = static_cast<const uint16_t*>(src);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(in[i]) << 16;
    __builtin_memcpy(dst + i, &bits, sizeof bits);
  }
}
struct ToBFloat16 {
  FASTCNN_INLINE Bits operator()(Vec<float> value) const {
    const Bits x = as_bits(value);
    return (x & 0x7fffffffu) > 0x7f800000u ? (x >> 16) | 0x40u : (x + 0x7fffu + ((x >> 16) & 1u)) >> 16;
  }
};
void store_bfloat16(const float* src, int64_t n, void* dst) { store_as<uint32_t, uint16_t>(src, n, dst, ToBFloat16{}); }

}  // namespace

// In the order of DType: undefined, bool, uint8, uint16, int16, int32, int64, float16, bfloat16, float32, float64.
extern const SeparableKernels separable_kernels = {
    {columns<float>,
     row<float>,
     {nullptr, nullptr, load_as<uint8_t, float>, load_as<uint16_t, float>, load_as<int16_t, float>,
      load_as<int32_t, float>, nullptr, load_float16, load_bfloat16, nullptr, nullptr},
     {nullptr, nullptr, store_uint8, store_uint16, store_int16, store_int32, nullptr, store_float16, store_bfloat16,
      nullptr, nullptr}},
    {columns<double>,
     row<double>,
     {nullptr, nullptr, nullptr, nullptr, nullptr, load_as<int32_t, double>, nullptr, nullptr, nullptr, nullptr,
      nullptr},
     {}},
};

}  // namespace fastcnn::FASTCNN_ISA
