// The minimum over u of cost[u] + square[x - u] for every x of a line: the lower envelope of parabolas. It uses the
// monotonicity of the minimising u, because a stack of parabolas needs divisions and unpredictable branches. A.
// Aggarwal, M. Klawe, S. Moran, P. Shor, R. Wilber, "Geometric applications of a matrix-searching algorithm", 1987.
#pragma once

#include "core/simd.h"
#include "ops/distance/edt_plan.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

/// The type of the rank that orders equal costs: an integer as wide as the cost.
template <class Cost>
struct RankOf {
  using type = int64_t;
};
template <>
struct RankOf<int32_t> {
  using type = int32_t;
};
template <class Cost>
using RankType = typename RankOf<Cost>::type;

template <class T>
constexpr bool is_real = false;
template <>
constexpr bool is_real<double> = true;

FASTCNN_INLINE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
FASTCNN_INLINE int64_t maximum(int64_t a, int64_t b) { return a > b ? a : b; }

template <class Cost>
struct Line {
  using Rank = RankType<Cost>;
  int64_t n;
  Cost* cost;          // infinite for kEdtPad elements behind the end
  Rank* rank;          // orders equal costs, and after it u does; only where positions are tracked
  const Cost* square;  // of any sign
  double inverse;      // 1 / spacing
};

template <class T>
struct Iota {
  T values[64];
};
template <class T>
constexpr Iota<T> make_iota() {
  Iota<T> iota{};
  for (int i = 0; i < 64; ++i) iota.values[i] = static_cast<T>(i);
  return iota;
}
template <class T>
constexpr Iota<T> kIota = make_iota<T>();

template <int by, int n>
struct Rotated {
  static constexpr int at(int i) { return (i + by) % n; }
};

template <class T, int half = lanes<T> / 2>
FASTCNN_INLINE T min_lane(Vec<T> v) {
  if constexpr (half == 0) {
    return v[0];
  } else {
    return min_lane<T, half / 2>(vmin(v, shuffle<Rotated<half, lanes<T>>>(v, v)));
  }
}

/// The u in [first, last] with the minimum cost for x. May read up to 31 more behind `last`. Their number does not
/// depend on the instruction set, so the result does not depend on it either, even for rounded costs.
template <class Cost, bool track>
FASTCNN_INLINE int64_t best_source(const Line<Cost>& line, int64_t x, int64_t first, int64_t last) {
  using Rank = RankType<Cost>;
  constexpr int L = lanes<Cost>;
  constexpr int kStep = 32;
  const Cost* const square = line.square - x;
  const Vec<Rank> iota = load(kIota<Rank>.values);
  Vec<Cost> best[2];
  Vec<Rank> index[2], rank[2] = {};
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    best[i] = load(line.cost + first + i * L) + load(square + first + i * L);
    index[i] = iota + static_cast<Rank>(first + i * L);
    if constexpr (track) rank[i] = load(line.rank + first + i * L);
  }
  const int64_t end = first + ((last - first) / kStep + 1) * kStep;
  for (int64_t u = first + 2 * L; u < end; u += 2 * L) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const Vec<Cost> c = load(line.cost + u + i * L) + load(square + u + i * L);
      auto better = c < best[i];
      if constexpr (track) {
        const Vec<Rank> r = load(line.rank + u + i * L);
        better |= (c == best[i]) & (r < rank[i]);
        rank[i] = better ? r : rank[i];
      }
      best[i] = better ? c : best[i];
      index[i] = better ? iota + static_cast<Rank>(u + i * L) : index[i];
    }
  }
  const Cost lowest = min_lane<Cost>(vmin(best[0], best[1]));
  const Vec<Rank> unfit = splat<Rank>(static_cast<Rank>((uint64_t{1} << (8 * sizeof(Rank) - 1)) - 1));
  if constexpr (track) {
    const Vec<Rank> r0 = best[0] == lowest ? rank[0] : unfit, r1 = best[1] == lowest ? rank[1] : unfit;
    const Rank lowest_rank = min_lane<Rank>(vmin(r0, r1));
    const Vec<Rank> u0 = r0 == lowest_rank ? index[0] : unfit, u1 = r1 == lowest_rank ? index[1] : unfit;
    return static_cast<int64_t>(min_lane<Rank>(vmin(u0, u1)));
  } else {
    const Vec<Rank> u0 = best[0] == lowest ? index[0] : unfit, u1 = best[1] == lowest ? index[1] : unfit;
    return static_cast<int64_t>(min_lane<Rank>(vmin(u0, u1)));
  }
}

/// The results of `block` pixels from x on; source and rank only where they are tracked.
template <class Cost, bool track, int block>
struct Solved {
  alignas(64) Cost best[block];
  alignas(64) RankType<Cost> source[track ? block : 1], rank[track ? block : 1];
};

/// All x in [x, x + block) from the sources [first, last].
template <class Cost, bool track, int block>
FASTCNN_INLINE void solve_block(const Line<Cost>& line, int64_t x, int64_t first, int64_t last,
                                Solved<Cost, track, block>& result) {
  using Rank = RankType<Cost>;
  constexpr int L = lanes<Cost>, N = block / L;
  Vec<Cost> best[N];
  Vec<Rank> source[N] = {}, rank[N] = {};
  const Cost* square = line.square + (x - first);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    best[i] = load(square + i * L) + line.cost[first];
    if constexpr (track) {
      source[i] = splat(static_cast<Rank>(first));
      rank[i] = splat(line.rank[first]);
    }
  }
  for (int64_t u = first + 1; u <= last; ++u) {
    --square;
    const Vec<Cost> own = splat(line.cost[u]);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      const Vec<Cost> c = load(square + i * L) + own;
      if constexpr (track) {
        const Vec<Rank> r = splat(line.rank[u]);
        const auto better = (c < best[i]) | ((c == best[i]) & (r < rank[i]));
        best[i] = better ? c : best[i];
        rank[i] = better ? r : rank[i];
        source[i] = better ? splat(static_cast<Rank>(u)) : source[i];
      } else {
        best[i] = vmin(best[i], c);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    store(result.best + i * L, best[i]);
    if constexpr (track) {
      store(result.source + i * L, source[i]);
      store(result.rank + i * L, rank[i]);
    }
  }
}

/// A source at a larger distance from x has a higher cost than x itself.
template <class Cost>
FASTCNN_INLINE int64_t reach(const Line<Cost>& line, int64_t x) {
  const double steps = __builtin_sqrt(static_cast<double>(line.cost[x])) * line.inverse + 1.0;
  return steps < static_cast<double>(line.n) ? static_cast<int64_t>(steps) : line.n;
}

template <class Cost, bool track>
constexpr int kBlock = sizeof(Cost) == 4 && !track ? 2 * kEdtBlock : kEdtBlock;

/// Calls emit(x, count, Solved) for the pixels of [begin, end), up to a block at a time. The best source never
/// decreases when x increases. A block between two edges therefore only needs the sources between those of the edges;
/// edges are found by bisection. For a whole line the blocks read n + blocks sources, each with full vectors, for any
/// distances.
template <class Cost, bool track, class Emit>
FASTCNN_INLINE void solve_line(const Line<Cost>& line, int64_t begin, int64_t end, int64_t* edges, const Emit& emit) {
  constexpr int block = kBlock<Cost, track>;
  const int64_t blocks = (end - begin + block - 1) / block;
  const auto find = [&](int64_t edge, int64_t first, int64_t last) __attribute__((noinline)) {
    const int64_t x = minimum(begin + edge * block, end - 1), r = reach(line, x);
    edges[edge] = best_source<Cost, track>(line, x, maximum(first, x - r), minimum(last, x + r));
  };
  if (line.n <= block) {
    edges[0] = 0;
    edges[1] = line.n - 1;
  } else {
    find(0, 0, line.n - 1);
    find(blocks, edges[0], line.n - 1);
  }
  int64_t stride = 1;
  while (stride < blocks) stride *= 2;
  for (stride /= 2; stride > 0; stride /= 2)
    for (int64_t edge = stride; edge < blocks; edge += 2 * stride)
      find(edge, edges[edge - stride], edges[minimum(edge + stride, blocks)]);
  Solved<Cost, track, block> result;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t x = begin + i * block;
    solve_block<Cost, track, block>(line, x, edges[i], edges[i + 1], result);
    emit(x, minimum(block, end - x), result);
  }
}

/// The result is rounded once. Up to 2^24 the conversion to float is exact. Above that, the root is computed in double:
/// rounding twice gives the same result there, since 53 >= 2 * 24 + 2 bits.
template <int n, class Cost>
FASTCNN_INLINE void roots(const Cost* cost, float* root) {
  bool narrow = sizeof(Cost) == 4;
  if constexpr (sizeof(Cost) == 4) {
    Cost largest = 0;
    for (int i = 0; i < n; ++i) largest = cost[i] > largest ? cost[i] : largest;
    narrow = largest <= 1 << 24;
  }
  if (narrow) {
    for (int i = 0; i < n; ++i) root[i] = __builtin_sqrtf(static_cast<float>(cost[i]));
  } else {
    for (int i = 0; i < n; ++i) root[i] = static_cast<float>(__builtin_sqrt(static_cast<double>(cost[i])));
  }
}

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
