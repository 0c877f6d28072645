#include "ops/distance/edt_lines_simd.h"

#include "core/simd.h"
#include "ops/distance/edt_envelope.inl"
#include "ops/distance/edt_near.inl"

namespace fastcnn::FASTCNN_ISA {
namespace {

/// A value above all real costs, for a column without a zero.
template <class Cost>
Cost infinite_cost(const EdtPlan& plan) {
  if constexpr (is_real<Cost>) {
    return static_cast<Cost>(__builtin_inf());
  } else {
    const int64_t a = plan.slices, b = plan.height, c = plan.width;
    return static_cast<Cost>(a * a + b * b + c * c);
  }
}

/// Costs along the first axis, and the slices of the nearest zeros.
template <class Cost, class Gap, bool track>
void first_axis(const EdtPlan& plan, int64_t slice, const Gap* __restrict above, const Gap* __restrict below,
                Cost* __restrict cost, RankType<Cost>* __restrict rank, int64_t n) {
  using Rank = RankType<Cost>;
  constexpr Gap kNone = static_cast<Gap>(Gap{1} << (8 * sizeof(Gap) - 1)), kLast = kNone - 1;
  const Cost infinite = infinite_cost<Cost>(plan), spacing = static_cast<Cost>(plan.spacing);
  for (int64_t x = 0; x < n; ++x) {
    const bool before = above[x] <= below[x];
    const Gap gap = before ? above[x] : below[x];
    Cost steps = static_cast<Cost>(static_cast<int32_t>(gap < kLast ? gap : kLast));
    if constexpr (is_real<Cost>) steps *= spacing;
    cost[x] = gap < kNone ? steps * steps : infinite;
    if constexpr (track)
      rank[x] = gap < kNone ? static_cast<Rank>(before ? slice - int64_t{gap} : slice + int64_t{gap}) : 0;
  }
}

template <class Cost>
Line<Cost> line_at(const EdtWorkspace& w, int64_t index, int64_t n, const void* square, double inverse) {
  const int64_t at = index * w.stride + kEdtPad;
  auto* const rank = static_cast<RankType<Cost>*>(w.rank);
  return {n, static_cast<Cost*>(w.cost) + at, rank ? rank + at : nullptr, static_cast<const Cost*>(square), inverse};
}

template <class Cost, bool track>
void pad_line(const EdtPlan& plan, const Line<Cost>& line) {
  for (int i = 0; i < kEdtPad; ++i) line.cost[line.n + i] = infinite_cost<Cost>(plan);
  if constexpr (track)
    for (int i = 0; i < kEdtPad; ++i) line.rank[line.n + i] = 0;
}

/// Writes the first `count` of n costs as results. Returns false if one did not fit.
template <int n, class Cost>
FASTCNN_INLINE bool finish(const EdtPlan& plan, const Cost* cost, int64_t offset, int64_t count) {
  bool fits = true;
  if (plan.distance) {
    alignas(64) float out[n];
    roots<n>(cost, out);
    for (int64_t i = 0; i < count; ++i) plan.distance[offset + i] = out[i];
  } else {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (sizeof(Cost) == 8) fits &= cost[i] <= Cost{INT32_MAX};
      plan.squared[offset + i] = fits ? static_cast<int32_t>(cost[i]) : 0;
    }
  }
  return fits;
}

template <class Cost, class Gap, bool track>
bool finish_far_row(const EdtPlan& plan, const EdtWorkspace& w, int64_t row, const Gap* above, const Gap* below) {
  const int64_t n = plan.length;
  const Line<Cost> line = line_at<Cost>(w, 0, n, plan.square_x, plan.inverse_x);
  first_axis<Cost, Gap, track>(plan, row, above, below, line.cost, line.rank, n);
  pad_line<Cost, track>(plan, line);
  bool fits = true;
  solve_line<Cost, track>(line, 0, n, w.edges, [&](int64_t x, int64_t count, const auto& solved) {
    const int64_t at = row * n + x;
    fits &= finish<kBlock<Cost, track>>(plan, solved.best, at, count);
    if constexpr (track)
      for (int64_t i = 0; i < count; ++i) {
        plan.nearest[0][at + i] = solved.rank[i];
        plan.nearest[1][at + i] = solved.source[i];
      }
  });
  return fits;
}

/// Solves blocks of kEdtNear pixels with solve_near if it is sufficient, and stretches of other blocks with solve_line.
void finish_mixed_row(const EdtPlan& plan, const EdtWorkspace& w, int64_t row, const uint16_t* __restrict above,
                      const uint16_t* __restrict below) {
  const int64_t n = plan.length;
  uint16_t* __restrict near_cost = w.near_cost + kEdtPad;
  for (int i = 1; i <= kEdtPad; ++i) near_cost[-i] = near_cost[n - 1 + i] = kNearGap * kNearGap;
  for (int64_t x = 0; x < n; ++x) {
    const uint16_t a = above[x] < below[x] ? above[x] : below[x], gap = a < kNearGap ? a : kNearGap;
    near_cost[x] = static_cast<uint16_t>(gap * gap);
  }
  const int64_t blocks = (n + kEdtNear - 1) / kEdtNear;  // the last may overlap the one before it
  const auto start = [&](int64_t block) { return minimum(block * kEdtNear, n - kEdtNear); };
  // Distances change by at most 1 from row to row, so the number of rows for which solve_near will fail is known.
  if (row % plan.band_slices == plan.band_slices - 1 || row == plan.slices - 1)
    for (int64_t i = 0; i < blocks; ++i) w.slack[i] = 0;

  const Line<int32_t> line = line_at<int32_t>(w, 0, n, plan.square_x, plan.inverse_x);
  bool prepared = false;
  int64_t far = -1;  // the first block of a stretch that solve_near could not do
  for (int64_t i = 0; i <= blocks; ++i) {
    if (i < blocks) {
      alignas(64) int32_t best[kEdtNear];
      const bool skip = w.slack[i] > 0;
      if (skip) --w.slack[i];
      if (skip || !solve_near(near_cost + start(i), best)) {
        if (far < 0) far = i;
        continue;
      }
      finish<kEdtNear>(plan, best, row * n + start(i), kEdtNear);
    }
    if (far < 0) continue;
    if (!prepared) {
      first_axis<int32_t, uint16_t, false>(plan, row, above, below, line.cost, nullptr, n);
      pad_line<int32_t, false>(plan, line);
      prepared = true;
    }
    const int64_t begin = start(far);
    solve_line<int32_t, false>(line, begin, start(i - 1) + kEdtNear, w.edges,
                               [&](int64_t x, int64_t count, const auto& solved) {
                                 constexpr int block = kBlock<int32_t, false>;
                                 finish<block>(plan, solved.best, row * n + x, count);
                                 int32_t largest = 0;
                                 for (int k = 0; k < block; ++k)
                                   largest = solved.best[k] > largest ? solved.best[k] : largest;
                                 const auto rows = static_cast<int32_t>(__builtin_sqrt(largest)) - kReach - 2;
                                 int32_t& slack = w.slack[far + (x - begin) / kEdtNear];
                                 slack = rows > slack ? rows : slack;
                               });
    far = -1;
  }
}

template <class Cost, class Gap, bool track>
bool finish_row(const EdtPlan& plan, const EdtWorkspace& w, int64_t row, const void* gaps, const void* gaps_below) {
  const Gap* above = static_cast<const Gap*>(gaps);
  const Gap* below = static_cast<const Gap*>(gaps_below);
  if constexpr (sizeof(Cost) == 4 && !track) {
    if (plan.length >= kEdtNear) {
      finish_mixed_row(plan, w, row, above, below);
      return true;
    }
  }
  return finish_far_row<Cost, Gap, track>(plan, w, row, above, below);
}

/// z and y as one number that is ordered by z, then y.
template <class Rank>
constexpr int kRankShift = 4 * sizeof(Rank);

template <class Cost, class Gap, bool track>
void plane_columns(const EdtPlan& plan, const EdtWorkspace& w, int64_t z, const void* gaps, const void* gaps_below,
                   void* costs, void* ranks, int64_t pitch, int64_t begin, int64_t end) {
  using Rank = RankType<Cost>;
  Cost bundle_cost[kEdtBundle];
  Rank bundle_rank[kEdtBundle];
  const int64_t n = plan.height;
  Line<Cost> lines[kEdtBundle];
  for (int64_t i = 0; i < w.columns; ++i) {
    lines[i] = line_at<Cost>(w, i, n, plan.square_y, plan.inverse_y);
    pad_line<Cost, track>(plan, lines[i]);
  }
  for (int64_t x = begin; x < end; x += w.columns) {
    const int64_t columns = minimum(w.columns, end - x);
    for (int64_t y = 0; y < n; ++y) {
      const int64_t at = y * plan.width + x;
      first_axis<Cost, Gap, track>(plan, z, static_cast<const Gap*>(gaps) + at,
                                   static_cast<const Gap*>(gaps_below) + at, bundle_cost, bundle_rank, columns);
      for (int64_t i = 0; i < columns; ++i) {
        lines[i].cost[y] = bundle_cost[i];
        if constexpr (track) lines[i].rank[y] = bundle_rank[i];
      }
    }
    Cost* const best = static_cast<Cost*>(w.best);
    Rank* const sources = static_cast<Rank*>(w.sources);
    for (int64_t i = 0; i < columns; ++i)
      solve_line<Cost, track>(lines[i], 0, n, w.edges, [&](int64_t y, int64_t count, const auto& solved) {
        const int64_t at = i * w.stride + y;
        for (int64_t k = 0; k < count; ++k) {
          best[at + k] = solved.best[k];
          if constexpr (track)
            sources[at + k] = static_cast<Rank>(solved.rank[k] << kRankShift<Rank> | solved.source[k]);
        }
      });
    for (int64_t y = 0; y < n; ++y)
      for (int64_t i = 0; i < columns; ++i) {
        static_cast<Cost*>(costs)[y * pitch + x + i] = best[i * w.stride + y];
        if constexpr (track) static_cast<Rank*>(ranks)[y * pitch + x + i] = sources[i * w.stride + y];
      }
  }
}

template <class Cost, bool track>
bool plane_rows(const EdtPlan& plan, const EdtWorkspace& w, int64_t z, const void* costs, const void* ranks,
                int64_t pitch, int64_t begin, int64_t end) {
  using Rank = RankType<Cost>;
  constexpr Rank kLow = (Rank{1} << kRankShift<Rank>)-1;
  const int64_t n = plan.width;
  const Line<Cost> line = line_at<Cost>(w, 0, n, plan.square_x, plan.inverse_x);
  pad_line<Cost, track>(plan, line);
  bool fits = true;
  for (int64_t y = begin; y < end; ++y) {
    // Costs and ranks may share memory with the coordinates of the row, so they are copied first.
    const auto bytes = static_cast<size_t>(n) * sizeof(Cost);
    __builtin_memcpy(line.cost, static_cast<const Cost*>(costs) + y * pitch, bytes);
    if constexpr (track) __builtin_memcpy(line.rank, static_cast<const Rank*>(ranks) + y * pitch, bytes);
    solve_line<Cost, track>(line, 0, n, w.edges, [&](int64_t x, int64_t count, const auto& solved) {
      const int64_t at = z * plan.length + y * n + x;
      fits &= finish<kBlock<Cost, track>>(plan, solved.best, at, count);
      if constexpr (track)
        for (int64_t i = 0; i < count; ++i) {
          plan.nearest[0][at + i] = solved.rank[i] >> kRankShift<Rank>;
          plan.nearest[1][at + i] = solved.rank[i] & kLow;
          plan.nearest[2][at + i] = solved.source[i];
        }
    });
  }
  return fits;
}

}  // namespace

#define FASTCNN_EDT_TRACK(function, ...) {function<__VA_ARGS__, false>, function<__VA_ARGS__, true>}
#define FASTCNN_EDT_GAPS(function)                                                                          \
  {                                                                                                         \
    {FASTCNN_EDT_TRACK(function, int32_t, uint16_t), {}},                                                   \
        {FASTCNN_EDT_TRACK(function, int64_t, uint16_t), FASTCNN_EDT_TRACK(function, int64_t, uint32_t)}, { \
      FASTCNN_EDT_TRACK(function, double, uint16_t), FASTCNN_EDT_TRACK(function, double, uint32_t)          \
    }                                                                                                       \
  }

extern const EdtLineKernels edt_line_kernels = {
    FASTCNN_EDT_GAPS(finish_row),
    FASTCNN_EDT_GAPS(plane_columns),
    {FASTCNN_EDT_TRACK(plane_rows, int32_t), FASTCNN_EDT_TRACK(plane_rows, int64_t),
     FASTCNN_EDT_TRACK(plane_rows, double)},
};

}  // namespace fastcnn::FASTCNN_ISA
