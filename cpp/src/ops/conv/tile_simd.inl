// Register tiles of the direct convolutions (tile_simd.h), compiled once per ISA.
//
// A tile of P pixels x V vectors of filters keeps P * V sums in registers; each term loads V weights and broadcasts P
// inputs for P * V multiply-adds. 14 x 2 (28 of 32 registers, 16 loads for 28 multiply-adds) with AVX-512, 6 x 2 with
// 16 registers, 6 x 4 on NEON. Pixels stand at a constant distance, so that four pointers and two offsets address them
// all.
#include "core/simd.h"
#include "ops/conv/epilogue.inl"
#include "ops/conv/tile_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 32")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::GatherArgs;
using conv::kBlock;
using conv::Panel;
using conv::Run;
using conv::Segment;
using conv::TileArgs;

#if defined(__AVX512BW__)
constexpr int kPixels = 14, kVectors = 2;
#elif defined(__ARM_NEON)
constexpr int kPixels = 6, kVectors = 4;
#else
constexpr int kPixels = 6, kVectors = 2;
#endif
static_assert(kPixels <= conv::kMaxTilePixels);
template <class T>
constexpr int kBlockVectors =
    kVectors < kBlock / lanes<T> ? kVectors : kBlock / lanes<T>;  // of a panel within one block

// --- broadcasts -----------------------------------------------------------------------------------------------------

/// Lanes of vector v of a block: N adjacent values over and over.
template <int N, class T>
FASTCNN_INLINE Vec<T> pattern(const T* p, int v) {
  constexpr int bytes = N * int(sizeof(T));
  if constexpr (N == 1) {
    return splat(*p);
  } else if constexpr (bytes >= FASTCNN_VECTOR_BYTES) {
    return load(p + v % (bytes / FASTCNN_VECTOR_BYTES) * lanes<T>);
  } else if constexpr (bytes == 8) {
    typedef double Pair __attribute__((may_alias, aligned(4)));
    return (Vec<T>)splat<double>(*reinterpret_cast<const Pair*>(p));
  } else {
    // maskz: GCC 12 warns of its own undefined register in the plain forms.
#if defined(__AVX512BW__)
    if constexpr (bytes == 16)
      return (Vec<T>)_mm512_maskz_broadcast_f32x4(0xffff, (__m128)_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    if constexpr (bytes == 32)
      return (Vec<T>)_mm512_maskz_broadcast_f64x4(0xff,
                                                  (__m256d)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__AVX2__)
    return (Vec<T>)_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#endif
  }
}

/// Sums of adjacent lanes of a, then of b.
template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using type = Lanes<I...>;
};
template <class T, int... I>
FASTCNN_INLINE Vec<T> pair_sums(Vec<T> a, Vec<T> b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...) + __builtin_shufflevector(a, b, (2 * I + 1)...);
}

// --- the tile -------------------------------------------------------------------------------------------------------

template <class T, int P, int V, int N>
FASTCNN_INLINE void add_terms(const char* const (&base)[4], int64_t stride, const T* w, int64_t block_stride,
                              Vec<T> (&sum)[P][V]) {
  Vec<T> weight[V];
  FASTCNN_UNROLL for (int v = 0; v < V; ++v) {
    weight[v] = load(w + v * lanes<T> / kBlock * block_stride + v * lanes<T> % kBlock);
    keep(weight[v]);
  }
  FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
    const T* x = reinterpret_cast<const T*>(base[p / 4] + p % 4 * stride);
    if constexpr (N * int(sizeof(T)) <= FASTCNN_VECTOR_BYTES) {
      Vec<T> value = pattern<N, T>(x, 0);
      if constexpr (V > 1) keep(value);
      FASTCNN_UNROLL for (int v = 0; v < V; ++v) sum[p][v] += value * weight[v];
    } else {
      FASTCNN_UNROLL for (int v = 0; v < V; ++v) sum[p][v] += pattern<N, T>(x, v) * weight[v];
    }
  }
}

/// Initial sums: the bias or, if no panel is complete, zero.
template <class T, int P, int V>
FASTCNN_INLINE void start(const TileArgs<T>& a, int64_t filter, bool whole, Vec<T> (&sum)[P][V]) {
  FASTCNN_UNROLL for (int v = 0; v < V; ++v) {
    const Vec<T> bias =
        whole && a.first && a.epilogue->bias ? load(a.epilogue->bias + filter + v * lanes<T>) : Vec<T>{};
    FASTCNN_UNROLL for (int p = 0; p < P; ++p) sum[p][v] = bias;
  }
}

/// Adds the missing terms to the first n sums of rows of `width` sums, and stores them. offset: of a tile's result.
template <class T>
__attribute__((noinline)) void put_part(const TileArgs<T>& a, const Bounds<T>& bounds, const T* sums, int64_t width,
                                        int64_t filter, int64_t n, int64_t offset) {
  for (int p = 0; p < a.pixels; ++p)
    for (int64_t f = 0; f < n; f += lanes<T>) {
      Vec<T> sum = load(sums + p * width + f);
      if (!a.first) {
        sum += load_first(a.dst[p] + offset + filter + f, n - f);
      } else if (a.epilogue->bias) {
        sum += load_first(a.epilogue->bias + filter + f, n - f);
      }
      store_first(a.dst[p] + offset + filter + f, bound(sum, bounds), n - f);
    }
}

template <class T, int P, int V>
FASTCNN_INLINE void put_whole(const TileArgs<T>& a, Bounds<T> bounds, int64_t offset, Vec<T> (&sum)[P][V]) {
  keep(bounds.lower);
  keep(bounds.upper);
  if (a.first) {
    FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
      T* dst = a.dst[p] + offset;
      FASTCNN_UNROLL for (int v = 0; v < V; ++v) store(dst + v * lanes<T>, bound(sum[p][v], bounds));
    }
  } else {
    FASTCNN_UNROLL for (int p = 0; p < P; ++p) {
      T* dst = a.dst[p] + offset;
      FASTCNN_UNROLL for (int v = 0; v < V; ++v)
          store(dst + v * lanes<T>, bound(sum[p][v] + load(dst + v * lanes<T>), bounds));
    }
  }
}

/// Lanes hold [pixel][filter][N terms]. Adding adjacent lanes once for each factor 2 leaves [pixel][filter].
template <class T, int P, int V, int N>
FASTCNN_INLINE void put_split(const TileArgs<T>& a, const Bounds<T>& bounds, const Panel& panel, int64_t offset,
                              Vec<T> (&sum)[P][V]) {
  constexpr int count = (P * V + N - 1) / N * N, width = V * lanes<T> / N;
  using All = typename MakeLanes<lanes<T>>::type;
  Vec<T> flat[count] = {};
  FASTCNN_UNROLL for (int i = 0; i < P * V; ++i) flat[i] = sum[i / V][i % V];
  FASTCNN_UNROLL for (int i = 0; i < count / 2; ++i) flat[i] = pair_sums<T>(flat[2 * i], flat[2 * i + 1], All());
  if constexpr (N == 4) {
    FASTCNN_UNROLL for (int i = 0; i < count / 4; ++i) flat[i] = pair_sums<T>(flat[2 * i], flat[2 * i + 1], All());
  }
  T sums[(count / N + 1) * lanes<T>];
  FASTCNN_UNROLL for (int i = 0; i < count / N; ++i) store(sums + i * lanes<T>, flat[i]);
  put_part(a, bounds, sums, width, a.filter + panel.first, panel.count < width ? panel.count : width, offset);
}

template <class T, int P, int V, int N>
__attribute__((noinline)) void tile_of(const TileArgs<T>& a, const Panel& panel, const Bounds<T>& bounds, int64_t t) {
  constexpr int kStep = N == 1 ? 2 : N;  // terms per round
  const int64_t stride = a.stride * int64_t(sizeof(T)), block_stride = a.block_stride, filter = a.filter + panel.first;
  const bool whole = N == 1 && panel.count >= V * lanes<T>;
  const T* src = a.src + t * a.src_step;
  const int64_t offset = t * a.dst_step;
  FASTCNN_UNROLL for (int p = 0; p < P; ++p)  // cache misses of stores would delay the next tile
      FASTCNN_UNROLL for (int i = 0; i < V * FASTCNN_VECTOR_BYTES / 64; ++i)
          __builtin_prefetch(a.dst[p] + offset + filter + i * (64 / int(sizeof(T))), 1);
  Vec<T> sum[P][V];
  start<T, P, V>(a, filter, whole, sum);
  for (const Segment *s = a.segments, *end = s + a.num_segments; s != end; ++s) {
    const char* first = reinterpret_cast<const char*>(src + s->offset);
    const char* base[4] = {first, first + 4 * stride, first + 8 * stride, first + 12 * stride};
    const T* w = a.weights + panel.weights + s->term / N * kBlock;
    for (int64_t k = s->length / kStep; k > 0; --k) {
      // Hides the relation of the pointers: GCC would otherwise keep one pointer per pixel on the stack.
      asm("" : "+r"(base[0]), "+r"(base[1]), "+r"(base[2]), "+r"(base[3]), "+r"(w));
      add_terms<T, P, V, N>(base, stride, w, block_stride, sum);
      if constexpr (N == 1) {
        const char* const next[4] = {base[0] + sizeof(T), base[1] + sizeof(T), base[2] + sizeof(T),
                                     base[3] + sizeof(T)};
        add_terms<T, P, V, N>(next, stride, w + kBlock, block_stride, sum);
      }
      FASTCNN_UNROLL for (int j = 0; j < 4; ++j) base[j] += kStep * sizeof(T);
      w += kStep / N * kBlock;
    }
    if (N == 1 && s->length % 2) add_terms<T, P, V, N>(base, stride, w, block_stride, sum);
  }
  if constexpr (N > 1) {
    put_split<T, P, V, N>(a, bounds, panel, offset, sum);
  } else if (whole) {
    put_whole<T, P, V>(a, bounds, offset + filter, sum);
  } else {
    constexpr int width = V * lanes<T>;
    T sums[P * width];
    FASTCNN_UNROLL for (int i = 0; i < P * V; ++i) store(sums + i * lanes<T>, sum[i / V][i % V]);
    put_part(a, bounds, sums, width, filter, panel.count, offset);
  }
}

template <class T>
using TileOf = void (*)(const TileArgs<T>&, const Panel&, const Bounds<T>&, int64_t);
template <class T, int V, int N, int... I>
FASTCNN_INLINE TileOf<T> tile_of_pixels(int pixels, Lanes<I...>) {
  static constexpr TileOf<T> table[] = {tile_of<T, I + 1, V, N>...};
  return table[pixels - 1];
}

template <class T>
void tile(const TileArgs<T>& a) {
  using Pixels = typename MakeLanes<kPixels>::type;
  const bool finishing = a.last && needs_finish(*a.epilogue);
  const Bounds<T> bounds = a.last && !finishing ? bounds_of(*a.epilogue) : no_bounds<T>();
  const int64_t together = a.panel_by_panel ? a.tiles : 1;
  for (int64_t first = 0; first < a.tiles; first += together)
    for (const Panel *panel = a.panels, *end = panel + a.num_panels; panel != end; ++panel) {
      const TileOf<T> run = panel->split == 4   ? tile_of_pixels<T, kBlockVectors<T>, 4>(a.pixels, Pixels())
                            : panel->split == 2 ? tile_of_pixels<T, kBlockVectors<T>, 2>(a.pixels, Pixels())
                            : kVectors > kBlockVectors<T> && panel->count <= kBlock
                                ? tile_of_pixels<T, kBlockVectors<T>, 1>(a.pixels, Pixels())
                                : tile_of_pixels<T, kVectors, 1>(a.pixels, Pixels());
      for (int64_t t = first; t < first + together; ++t) run(a, *panel, bounds, t);
    }
  if (!finishing) return;
  const Panel& last = a.panels[a.num_panels - 1];
  const int64_t filter = a.filter + a.panels[0].first, filters = last.first + last.count - a.panels[0].first;
  T* dst[kPixels];
  const T *residual[kPixels], *scale[kPixels];
  for (int64_t t = 0; t < a.tiles; ++t) {
    for (int p = 0; p < a.pixels; ++p) {
      dst[p] = a.dst[p] + t * a.dst_step + filter;
      if (a.residual) residual[p] = a.residual[p] + t * a.residual_step + filter;
      if (a.scale) scale[p] = a.scale[p] + filter;
    }
    finish<T>(*a.epilogue, a.pixels, dst, a.residual ? residual : nullptr, a.scale ? scale : nullptr, filters);
  }
}

// --- copies of the input --------------------------------------------------------------------------------------------

/// Writes whole vectors: up to one vector behind the end, which the next write overwrites.
template <class T>
FASTCNN_INLINE void zero_run(T* dst, int64_t n) {
  for (int64_t i = 0; i < n; i += lanes<T>) store(dst + i, Vec<T>{});
}
template <class T>
FASTCNN_INLINE void copy_run(T* dst, const T* src, const T* scale, int64_t n) {
  int64_t i = 0;
  if (scale) {
    for (; i + lanes<T> <= n; i += lanes<T>) store(dst + i, load(src + i) * load(scale + i));
    if (i < n) store(dst + i, load_first(src + i, n - i) * load_first(scale + i, n - i));
  } else {
    for (; i + lanes<T> <= n; i += lanes<T>) store(dst + i, load(src + i));
    if (i < n) store(dst + i, load_first(src + i, n - i));
  }
}

template <class T>
void gather(const GatherArgs<T>& a) {
  int64_t end = 0;
  for (int64_t i = 0; i < a.num_runs; ++i) {
    const Run& run = a.runs[i];
    const int64_t length = run.segment.length;
    const int64_t z = a.at[0] + run.at[0], y = a.at[1] + run.at[1], x = a.at[2] + run.at[2];
    T* dst = a.panel + run.segment.term;
    // Values [from, to) of the run lie inside.
    int64_t from = -x * a.channels - run.first, to = (a.in[2] - x) * a.channels - run.first;
    if (z < 0 || z >= a.in[0] || y < 0 || y >= a.in[1]) to = 0;
    if (from < 0) from = 0;
    if (to > length) to = length;
    end = run.segment.term + length;
    if (to <= from) {
      zero_run(dst, length);
      continue;
    }
    if (from > 0) zero_run(dst, from);
    copy_run(dst + from, a.src + run.segment.offset + from, a.scale ? a.scale + run.first + from : nullptr, to - from);
    if (to < length) zero_run(dst + to, length - to);
  }
  if (end < a.terms) zero_run(a.panel + end, a.terms - end);
}

template <class T>
void copy(T* dst, int64_t dst_stride, const T* src, int64_t src_stride, const T* scale, int64_t values,
          int64_t pixels) {
  if (dst_stride == values && (!src || (src_stride == values && !scale))) {  // all adjacent
    values *= pixels;
    pixels = pixels > 0;
  }
  for (int64_t p = 0; p < pixels; ++p, dst += dst_stride) {
    if (src)
      copy_run(dst, src + p * src_stride, scale, values);
    else
      zero_run(dst, values);
  }
}

}  // namespace

extern const conv::TileKernels tile_kernels = {
    {kPixels, kVectors * lanes<float>, tile<float>, gather<float>, copy<float>},
    {kPixels, kVectors * lanes<double>, tile<double>, gather<double>, copy<double>},
};

}  // namespace fastcnn::FASTCNN_ISA
