// Sliding means, compiled once per ISA. Plain loops vectorise by themselves; sums of neighbours are blocked by hand.
#include <stdint.h>

#include "core/simd.h"
#include "ops/thresholding/local_mean_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 16")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class R>
struct Part {
  const R* src;
  int64_t count, stride;
};

// dst[x] = sum over the parts, over i < count, of src[x + i * stride].
template <class R, int N, int Parts>
FASTCNN_INLINE void sum_block(const Part<R> (&parts)[Parts], int64_t x, R* dst) {
  Vec<R> sum[N] = {};
  for (int p = 0; p < Parts; ++p) {
    const R* src = parts[p].src + x;
    for (int64_t i = 0; i < parts[p].count; ++i, src += parts[p].stride)
      FASTCNN_UNROLL for (int v = 0; v < N; ++v) sum[v] += load(src + v * lanes<R>);
  }
  FASTCNN_UNROLL for (int v = 0; v < N; ++v) store(dst + x + v * lanes<R>, sum[v]);
}

template <class R, int Parts>
FASTCNN_INLINE void sum_parts(const Part<R> (&parts)[Parts], int64_t width, R* dst) {
  int64_t x = 0;
  for (; x + 4 * lanes<R> <= width; x += 4 * lanes<R>) sum_block<R, 4>(parts, x, dst);
  for (; x < width; x += lanes<R>) sum_block<R, 1>(parts, x, dst);
}

template <class R>
void sum_row(const R* src, const SumPlan& plan, int64_t width, R* const* buffers, R* dst) {
  const R* inner = src;
  if (plan.inner > 1) {
    sum_parts<R, 1>({{src, plan.inner, 1}}, width + plan.size - plan.inner, buffers[0]);
    inner = buffers[0];
  }
  const R* outer = inner;
  const int64_t unit = plan.inner * plan.outer;
  if (plan.outer > 1) {
    sum_parts<R, 1>({{inner, plan.outer, plan.inner}}, width + plan.size - unit, buffers[1]);
    outer = buffers[1];
  }
  const R* rest = src + plan.whole * unit + plan.middle * plan.inner;
  sum_parts<R, 3>(
      {{outer, plan.whole, unit}, {inner + plan.whole * unit, plan.middle, plan.inner}, {rest, plan.single, 1}}, width,
      dst);
}

template <class T, class C>
void accumulate(const T* __restrict src, int64_t n, C* __restrict column) {
  for (int64_t x = 0; x < n; ++x) column[x] += static_cast<C>(src[x]);
}

template <class T, class R>
void difference(const T* ahead, const T* behind, int64_t n, R* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<R>(static_cast<R>(ahead[x]) - static_cast<R>(behind[x]));
}

template <class R, class C>
void advance(const R* __restrict change, R all, int64_t n, C* __restrict column) {
  for (int64_t x = 0; x < n; ++x) column[x] += static_cast<C>(static_cast<R>(change[x] + all));
}

// A sum below 2^24 is a float32, and so is the area of such a block: one division, rounded once.
void threshold_narrow(const int32_t* __restrict column, int64_t n, double area, float offset, float* __restrict dst) {
  const float divisor = static_cast<float>(area);
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x]) / divisor - offset;
}

// The area is odd, so a quotient is never a tie between two floats: its relative distance from a tie is at least 2^-25
// / area. Below an area of 2^26 the error of a product with the reciprocal is smaller than that.
void threshold_wide(const double* __restrict column, int64_t n, double area, float offset, float* __restrict dst) {
  const double scale = 1 / area;
  if (area < 0x1p26)
    for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x] * scale) - offset;
  else
    for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<float>(column[x] / area) - offset;
}

void threshold_double(const int64_t* __restrict column, int64_t n, double area, double offset, double* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = static_cast<double>(column[x]) / area - offset;
}

template <class A>
void add(const A* a, const A* b, int64_t n, A* dst) {
  int64_t x = 0;
  for (; x + lanes<A> <= n; x += lanes<A>) store(dst + x, load(a + x) + load(b + x));
  for (; x < n; ++x) dst[x] = a[x] + b[x];
}

template <class A>
void threshold_sum(const A* a, const A* b, int64_t n, A scale, A offset, A* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = (a[x] + b[x]) * scale - offset;
}

// The products use the 16-bit multiply-add (the pixel beside a zero), which is one instruction; a 32-bit product takes
// two or more. The masks are narrowed to bytes at the end.
#if defined(__AVX512BW__)
// maskz: GCC 12 warns of the undefined register inside the plain intrinsic.
FASTCNN_INLINE __mmask16 above16(const int32_t* column, const uint8_t* src, __m512i area, __m512i bound) {
  const __m512i pixels = _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(src)));
  const __m512i limits = _mm512_add_epi32(_mm512_madd_epi16(pixels, area), bound);
  return _mm512_cmplt_epi32_mask(_mm512_loadu_si512(column), limits);
}
FASTCNN_INLINE void above_block(const int32_t* column, const uint8_t* src, __m512i area, __m512i bound, uint8_t* dst) {
  const __mmask32 low = _mm512_kunpackw(above16(column + 16, src + 16, area, bound), above16(column, src, area, bound));
  const __mmask32 high =
      _mm512_kunpackw(above16(column + 48, src + 48, area, bound), above16(column + 32, src + 32, area, bound));
  _mm512_storeu_si512(dst, _mm512_maskz_mov_epi8(_mm512_kunpackd(high, low), _mm512_set1_epi8(1)));
}
#elif defined(__AVX2__)
FASTCNN_INLINE __m256i above8_lanes(const int32_t* column, const uint8_t* src, __m256i area, __m256i bound) {
  const __m256i pixels = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(src)));
  const __m256i limits = _mm256_add_epi32(_mm256_madd_epi16(pixels, area), bound);
  return _mm256_cmpgt_epi32(limits, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column)));
}
FASTCNN_INLINE void above_block(const int32_t* column, const uint8_t* src, __m256i area, __m256i bound, uint8_t* dst) {
  const __m256i low =
      _mm256_packs_epi32(above8_lanes(column, src, area, bound), above8_lanes(column + 8, src + 8, area, bound));
  const __m256i high = _mm256_packs_epi32(above8_lanes(column + 16, src + 16, area, bound),
                                          above8_lanes(column + 24, src + 24, area, bound));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packing works on the halves apart
  const __m256i mask = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_and_si256(mask, _mm256_set1_epi8(1)));
}
#elif defined(__SSE4_1__)
FASTCNN_INLINE __m128i above4(const int32_t* column, const uint8_t* src, __m128i area, __m128i bound) {
  int32_t four;
  __builtin_memcpy(&four, src, sizeof four);
  const __m128i limits = _mm_add_epi32(_mm_madd_epi16(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)), area), bound);
  return _mm_cmpgt_epi32(limits, _mm_loadu_si128(reinterpret_cast<const __m128i*>(column)));
}
FASTCNN_INLINE void above_block(const int32_t* column, const uint8_t* src, __m128i area, __m128i bound, uint8_t* dst) {
  const __m128i low = _mm_packs_epi32(above4(column, src, area, bound), above4(column + 4, src + 4, area, bound));
  const __m128i high =
      _mm_packs_epi32(above4(column + 8, src + 8, area, bound), above4(column + 12, src + 12, area, bound));
  const __m128i mask = _mm_and_si128(_mm_packs_epi16(low, high), _mm_set1_epi8(1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), mask);
}
#endif

void above8(const int32_t* column, const uint8_t* src, int64_t n, int32_t area, int32_t bound, uint8_t* dst) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  const __m512i areas = _mm512_set1_epi32(area), bounds = _mm512_set1_epi32(bound);
#elif defined(__AVX2__)
  const __m256i areas = _mm256_set1_epi32(area), bounds = _mm256_set1_epi32(bound);
#elif defined(__SSE4_1__)
  const __m128i areas = _mm_set1_epi32(area), bounds = _mm_set1_epi32(bound);
#endif
#if defined(__SSE4_1__)
  for (; x + FASTCNN_VECTOR_BYTES <= n; x += FASTCNN_VECTOR_BYTES)
    above_block(column + x, src + x, areas, bounds, dst + x);
#endif
  for (; x < n; ++x) dst[x] = column[x] < src[x] * area + bound;
}

template <class A>
void above(const A* __restrict src, const A* __restrict threshold, int64_t n, A offset, uint8_t* __restrict dst) {
  for (int64_t x = 0; x < n; ++x) dst[x] = src[x] > threshold[x] - offset;
}

}  // namespace

extern const LocalMeanKernels local_mean_kernels = {
    {sum_row<int16_t>, sum_row<int32_t>, accumulate<uint8_t, int32_t>, difference<uint8_t, int16_t>,
     advance<int16_t, int32_t>, threshold_narrow},
    {sum_row<int32_t>, sum_row<double>, accumulate<uint8_t, double>, difference<uint8_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int32_t>, sum_row<double>, accumulate<uint16_t, double>, difference<uint16_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int32_t>, sum_row<double>, accumulate<int16_t, double>, difference<int16_t, int32_t>,
     advance<int32_t, double>, threshold_wide},
    {sum_row<int64_t>, sum_row<int64_t>, accumulate<int32_t, int64_t>, difference<int32_t, int64_t>,
     advance<int64_t, int64_t>, threshold_double},
    {sum_row<float>, add<float>, threshold_sum<float>},
    {sum_row<double>, add<double>, threshold_sum<double>},
    above8,
    above<float>,
    above<double>,
};

}  // namespace fastcnn::FASTCNN_ISA
