// Depthwise convolution (depthwise_simd.h), compiled once per ISA: vectors of channels, a register per output pixel.
//
// Kernels of width 3, 5 and 7 and stride 1 and 2 are unrolled: each input vector of a row is loaded once and used by
// all the output pixels that it reaches, with the row's weights in registers. Columns outside the image are skipped by
// branches that are the same for every row and channel, so they are predicted. Other kernels load once per tap.
#include "core/simd.h"
#include "ops/conv/depthwise_simd.h"
#include "ops/conv/epilogue.inl"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 64")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::DepthwiseTile;
using conv::kDepthwiseBlock;

// Widths of feature maps are multiples of 7 more often than of 8. Sums, 7 weights and an input fit the registers.
#if defined(__AVX512BW__) || defined(__ARM_NEON)
constexpr int kPixels = 14;
#else
constexpr int kPixels = 7;
#endif

template <bool Whole, class T>
FASTCNN_INLINE Vec<T> load_channels(const T* p, int64_t n) {
  if constexpr (Whole)
    return load(p);
  else
    return load_first(p, n);
}

template <bool Whole, class T>
FASTCNN_INLINE void put(const DepthwiseTile<T>& t, const Bounds<T>& bounds, Vec<T> (&sum)[kPixels], int64_t c,
                        int64_t n) {
  const Vec<T> scale = t.input_scale ? load_channels<Whole>(t.input_scale + c, n) : splat(T(1));
  const Vec<T> bias = t.epilogue->bias ? load_channels<Whole>(t.epilogue->bias + c, n) : Vec<T>{};
  FASTCNN_UNROLL for (int p = 0; p < kPixels; ++p) {
    if (p >= t.pixels) break;
    const Vec<T> value = bound(sum[p] * scale + bias, bounds);
    if constexpr (Whole)
      store(t.dst[p] + c, value);
    else
      store_first(t.dst[p] + c, value, n);
  }
}

/// Kernel width K, stride S; From <= column < To of the input row lie inside it.
template <class T, int K, int S, bool Inside, bool Whole>
FASTCNN_INLINE void channels_unrolled(const DepthwiseTile<T>& t, const Bounds<T>& bounds, int64_t c, int64_t n) {
  constexpr int kColumns = (kPixels - 1) * S + K;
  const int64_t from = -t.x, to = t.width - t.x < (t.pixels - 1) * S + K ? t.width - t.x : (t.pixels - 1) * S + K;
  const T* weights = t.weights + c / kDepthwiseBlock * kDepthwiseBlock * t.taps + c % kDepthwiseBlock;
  Vec<T> sum[kPixels] = {};
  FASTCNN_UNROLL for (int i = 0; i < S; ++i) {
    if (!t.ahead[i]) break;
    FASTCNN_UNROLL for (int p = 0; p < kPixels * S; ++p)
        __builtin_prefetch(t.ahead[i] + (t.x + p) * t.pixel_stride + c);
  }
  for (int64_t r = 0; r < t.num_rows; ++r) {
    const T* w = weights + t.rows[r].tap * kDepthwiseBlock;
    Vec<T> weight[K];
    FASTCNN_UNROLL for (int k = 0; k < K; ++k) {
      weight[k] = load(w + k * kDepthwiseBlock);
      keep(weight[k]);
    }
    const T* src = t.rows[r].src + t.x * t.pixel_stride + c;
    FASTCNN_UNROLL for (int j = 0; j < kColumns; ++j) {
      if (Inside || (j >= from && j < to)) {
        Vec<T> in = load_channels<Whole>(src, n);
        keep(in);
        FASTCNN_UNROLL for (int k = j % S; k < K; k += S) {
          if (j >= k && j - k <= (kPixels - 1) * S) sum[(j - k) / S] += in * weight[k];
        }
      }
      src += t.pixel_stride;
    }
  }
  put<Whole>(t, bounds, sum, c, n);
}

template <class T, bool Whole>
FASTCNN_INLINE void channels_any(const DepthwiseTile<T>& t, const Bounds<T>& bounds, int64_t c, int64_t n) {
  const T* weights = t.weights + c / kDepthwiseBlock * kDepthwiseBlock * t.taps + c % kDepthwiseBlock;
  Vec<T> sum[kPixels] = {};
  for (int64_t r = 0; r < t.num_rows; ++r) {
    const T* w = weights + t.rows[r].tap * kDepthwiseBlock;
    for (int64_t k = 0; k < t.kernel; ++k, w += kDepthwiseBlock) {
      const Vec<T> weight = load(w);
      const int64_t x = t.x + k * t.dilation;
      const T* src = t.rows[r].src + x * t.pixel_stride + c;
      if (t.pixels == kPixels && x >= 0 && x + (kPixels - 1) * t.stride < t.width) {
        FASTCNN_UNROLL for (int p = 0; p < kPixels; ++p) sum[p] +=
            load_channels<Whole>(src + p * t.stride * t.pixel_stride, n) * weight;
      } else {
        FASTCNN_UNROLL for (int p = 0; p < kPixels; ++p) {
          const int64_t at = x + p * t.stride;
          if (p < t.pixels && at >= 0 && at < t.width)
            sum[p] += load_channels<Whole>(src + p * t.stride * t.pixel_stride, n) * weight;
        }
      }
    }
  }
  put<Whole>(t, bounds, sum, c, n);
}

template <class T, int K, int S>
__attribute__((noinline)) void tile_of(const DepthwiseTile<T>& t) {
  const Bounds<T> bounds = bounds_of(*t.epilogue);
  int64_t c = t.channel_begin;
  const int64_t end = t.channel_end;
  if constexpr (K > 0) {
    if (t.pixels == kPixels && t.x >= 0 && t.x + (kPixels - 1) * S + K <= t.width)
      for (; c + lanes<T> <= end; c += lanes<T>) channels_unrolled<T, K, S, true, true>(t, bounds, c, lanes<T>);
    for (; c + lanes<T> <= end; c += lanes<T>) channels_unrolled<T, K, S, false, true>(t, bounds, c, lanes<T>);
  } else {
    for (; c + lanes<T> <= end; c += lanes<T>) channels_any<T, true>(t, bounds, c, lanes<T>);
  }
  if (c < end) channels_any<T, false>(t, bounds, c, end - c);
  if (needs_finish(*t.epilogue)) {
    T* dst[kPixels];
    const T *residual[kPixels], *scale[kPixels];
    for (int p = 0; p < t.pixels; ++p) {
      dst[p] = t.dst[p] + t.channel_begin;
      if (t.residual) residual[p] = t.residual[p] + t.channel_begin;
      if (t.scale) scale[p] = t.scale[p] + t.channel_begin;
    }
    finish<T>(*t.epilogue, t.pixels, dst, t.residual ? residual : nullptr, t.scale ? scale : nullptr,
              end - t.channel_begin);
  }
}

template <class T>
void tile(const DepthwiseTile<T>& t) {
  if (t.dilation == 1 && t.stride == 1) {
    if (t.kernel == 3) return tile_of<T, 3, 1>(t);
    if (t.kernel == 5) return tile_of<T, 5, 1>(t);
    if (t.kernel == 7) return tile_of<T, 7, 1>(t);
  }
  if (t.dilation == 1 && t.stride == 2) {
    if (t.kernel == 3) return tile_of<T, 3, 2>(t);
    if (t.kernel == 5) return tile_of<T, 5, 2>(t);
    if (t.kernel == 7) return tile_of<T, 7, 2>(t);
  }
  tile_of<T, 0, 0>(t);
}

}  // namespace

extern const conv::DepthwiseKernels depthwise_kernels = {{kPixels, tile<float>}, {kPixels, tile<double>}};

}  // namespace fastcnn::FASTCNN_ISA
