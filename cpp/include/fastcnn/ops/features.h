// Histograms of oriented gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

enum class BlockNorm { l1, l1_sqrt, l2, l2_hys };

struct Hog {
  int64_t orientations = 9;
  int64_t cell[2] = {8, 8};   ///< pixels, rows and columns
  int64_t block[2] = {2, 2};  ///< cells
  BlockNorm norm = BlockNorm::l2_hys;
  bool square_root = false;  ///< of the image, first
  /// True: as in Dalal and Triggs, a pixel votes for the nearest cells and orientations with weights by distance and a
  /// Gaussian over the block. False: as in scikit-image, a pixel votes only for its own.
  bool interpolated = false;
};

/// The shapes of the results for an image (..., C, H, W). Checks the options.
struct HogShapes {
  std::vector<int64_t> blocks, cells;
};
FASTCNN_API HogShapes hog_shapes(const TensorView& image, const Hog& options, bool with_cells);

/// image (..., C, H, W), every dtype; each pixel uses the channel with the largest gradient. blocks (..., rows,
/// columns, block rows, block columns, orientations) and cells (..., rows, columns, orientations), dense, float64 for a
/// float64 image, else float32. cells may be empty: (..., 0, 0, orientations).
FASTCNN_API void hog(const Context& context, const TensorView& image, const Hog& options, const TensorView& blocks,
                     const TensorView& cells);

}  // namespace fastcnn
