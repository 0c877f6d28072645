// Segments and boxes that may contain objects.
#pragma once

#include <cstdint>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

struct Felzenszwalb {
  double scale = 1;  ///< the larger, the larger the segments; of values in [0, 255], as in the paper
  double sigma = 0.8;
  int64_t min_size = 20;  ///< pixels
};

/// image (..., C, H, W), every dtype, at most 2^30 pixels each; integers are fractions of their dtype's range. labels
/// (..., H, W) int32, dense: 0..N-1 in raster order of each segment's first pixel.
FASTCNN_API void felzenszwalb(const Context& context, const TensorView& image, const Felzenszwalb& options,
                              const TensorView& labels);

struct SelectiveSearch {
  bool quality = false;  ///< five colour spaces and four measures of similarity, else two and two
  std::vector<double> scales;
  double sigma = 0.8;
  int64_t min_size = 0;  ///< of first segments, in pixels; 0: as many as the scale, as the paper
  int64_t max_boxes = 2000;
  int64_t seed = 0;
};

struct Proposals {
  std::vector<float> boxes;  ///< (x1, y1, x2, y2) each, the last row and column within
  std::vector<float> scores;
};

/// One image (C, H, W) of one channel or three (red, green, blue); values as felzenszwalb's, cut off at 0 and 1.
FASTCNN_API Proposals selective_search(const Context& context, const TensorView& image, const SelectiveSearch& options);

/// image (..., C, H, W); boxes (..., max_boxes, 4) and scores (..., max_boxes) float32, zeros behind the last, counts
/// (...) int64; dense.
FASTCNN_API void selective_search_padded(const Context& context, const TensorView& image,
                                         const SelectiveSearch& options, const TensorView& boxes,
                                         const TensorView& scores, const TensorView& counts);

}  // namespace fastcnn
