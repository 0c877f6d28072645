// Volumes with unit spacing: first every slice separately, then the depth. The depth pass is a min-plus pass over the
// near slices if distances are small, otherwise the lower envelope. Squares have the same size as distances, so they
// are computed in the memory of the result. Scratch memory: that of the slices in progress, and 2 bytes per pixel.
#include <algorithm>
#include <atomic>

#include "core/image_batch.h"
#include "ops/distance/edt_depth_simd.h"
#include "ops/distance/edt_image.h"
#include "ops/distance/edt_squares.h"

namespace fastcnn {

// Tiles of planes smaller than this would need too much scratch.
constexpr int64_t kMinPlane = 16 * kEdtTile;
constexpr int64_t kMinTiles = 4;  // of one thread

bool fits_edt_volume(const EdtImage& image) {
  return image.dims == 3 && !image.real && !image.nearest[0] && image.extent[1] * image.extent[2] >= kMinPlane &&
         edt_fits_int32(image.extent, 3);
}

EdtOutcome edt_volume(const Context& context, const EdtImage& image) {
  const int64_t depth = image.extent[0], plane = image.extent[1] * image.extent[2];
  Scratch scratch(context);
  std::atomic<bool> found{false};
  int32_t* volume = image.squared ? image.squared : reinterpret_cast<int32_t*>(image.distance);
  for_each_image(context, depth, [&](const Context& inner, int64_t z) {
    EdtImage slice = image;
    slice.mask = static_cast<const char*>(image.mask) + z * plane * image.mask_bytes;
    slice.dims = 2;
    std::copy_n(image.extent + 1, 2, slice.extent);
    slice.distance = nullptr;
    slice.squared = volume + z * plane;
    if (edt_bands(inner, slice).found)
      found.store(true, std::memory_order_relaxed);
    else
      std::fill_n(slice.squared, plane, kEdtFar);
  });
  if (!found) return {false, true};

  const EdtDepth plan{depth, plane, edt_squares<int32_t>(scratch, depth, 1), volume, image.squared == nullptr};
  const int64_t tiles = (plane + kEdtTile - 1) / kEdtTile;
  const int64_t pieces = std::clamp<int64_t>(tiles / kMinTiles, 1, context.num_threads());
  auto* workspaces = scratch.get<EdtDepthWorkspace>(pieces);
  for (int64_t i = 0; i < pieces; ++i)
    workspaces[i] = {scratch.get<int32_t>(depth * kEdtTile), scratch.get<int32_t>(depth * kEdtTile),
                     scratch.get<int32_t>(depth + kEdtPad), scratch.get<int64_t>(depth / kEdtBlock + 2)};
  const EdtDepthKernels& kernels = FASTCNN_SELECT(edt_depth_kernels);
  context.parallel_for(0, pieces, 1, [&](int64_t from, int64_t to) {
    for (int64_t piece = from; piece < to; ++piece)
      for (int64_t t = tiles * piece / pieces; t < tiles * (piece + 1) / pieces; ++t)
        kernels.tile(plan, workspaces[piece], t * kEdtTile, std::min(kEdtTile, plane - t * kEdtTile));
  });
  return {true, true};
}

}  // namespace fastcnn
