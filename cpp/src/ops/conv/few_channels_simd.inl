// Register tiles of pixels x vectors of filters (few_channels.cpp), compiled once per ISA.
//
// A tile keeps 12 sums (24 with 32 registers): 12 pixels of one vector, 6 of two, 4 of three. A term loads the vectors
// of weights and broadcasts a value for each pixel: 7 or 8 loads for 12 multiply-adds. Three vectors take 24 filters
// without an idle lane. If the result is in planes, vectors run along a row instead: three of them by four filters take
// 7 loads and 2 pointers. Both add the same terms in the same order, so that the layout does not change a bit.
#include "core/simd.h"
#include "ops/conv/epilogue.inl"
#include "ops/conv/few_channels_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 32")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::FewChunk;
using conv::FewRun;
using conv::kFewPixels;

#if defined(__AVX512BW__) || defined(__ARM_NEON)
constexpr int kSums = 24;
#else
constexpr int kSums = 12;
#endif
static_assert(kFewPixels % kSums == 0);
constexpr int kPlaneVectors = 3;

/// Adds a term: for pixel p the value at base[p / 4] + p % 4 * step.
template <class T, int P, int V, int B>
FASTCNN_INLINE void add_term(const char* const (&base)[B], int64_t step, int64_t offset, const T* w,
                             Vec<T> (&sum)[P][V]) {
  Vec<T> weight[V];
  FASTCNN_UNROLL for (int v = 0; v < V; ++v) {
    weight[v] = load(w + v * lanes<T>);
    keep(weight[v]);
  }
  FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
    Vec<T> value = splat(*reinterpret_cast<const T*>(base[p / 4] + p % 4 * step + offset));
    if constexpr (V > 1) keep(value);
    FASTCNN_UNROLL for (int v = 0; v < V; ++v) sum[p][v] += value * weight[v];
  }
}

/// Pixels from `first` on, filters from `filter` on.
template <class T, int V>
__attribute__((noinline)) void tile_of(const FewChunk<T>& a, const Bounds<T>& bounds, int64_t first, int64_t filter) {
  constexpr int P = kSums / V, kBases = (P + 3) / 4;
  const int64_t step = a.step * int64_t(sizeof(T)), pitch = a.pitch;
  const int64_t rest = a.filters - filter - (V - 1) * lanes<T>;  // of the last vector
  Vec<T> sum[P][V] = {};
  if (a.epilogue->bias) {
    const T* bias = a.epilogue->bias + filter;
    FASTCNN_UNROLL for (int v = 0; v < V; ++v) {
      const Vec<T> all =
          v < V - 1 || rest >= lanes<T> ? load(bias + v * lanes<T>) : load_first(bias + v * lanes<T>, rest);
      FASTCNN_UNROLL for (int p = 0; p < P; ++p) sum[p][v] = all;
    }
  }
  for (const FewRun<T>*run = a.runs, *end = run + a.num_runs; run != end; ++run) {
    const char* base[kBases];
    FASTCNN_UNROLL for (int i = 0; i < kBases; ++i) base[i] =
        reinterpret_cast<const char*>(run->src + first * a.step) + 4 * i * step;
    const T* w = run->weights + filter;
    // Two terms at a time, unless that takes more than 16 registers.
    constexpr int kTerms = V == 3 && kSums == 12 ? 1 : 2;
    for (int64_t k = run->length / kTerms; k > 0; --k, w += kTerms * pitch) {
      add_term(base, step, 0, w, sum);
      if constexpr (kTerms > 1) add_term(base, step, int64_t(sizeof(T)), w + pitch, sum);
      FASTCNN_UNROLL for (int i = 0; i < kBases; ++i) {
        base[i] += kTerms * sizeof(T);
        asm("" : "+r"(base[i]));  // GCC would keep one pointer per pixel on the stack
      }
    }
    if (run->length % kTerms) add_term(base, step, 0, w, sum);
  }
  T* dst = a.dst + first * a.dst_stride + filter;
  const int64_t pixels = a.pixels - first;
  FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
    if (p >= pixels) break;
    FASTCNN_UNROLL for (int v = 0; v < V; ++v) {
      const Vec<T> value = bound(sum[p][v], bounds);
      if (v < V - 1 || rest >= lanes<T>)
        store(dst + v * lanes<T>, value);
      else
        store_first(dst + v * lanes<T>, value, rest);
    }
    dst += a.dst_stride;
  }
}

template <class T, int V>
void tiles_of(const FewChunk<T>& a, const Bounds<T>& bounds, int64_t filter) {
  for (int64_t p = 0; p < a.pixels; p += kSums / V) tile_of<T, V>(a, bounds, p, filter);
}

template <class T>
void pixels(const FewChunk<T>& a) {
  const Bounds<T> bounds = bounds_of(*a.epilogue);
  int64_t filter = 0;
  for (int64_t left = (a.filters + lanes<T> - 1) / lanes<T>; left > 0;) {
    // Pairs; three at the end if the number is odd.
    const int64_t vectors = left == 3 || left == 1 ? left : 2;
    if (vectors == 3)
      tiles_of<T, 3>(a, bounds, filter);
    else if (vectors == 2)
      tiles_of<T, 2>(a, bounds, filter);
    else
      tiles_of<T, 1>(a, bounds, filter);
    left -= vectors;
    filter += vectors * lanes<T>;
  }
  if (!needs_finish(*a.epilogue)) return;
  T* dst[kFewPixels];
  const T *residual[kFewPixels], *scale[kFewPixels];
  for (int64_t p = 0; p < a.pixels; ++p) {
    dst[p] = a.dst + p * a.dst_stride;
    residual[p] = a.residual + (a.residual ? p * a.residual_stride : 0);
    scale[p] = a.scale;
  }
  finish<T>(*a.epilogue, a.pixels, dst, a.residual ? residual : nullptr, a.scale ? scale : nullptr, a.filters);
}

/// Filters from `filter` on, pixels from `first` on. The weights of filters behind the last are zeros.
template <class T, int F>
__attribute__((noinline)) void plane_tile(const FewChunk<T>& a, const Bounds<T>& bounds, int64_t first,
                                          int64_t filter) {
  const int64_t filters = a.filters - filter;
  Vec<T> sum[F][kPlaneVectors];
  FASTCNN_UNROLL for (int f = 0; f < F; ++f) {
    const Vec<T> bias = splat(a.epilogue->bias && f < filters ? a.epilogue->bias[filter + f] : T(0));
    FASTCNN_UNROLL for (int v = 0; v < kPlaneVectors; ++v) sum[f][v] = bias;
  }
  for (const FewRun<T>*run = a.runs, *end = run + a.num_runs; run != end; ++run) {
    const T *x = run->src + first, *w = run->weights + filter;
    Vec<T> value[kPlaneVectors];
    FASTCNN_UNROLL for (int v = 0; v < kPlaneVectors; ++v) {
      value[v] = load(x + v * lanes<T>);
      keep(value[v]);
    }
    FASTCNN_UNROLL for (int f = 0; f < F; ++f) {
      Vec<T> weight = splat(w[f]);
      keep(weight);
      FASTCNN_UNROLL for (int v = 0; v < kPlaneVectors; ++v) sum[f][v] += value[v] * weight;
    }
  }
  T* dst = a.dst + filter * a.dst_stride + first;
  FASTCNN_UNROLL for (int f = 0; f < F; ++f, dst += a.dst_stride) {
    if (f >= filters) break;
    FASTCNN_UNROLL for (int v = 0; v < kPlaneVectors; ++v) {
      const int64_t rest = a.pixels - first - v * lanes<T>;
      if (rest >= lanes<T>)
        store(dst + v * lanes<T>, bound(sum[f][v], bounds));
      else if (rest > 0)
        store_first(dst + v * lanes<T>, bound(sum[f][v], bounds), rest);
    }
  }
}

template <class T>
void planes(const FewChunk<T>& a) {
  constexpr int kFilters = kSums / kPlaneVectors, kPixels = kPlaneVectors * lanes<T>;
  static_assert(kFewPixels % kPixels == 0);
  const Bounds<T> bounds = bounds_of(*a.epilogue);
  for (int64_t filter = 0; filter < a.filters; filter += kFilters)
    for (int64_t p = 0; p < a.pixels; p += kPixels) {
      if (a.filters - filter == 1)
        plane_tile<T, 1>(a, bounds, p, filter);
      else
        plane_tile<T, kFilters>(a, bounds, p, filter);
    }
  if (!needs_finish(*a.epilogue)) return;
  for (int64_t f = 0; f < a.filters; ++f) {
    T scales[kFewPixels], *dst[1] = {a.dst + f * a.dst_stride};
    const T *residual[1] = {a.residual + (a.residual ? f * a.residual_stride : 0)}, *scale[1] = {scales};
    for (int64_t p = 0; p < a.pixels; ++p) scales[p] = a.scale ? a.scale[f] : T(1);
    finish<T>(*a.epilogue, 1, dst, a.residual ? residual : nullptr, a.scale ? scale : nullptr, a.pixels);
  }
}

}  // namespace

extern const conv::FewChannelsKernels few_channels_kernels = {{pixels<float>, planes<float>},
                                                              {pixels<double>, planes<double>}};

}  // namespace fastcnn::FASTCNN_ISA
