// Depthwise convolution and groups of 4 or 8 channels (grouped_simd.h), compiled once per ISA: vectors of channels,
// a register per output pixel.
//
// Kernels of width 3 (and 5 and 7, depthwise), stride 1 and 2, are unrolled: each input vector of a row is loaded once
// and used by all the output pixels that it reaches. In a group, a permutation first spreads each channel over the
// group's lanes; the output pixels share it too. 12 of 16 operations are multiply-adds of 16 useful lanes each. Columns
// outside the image are skipped by branches that are the same for every row and channel, so they are predicted. Other
// kernels load once per tap.
#include "core/simd.h"
#include "ops/conv/epilogue.inl"
#include "ops/conv/grouped_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 64")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::GroupedTile;
using conv::kGroupedBlock;

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

template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using type = Lanes<I...>;
};
/// Every lane gets channel J of its own group of G.
template <int G, int J, class T, int... I>
FASTCNN_INLINE Vec<T> spread(Vec<T> v, Lanes<I...>) {
  return __builtin_shufflevector(v, v, (I / G * G + J)...);
}

/// The input vector at some pixel, and its channels one by one.
template <class T, int G, bool Whole>
struct Input {
  const T* group;  ///< where a group is wider than a vector
  const T* scale;
  Vec<T> all;

  FASTCNN_INLINE Input(const GroupedTile<T>& t, const T* src, int64_t c, int64_t n) {
    if constexpr (G <= lanes<T>) {
      all = load_channels<Whole>(src, n);
      if constexpr (G > 1)
        if (t.input_scale) all *= load_channels<Whole>(t.input_scale + c, n);
      keep(all);
    } else {
      group = src - c % G;
      scale = t.input_scale ? t.input_scale + c - c % G : nullptr;
    }
  }
  template <int J>
  FASTCNN_INLINE Vec<T> channel() const {
    if constexpr (G == 1)
      return all;
    else if constexpr (G <= lanes<T>)
      return spread<G, J, T>(all, typename MakeLanes<lanes<T>>::type());
    else
      return splat(scale ? group[J] * scale[J] : group[J]);
  }
};

template <bool Whole, class T>
FASTCNN_INLINE void put(const GroupedTile<T>& t, const Bounds<T>& bounds, Vec<T> (&sum)[kPixels], bool scaled,
                        int64_t c, int64_t n) {
  const Vec<T> scale = scaled ? load_channels<Whole>(t.input_scale + c, n) : splat(T(1));
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

/// Adds channels J, J + 1, ... of input column `column` to the output pixels that it reaches.
template <class T, int K, int S, int G, int J = 0, class In>
FASTCNN_INLINE void add_column(const In& in, int column, const T* w, const Vec<T> (&kept)[K], Vec<T> (&sum)[kPixels]) {
  if constexpr (J < G) {
    const Vec<T> value = in.template channel<J>();
    FASTCNN_UNROLL for (int k = column % S; k < K; k += S) {
      if (column >= k && column - k <= (kPixels - 1) * S)
        sum[(column - k) / S] += value * (G == 1 ? kept[k] : load(w + (k * G + J) * kGroupedBlock));
    }
    add_column<T, K, S, G, J + 1>(in, column, w, kept, sum);
  }
}

template <class T, int K, int S, int G, bool Inside>
FASTCNN_INLINE void channels_unrolled(const GroupedTile<T>& t, const Bounds<T>& bounds, int64_t c) {
  constexpr int kColumns = (kPixels - 1) * S + K;
  // The range of input columns inside the image.
  const int64_t used = (t.pixels - 1) * S + K, from = -t.x, to = t.width - t.x < used ? t.width - t.x : used;
  const T* weights = t.weights + c / kGroupedBlock * kGroupedBlock * t.taps * G + c % kGroupedBlock;
  Vec<T> sum[kPixels] = {};
  for (int64_t r = 0; r < t.num_rows; ++r) {
    const T* w = weights + t.rows[r].tap * G * kGroupedBlock;
    Vec<T> kept[K] = {};
    if constexpr (G == 1) {
      FASTCNN_UNROLL for (int k = 0; k < K; ++k) {
        kept[k] = load(w + k * kGroupedBlock);
        keep(kept[k]);
      }
    }
    const T* src = t.rows[r].src + t.x * t.pixel_stride + c;
    FASTCNN_UNROLL for (int j = 0; j < kColumns; ++j) {
      if (Inside || (j >= from && j < to))
        add_column<T, K, S, G>(Input<T, G, true>(t, src, c, lanes<T>), j, w, kept, sum);
      src += t.pixel_stride;
    }
  }
  put<true>(t, bounds, sum, G == 1 && t.input_scale, c, lanes<T>);
}

/// One tap, channels J, J + 1, ... of the input of pixel p.
template <class T, int G, int J = 0, class In>
FASTCNN_INLINE void add_tap(const In& in, const T* w, Vec<T>& sum) {
  if constexpr (J < G) {
    sum += in.template channel<J>() * load(w + J * kGroupedBlock);
    add_tap<T, G, J + 1>(in, w, sum);
  }
}

template <class T, int G, bool Whole>
__attribute__((noinline)) void channels_any(const GroupedTile<T>& t, const Bounds<T>& bounds, int64_t c, int64_t n) {
  const T* weights = t.weights + c / kGroupedBlock * kGroupedBlock * t.taps * G + c % kGroupedBlock;
  Vec<T> sum[kPixels] = {};
  for (int64_t r = 0; r < t.num_rows; ++r) {
    const T* w = weights + t.rows[r].tap * G * kGroupedBlock;
    for (int64_t k = 0; k < t.kernel; ++k, w += G * kGroupedBlock) {
      const int64_t x = t.x + k * t.dilation;
      const T* src = t.rows[r].src + x * t.pixel_stride + c;
      const bool inside = t.pixels == kPixels && x >= 0 && x + (kPixels - 1) * t.stride < t.width;
      FASTCNN_UNROLL for (int p = 0; p < kPixels; ++p) {
        const int64_t at = x + p * t.stride;
        if (inside || (p < t.pixels && at >= 0 && at < t.width))
          add_tap<T, G>(Input<T, G, Whole>(t, src + p * t.stride * t.pixel_stride, c, n), w, sum[p]);
      }
    }
  }
  put<Whole>(t, bounds, sum, G == 1 && t.input_scale, c, n);
}

template <class T, int K, int S, int G>
__attribute__((noinline)) void tile_of(const GroupedTile<T>& t) {
  const Bounds<T> bounds = bounds_of(*t.epilogue);
  int64_t c = t.channel_begin;
  const int64_t end = t.channel_end;
  if constexpr (K > 0) {
    if (t.pixels == kPixels && t.x >= 0 && t.x + (kPixels - 1) * S + K <= t.width)
      for (; c + lanes<T> <= end; c += lanes<T>) channels_unrolled<T, K, S, G, true>(t, bounds, c);
    for (; c + lanes<T> <= end; c += lanes<T>) channels_unrolled<T, K, S, G, false>(t, bounds, c);
  } else {
    for (; c + lanes<T> <= end; c += lanes<T>) channels_any<T, G, true>(t, bounds, c, lanes<T>);
  }
  if (c < end) channels_any<T, G, false>(t, bounds, c, end - c);
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

template <class T, int G>
void tile_of_group(const GroupedTile<T>& t) {
  if (t.dilation == 1 && t.stride == 1) {
    if (t.kernel == 3) return tile_of<T, 3, 1, G>(t);
    if (G == 1 && t.kernel == 5) return tile_of<T, 5, 1, 1>(t);
    if (G == 1 && t.kernel == 7) return tile_of<T, 7, 1, 1>(t);
  }
  if (t.dilation == 1 && t.stride == 2) {
    if (t.kernel == 3) return tile_of<T, 3, 2, G>(t);
    if (G == 1 && t.kernel == 5) return tile_of<T, 5, 2, 1>(t);
    if (G == 1 && t.kernel == 7) return tile_of<T, 7, 2, 1>(t);
  }
  tile_of<T, 0, 0, G>(t);
}

template <class T>
void tile(const GroupedTile<T>& t) {
  if (t.group_channels == 8) return tile_of_group<T, 8>(t);
  if (t.group_channels == 4) return tile_of_group<T, 4>(t);
  tile_of_group<T, 1>(t);
}

}  // namespace

extern const conv::GroupedKernels grouped_kernels = {{kPixels, tile<float>}, {kPixels, tile<double>}};

}  // namespace fastcnn::FASTCNN_ISA
