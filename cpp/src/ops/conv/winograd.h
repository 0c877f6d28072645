// Winograd convolution: definitions shared by packing and running.
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/winograd_simd.h"

namespace fastcnn::conv {

/// The axes: one is transformed along the height of a tile, one along its width, and one is only summed over.
struct WinogradAxes {
  int r = 0, y = 1, x = 2;
  bool found = false;
  bool line = false;  ///< only x is transformed
};
/// For kernels of so many taps.
WinogradAxes winograd_axes(const Shape& shape, int64_t taps);

/// The number of taps per side for tiles of m results.
constexpr int64_t winograd_taps(int64_t m) { return m == 3 ? 2 : 3; }

/// For tiles of m results a side.
template <int M>
const WinogradTransforms& winograd_transforms(const Shape& shape) {
  const WinogradKernels& k = FASTCNN_SELECT(winograd_kernels);
  const bool line = winograd_axes(shape, winograd_taps(M)).line;
  return M == 4 ? (line ? k.f4_line : k.f4) : M == 2 ? (line ? k.f2_line : k.f2) : (line ? k.f3_line : k.f3);
}

/// Elements of the transformed filters.
int64_t winograd_transformed_size(const Shape& shape, const WinogradTransforms& transforms);
/// True if the filters are packed untransformed, with a quarter of the memory, and transformed part by part in each
/// call. This is used for filters that no cache holds until the next call.
bool winograd_packs_taps(const Shape& shape, const WinogradTransforms& transforms);

/// Packed weights are [group][panel][tap along r][point][channel][filter of the panel], or, as taps,
/// [group][block of filters][channel][tap][filter of the block].
int64_t winograd_packed_size(const Shape& shape, const WinogradTransforms& transforms);
void winograd_pack(const Context& context, const Shape& shape, const WinogradTransforms& transforms,
                   const Weights<float>& weights, float* packed);

inline int64_t winograd_blocks(int64_t n) { return ceil_div(n, kWinogradBlock); }

}  // namespace fastcnn::conv
