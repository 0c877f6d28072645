// Winograd's minimal filtering, F(m x m, 3 x 3): each tile of m x m results costs (m + 2)^2 multiplications per channel
// and filter instead of 9 m^2 (Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015). Compiled once per ISA.
//
//   Y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A,    g 3 x 3, d (m + 2) x (m + 2), * elementwise
//
// which is evaluation of polynomials at m + 1 points and infinity, a product there, and interpolation. At m = 4 the
// points are 0, +-sqrt(1/2), +-sqrt(2): reciprocal pairs keep the powers small on both sides, and the error two to
// three times smaller than at the customary 0, +-1, +-2 (Barabasz, Anderson, Soodhalter and Gregg, "Error Analysis and
// Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2018). At m = 2 they are 0, +-1, where
// nothing but additions rounds. A row of G may be scaled where its column of A^T is scaled back. Here, with a^2 = 1/2
// and b^2 = 2:
//
//         1   0  -5/2  0   1   0            1    0    0             1   -1/3  -1/3   1/3   1/3   0
//         0 -2a   -2   a   1   0            2    b    1             0   -a/3   a/3  2a/3 -2a/3   0
//   B^T = 0  2a   -2  -a   1   0       G =  2   -b    1       A^T = 0   -1/6  -1/6   2/3   2/3   0
//         0 -b/2 -1/2  b   1   0           1/2   a    1             0   -a/6   a/6  4a/3 -4a/3   1
//         0  b/2 -1/2 -b   1   0           1/2  -a    1
//         0   1    0 -5/2  0   1            0    0    1
//
// Two taps (the phases of a transposed convolution of 4 x 4 taps and stride 2) have F(3 x 3, 2 x 2), on the points of
// m = 2: 16 multiplications instead of 36.
//
// Pairs of points share their even and odd parts: 12 operations for B^T d, 12 for A^T m, 6 for G g.
//
// The weight gradient is the transposed computation, dg = G^T [ sum over tiles of (B^T d B) * (A dY A^T) ] G: four
// times fewer multiplications than summing outer products pixel by pixel.
//
// The product, one matrix product per point, takes most of the time. Tiles are grouped to fit the registers (14 tiles x
// 32 filters in 28 of the 32 registers of AVX-512); V stores a group of tiles together for 16 channels, so that all
// values to broadcast have a constant distance from one pointer. The layout of every array avoids strides of a power of
// two, which would map many lines to one set of a cache.
#include <stdint.h>

#include "core/simd.h"
#include "ops/conv/epilogue.inl"
#include "ops/conv/winograd_simd.h"

#if defined(__clang__)
#define FASTCNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTCNN_UNROLL _Pragma("GCC unroll 36")
#endif

namespace fastcnn::FASTCNN_ISA {
namespace {

using conv::kWinogradBlock;
using conv::kWinogradPanel;
using V = Vec<float>;
constexpr int L = lanes<float>;
constexpr int B = int(kWinogradBlock);

FASTCNN_INLINE void prefetch_to_l1(const float* p) { __builtin_prefetch(p, 0, 3); }
FASTCNN_INLINE void prefetch_to_l2(const float* p) { __builtin_prefetch(p, 0, 2); }

// --- one dimension --------------------------------------------------------------------------------------------------

template <int M>
struct Points;

template <>
struct Points<1> {  // the identity, for the height of 1-D kernels
  static constexpr int taps = 1, count = 1;
  static FASTCNN_INLINE void input(const V (&d)[1], V (&t)[1]) { t[0] = d[0]; }
  static FASTCNN_INLINE void filter(const V (&g)[1], V (&u)[1]) { u[0] = g[0]; }
  static FASTCNN_INLINE void output(const V (&m)[1], V (&y)[1]) { y[0] = m[0]; }
};

template <>
struct Points<2> {
  static constexpr int taps = 3, count = 4;
  static FASTCNN_INLINE void input(const V (&d)[4], V (&t)[4]) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
  }
  static FASTCNN_INLINE void filter(const V (&g)[3], V (&u)[4]) {
    const V even = g[0] + g[2];
    u[0] = g[0];
    u[1] = even + g[1];
    u[2] = even - g[1];
    u[3] = g[2];
  }
  static FASTCNN_INLINE void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + 0.5f * (m[1] + m[2]);
    y[1] = 0.5f * (m[1] - m[2]) - m[3];
  }
};

template <>
struct Points<3> {  // of 2 taps; the points of Points<2>, and so its input
  static constexpr int taps = 2, count = 4;
  static FASTCNN_INLINE void input(const V (&d)[4], V (&t)[4]) { Points<2>::input(d, t); }
  static FASTCNN_INLINE void filter(const V (&g)[2], V (&u)[4]) {
    u[0] = g[0];
    u[1] = g[0] + g[1];
    u[2] = g[0] - g[1];
    u[3] = g[1];
  }
  static FASTCNN_INLINE void output(const V (&m)[4], V (&y)[3]) {
    const V even = 0.5f * (m[1] + m[2]);
    y[0] = m[0] + even;
    y[1] = 0.5f * (m[1] - m[2]);
    y[2] = even - m[3];
  }
};

template <>
struct Points<4> {
  static constexpr int taps = 3, count = 6;
  static constexpr float a = 0.70710678118654752440f, b = 1.41421356237309504880f;
  static FASTCNN_INLINE void input(const V (&d)[6], V (&t)[6]) {
    const V even_a = d[4] - 2.0f * d[2], odd_a = d[3] - 2.0f * d[1];
    const V even_b = d[4] - 0.5f * d[2], odd_b = d[3] - 0.5f * d[1];
    t[0] = d[0] - 2.5f * d[2] + d[4];
    t[1] = even_a + a * odd_a;
    t[2] = even_a - a * odd_a;
    t[3] = even_b + b * odd_b;
    t[4] = even_b - b * odd_b;
    t[5] = d[1] - 2.5f * d[3] + d[5];
  }
  static FASTCNN_INLINE void filter(const V (&g)[3], V (&u)[6]) {
    const V even_a = g[2] + 2.0f * g[0], even_b = g[2] + 0.5f * g[0];
    u[0] = g[0];
    u[1] = even_a + b * g[1];
    u[2] = even_a - b * g[1];
    u[3] = even_b + a * g[1];
    u[4] = even_b - a * g[1];
    u[5] = g[2];
  }
  static FASTCNN_INLINE void output(const V (&m)[6], V (&y)[4]) {
    const V sum_a = m[1] + m[2], minus_a = m[1] - m[2], sum_b = m[3] + m[4], minus_b = m[3] - m[4];
    y[0] = m[0] + (1.0f / 3.0f) * (sum_b - sum_a);
    y[1] = (a / 3.0f) * (2.0f * minus_b - minus_a);
    y[2] = (1.0f / 6.0f) * (4.0f * sum_b - sum_a);
    y[3] = m[5] + (a / 6.0f) * (8.0f * minus_b - minus_a);
  }
  static FASTCNN_INLINE void gradient(const V (&y)[4], V (&m)[6]) {
    const V even_a = (-1.0f / 6.0f) * (2.0f * y[0] + y[2]), odd_a = (-a / 6.0f) * (2.0f * y[1] + y[3]);
    const V even_b = (1.0f / 3.0f) * (y[0] + 2.0f * y[2]), odd_b = (2.0f * a / 3.0f) * (y[1] + 2.0f * y[3]);
    m[0] = y[0];
    m[1] = even_a + odd_a;
    m[2] = even_a - odd_a;
    m[3] = even_b + odd_b;
    m[4] = even_b - odd_b;
    m[5] = y[3];
  }
  static FASTCNN_INLINE void taps_of(const V (&u)[6], V (&g)[3]) {
    const V sum_a = u[1] + u[2], sum_b = u[3] + u[4];
    g[0] = u[0] + 2.0f * sum_a + 0.5f * sum_b;
    g[1] = b * (u[1] - u[2]) + a * (u[3] - u[4]);
    g[2] = u[5] + sum_a + sum_b;
  }
};

// --- the input ------------------------------------------------------------------------------------------------------

#if defined(__AVX512BW__)
constexpr int kTiles = 14, kVectors = 2;
#elif defined(__ARM_NEON)
constexpr int kTiles = 6, kVectors = 4;
#else
constexpr int kTiles = 6, kVectors = 2;
#endif

// Columns first, into a buffer, because neighbouring tiles share them; then rows.
template <int MY, int MX>
void input(const conv::WinogradInput& in) {
  using PY = Points<MY>;
  using PX = Points<MX>;
  constexpr int kShared = PX::count - MX;
  const int64_t top = in.y < 0 ? -in.y : 0, bottom = in.rows - in.y, row_stride = in.row_stride, tiles = in.tiles;
  for (int64_t c = 0; c < in.channels; c += L) {
    const int64_t channels = in.channels - c;
    const V scale = in.scale ? load_first(in.scale + c, channels) : splat(1.0f);
    V columns[MX * kTiles + kShared][PY::count];
    for (int64_t i = 0; i < MX * tiles + kShared; ++i) {
      V d[PY::count] = {};
      const int64_t x = in.x + i;
      if (in.src && x >= 0 && x < in.columns) {
        const float* p = in.src + in.y * row_stride + x * in.column_stride + c;
        if (top == 0 && bottom >= PY::count && channels >= L) {
          FASTCNN_UNROLL for (int j = 0; j < PY::count; ++j) d[j] = scale * load(p + j * row_stride);
        } else {
          FASTCNN_UNROLL for (int j = 0; j < PY::count; ++j) {
            if (j >= top && j < bottom) d[j] = scale * load_first(p + j * row_stride, channels);
          }
        }
      }
      PY::input(d, columns[i]);
    }
    float* v = in.v + c;
    for (int64_t tile = 0; tile < tiles; ++tile, v += B) {
      FASTCNN_UNROLL for (int i = 0; i < PY::count; ++i) {
        V d[PX::count], t[PX::count];
        FASTCNN_UNROLL for (int j = 0; j < PX::count; ++j) d[j] = columns[MX * tile + j][i];
        PX::input(d, t);
        FASTCNN_UNROLL for (int j = 0; j < PX::count; ++j) store(v + (i * PX::count + j) * kTiles * B, t[j]);
      }
    }
  }
}

// --- the filters ----------------------------------------------------------------------------------------------------

template <int MY, int MX>
void filter(const conv::WinogradFilter& f) {
  using PY = Points<MY>;
  using PX = Points<MX>;
  const int64_t channels = f.channels, stride = f.u_point_stride;
  const float* p = f.taps;
  float* u = f.u;
  for (int64_t c = 0; c < channels; ++c, p += f.channel_stride, u += f.u_channel_stride) {
    FASTCNN_UNROLL for (int i = 0; i < PY::taps * PX::taps; ++i) prefetch_to_l1(p + 12 * f.channel_stride + i * B);
    for (int k = 0; k < B; k += L) {
      V columns[PY::count][PX::taps];
      FASTCNN_UNROLL for (int j = 0; j < PX::taps; ++j) {
        V g[PY::taps], t[PY::count];
        FASTCNN_UNROLL for (int i = 0; i < PY::taps; ++i) g[i] = load(p + (i * PX::taps + j) * B + k);
        PY::filter(g, t);
        FASTCNN_UNROLL for (int i = 0; i < PY::count; ++i) columns[i][j] = t[i];
      }
      FASTCNN_UNROLL for (int i = 0; i < PY::count; ++i) {
        V t[PX::count];
        PX::filter(columns[i], t);
        FASTCNN_UNROLL for (int j = 0; j < PX::count; ++j) store(u + (i * PX::count + j) * stride + k, t[j]);
      }
    }
  }
}

// --- the product ----------------------------------------------------------------------------------------------------

struct Operands {
  const float *v, *u;
  float* m;
  int64_t channels, panel;
  int64_t v_block;                  // from one block of channels to the next
  const float *next_v, *next_u[2];  // what will be read later
  bool accumulate;
};

template <int N, int W>
void tiles_by_vectors(const Operands& p) {
  const float *v = p.v, *u = p.u, *next_v = p.next_v, *ahead_0 = p.next_u[0], *ahead_1 = p.next_u[1];
  const int64_t panel = p.panel;
  V sum[N][W] = {};
  for (int64_t left = p.channels; left > 0; left -= B, v += p.v_block, next_v += p.v_block) {
    const int64_t channels = left < B ? left : B;
    for (int64_t c = 0; c < channels; ++c, u += panel) {
      V weights[W];
      FASTCNN_UNROLL for (int w = 0; w < W; ++w) weights[w] = load(u + w * L);
      prefetch_to_l1(next_v + c * B);
      prefetch_to_l2(ahead_0);
      prefetch_to_l2(ahead_1);
      ahead_0 += B;
      ahead_1 += B;
      FASTCNN_UNROLL for (int t = 0; t < N; ++t) {
        const V x = splat(v[t * B + c]);
        FASTCNN_UNROLL for (int w = 0; w < W; ++w) sum[t][w] += x * weights[w];
      }
    }
  }
  if (p.accumulate) {
    FASTCNN_UNROLL for (int t = 0; t < N; ++t) {
      FASTCNN_UNROLL for (int w = 0; w < W; ++w) sum[t][w] += load(p.m + t * conv::kWinogradPanel + w * L);
    }
  }
  FASTCNN_UNROLL for (int t = 0; t < N; ++t) {
    FASTCNN_UNROLL for (int w = 0; w < W; ++w) store(p.m + t * conv::kWinogradPanel + w * L, sum[t][w]);
  }
}

using Kernel = void (*)(const Operands&);
struct KernelTable {
  Kernel of[kTiles + 1];
};
template <int W, int N = kTiles>
constexpr void fill(KernelTable& table) {
  table.of[N] = tiles_by_vectors<N, W>;
  if constexpr (N > 1) fill<W, N - 1>(table);
}
template <int W>
constexpr KernelTable kernel_table() {
  KernelTable table = {};
  fill<W>(table);
  return table;
}
constexpr KernelTable kWide = kernel_table<kVectors>(), kNarrow = kernel_table<1>();

template <int MY, int MX>
void product(const conv::WinogradProduct& p) {
  constexpr int kPoints = Points<MY>::count * Points<MX>::count;
  const int64_t panel = p.blocks * B, u_point = p.channel_stride * panel;
  const bool wide = panel % (kVectors * L) == 0;
  const KernelTable& table = wide ? kWide : kNarrow;
  const int64_t step = (wide ? kVectors : 1) * L, calls = p.groups * (panel / step);
  Operands o;
  o.channels = p.channels;
  o.panel = panel;
  o.v_block = kPoints * kTiles * B;
  o.accumulate = p.accumulate;
  for (int point = 0; point < kPoints; ++point) {
    const float* u = p.u + point * u_point;
    const float* next = point + 1 < kPoints ? u + u_point : u;
    int64_t call = 0;
    for (int64_t k = 0; k < panel; k += step) {
      for (int64_t g = 0; g < p.groups; ++g, ++call) {
        const conv::WinogradGroup& group = p.group[g];
        o.u = u + k;
        if (p.taps == 0) {
          o.next_u[0] = call < 2 ? next + call * p.channels * B : u;
          o.next_u[1] = calls == 1 && p.blocks == 2 ? next + p.channels * B : u;
        } else {
          const bool ahead = call == 0 && point < p.taps;
          for (int i = 0; i < 2; ++i) o.next_u[i] = ahead ? p.next_taps[i] + point * p.channels * B : u;
        }
        o.v = group.v + point * kTiles * B;
        o.m = group.m + point * kTiles * conv::kWinogradPanel + k;
        o.next_v = g + 1 < p.groups ? p.group[g + 1].v + point * kTiles * B
                                    : p.group[0].v + (point + (point + 1 < kPoints)) * kTiles * B;
        table.of[group.tiles](o);
      }
    }
  }
}

// --- the output -----------------------------------------------------------------------------------------------------

template <int MY, int MX>
void output(const conv::WinogradOutput& out) {
  using PY = Points<MY>;
  using PX = Points<MX>;
  const Bounds<float> bounds = bounds_of(*out.epilogue);
  const bool finishing = needs_finish(*out.epilogue);
  const int64_t rows = out.rows < MY ? out.rows : MY, row_stride = out.row_stride, column_stride = out.column_stride;
  const float* m = out.m;
  float* dst = out.dst;
  for (int64_t tile = 0; tile < out.tiles; ++tile, m += conv::kWinogradPanel, dst += MX * column_stride) {
    const int64_t left = out.columns - tile * MX, columns = left < MX ? left : MX;
    for (int64_t k = 0; k < out.filters; k += L) {
      V half[MY][PX::count];
      FASTCNN_UNROLL for (int j = 0; j < PX::count; ++j) {
        V points[PY::count], y[MY];
        FASTCNN_UNROLL for (int i = 0; i < PY::count; ++i) points[i] =
            load(m + (i * PX::count + j) * kTiles * conv::kWinogradPanel + k);
        PY::output(points, y);
        FASTCNN_UNROLL for (int i = 0; i < MY; ++i) half[i][j] = y[i];
      }
      const int64_t filters = out.filters - k;
      const V bias = out.bias ? load_first(out.bias + k, filters) : V{};
      V result[MY][MX];
      FASTCNN_UNROLL for (int i = 0; i < MY; ++i) {
        PX::output(half[i], result[i]);
        FASTCNN_UNROLL for (int j = 0; j < MX; ++j) result[i][j] = bound(result[i][j] + bias, bounds);
      }
      if (rows == MY && columns == MX && filters >= L) {
        FASTCNN_UNROLL for (int i = 0; i < MY; ++i) {
          FASTCNN_UNROLL for (int j = 0; j < MX; ++j) store(dst + i * row_stride + j * column_stride + k, result[i][j]);
        }
      } else {
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j)
            store_first(dst + i * row_stride + j * column_stride + k, result[i][j], filters);
      }
    }
    if (finishing) {
      float* pixels[MY * MX];
      const float *residuals[MY * MX], *scales[MY * MX];
      int64_t n = 0;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j, ++n) {
          pixels[n] = dst + i * row_stride + j * column_stride;
          if (out.residual)
            residuals[n] = out.residual + i * out.residual_row_stride + (tile * MX + j) * out.residual_column_stride;
          scales[n] = out.scale;
        }
      finish(*out.epilogue, n, pixels, out.residual ? residuals : nullptr, out.scale ? scales : nullptr, out.filters);
    }
  }
}

// --- the weight's gradient ------------------------------------------------------------------------------------------

constexpr int M = 4;
using P = Points<M>;

void gradient(const conv::WinogradGradient& g) {
  const int64_t rows = g.rows < M ? g.rows : M, row_stride = g.row_stride, column_stride = g.column_stride;
  const float* src = g.src;
  float* d = g.d;
  for (int64_t tile = 0; tile < g.tiles; ++tile, src += M * column_stride, d += g.panel) {
    const int64_t left = g.columns - tile * M, columns = left < M ? left : M;
    for (int64_t k = 0; k < g.panel; k += L) {
      const int64_t filters = g.filters - k;
      V half[P::count][M];
      FASTCNN_UNROLL for (int j = 0; j < M; ++j) {
        V y[M] = {}, t[P::count];
        if (j < columns && filters > 0) {
          const float* p = src + j * column_stride + k;
          if (rows == M && filters >= L) {
            FASTCNN_UNROLL for (int i = 0; i < M; ++i) y[i] = load(p + i * row_stride);
          } else {
            FASTCNN_UNROLL for (int i = 0; i < M; ++i) {
              if (i < rows) y[i] = load_first(p + i * row_stride, filters);
            }
          }
        }
        P::gradient(y, t);
        FASTCNN_UNROLL for (int i = 0; i < P::count; ++i) half[i][j] = t[i];
      }
      FASTCNN_UNROLL for (int i = 0; i < P::count; ++i) {
        V t[P::count];
        P::gradient(half[i], t);
        FASTCNN_UNROLL for (int j = 0; j < P::count; ++j) store(d + (i * P::count + j) * g.point_stride + k, t[j]);
      }
    }
  }
}

void taps(const conv::WinogradTaps& t) {
  const float* m = t.m;
  float* to = t.taps;
  for (int64_t c = 0; c < t.channels; ++c, m += t.panel, to += P::taps * P::taps * t.panel)
    for (int64_t k = 0; k < t.panel; k += L) {
      V half[P::taps][P::count];
      FASTCNN_UNROLL for (int j = 0; j < P::count; ++j) {
        V u[P::count], g[P::taps];
        FASTCNN_UNROLL for (int i = 0; i < P::count; ++i) u[i] = load(m + (i * P::count + j) * t.point_stride + k);
        P::taps_of(u, g);
        FASTCNN_UNROLL for (int i = 0; i < P::taps; ++i) half[i][j] = g[i];
      }
      FASTCNN_UNROLL for (int i = 0; i < P::taps; ++i) {
        V g[P::taps];
        P::taps_of(half[i], g);
        FASTCNN_UNROLL for (int j = 0; j < P::taps; ++j) store(to + (i * P::taps + j) * t.panel + k, g[j]);
      }
    }
}

template <int MY, int MX>
constexpr conv::WinogradTransforms transforms() {
  return {MY, MX, Points<MY>::count, Points<MX>::count, input<MY, MX>, filter<MY, MX>, product<MY, MX>, output<MY, MX>};
}

}  // namespace

extern const WinogradKernels winograd_kernels = {kTiles,
                                                 transforms<4, 4>(),
                                                 transforms<2, 2>(),
                                                 transforms<3, 3>(),
                                                 transforms<1, 4>(),
                                                 transforms<1, 2>(),
                                                 transforms<1, 3>(),
                                                 gradient,
                                                 taps};

}  // namespace fastcnn::FASTCNN_ISA
