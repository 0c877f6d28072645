#include "ops/distance/edt_depth_simd.h"

#include "core/simd.h"
#include "ops/distance/edt_envelope.inl"

namespace fastcnn::FASTCNN_ISA {
namespace {

constexpr int kReach = 32;  // a longer reach is slower than the envelope

/// The minimum over |k| <= kReach. Returns true if every result is certain.
bool min_plus(const int32_t* tile, int32_t* dst, int64_t depth) {
  constexpr int n = lanes<int32_t>;
  bool all = true;
  for (int64_t z = 0; z < depth; ++z)
    for (int64_t x = 0; x < kEdtTile; x += n) {
      Vec<int32_t> d = load(tile + z * kEdtTile + x);
      bool open = any(d > splat<int32_t>(1));
      for (int64_t k = 1; open && k <= kReach; ++k) {
        if (z - k < 0 && z + k >= depth) {
          open = false;
          break;
        }
        const auto far = static_cast<int32_t>(k * k);
        if (z - k >= 0) d = vmin(d, load(tile + (z - k) * kEdtTile + x) + far);
        if (z + k < depth) d = vmin(d, load(tile + (z + k) * kEdtTile + x) + far);
        open = any(d > splat<int32_t>(far));
      }
      store(dst + z * kEdtTile + x, d);
      all = all && !open;
    }
  return all;
}

void tile(const EdtDepth& plan, const EdtDepthWorkspace& w, int64_t begin, int64_t count) {
  const int64_t n = plan.depth;
  // Squares and distances share memory, which is read and written as bytes.
  const auto bytes = static_cast<size_t>(count) * 4;
  char* const volume = static_cast<char*>(plan.volume) + begin * 4;
  for (int64_t z = 0; z < n; ++z) {
    int32_t* row = w.tile + z * kEdtTile;
    __builtin_memcpy(row, volume + z * plan.plane * 4, bytes);
    for (int64_t i = count; i < kEdtTile; ++i) row[i] = 0;
  }
  if (!min_plus(w.tile, w.result, n)) {
    const Line<int32_t> line{n, w.line, nullptr, plan.square_z, 1.0};
    for (int i = 0; i < kEdtPad; ++i) line.cost[n + i] = kEdtFar;
    for (int64_t x = 0; x < count; ++x) {
      for (int64_t z = 0; z < n; ++z) line.cost[z] = w.tile[z * kEdtTile + x];
      solve_line<int32_t, false>(line, 0, n, w.edges, [&](int64_t z, int64_t m, const auto& solved) {
        for (int64_t i = 0; i < m; ++i) w.result[(z + i) * kEdtTile + x] = solved.best[i];
      });
    }
  }
  for (int64_t z = 0; z < n; ++z) {
    const int32_t* row = w.result + z * kEdtTile;
    alignas(64) float root[kEdtTile];
    if (plan.distances) roots<kEdtTile>(row, root);
    __builtin_memcpy(volume + z * plan.plane * 4, plan.distances ? static_cast<const void*>(root) : row, bytes);
  }
}

}  // namespace

extern const EdtDepthKernels edt_depth_kernels = {tile};

}  // namespace fastcnn::FASTCNN_ISA
