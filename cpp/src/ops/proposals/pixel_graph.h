// An image as a graph: pixels are connected to their eight neighbours, and the cost of an edge is the difference.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn::proposals {

constexpr int64_t kMaxPixels = int64_t{1} << 30;  // an edge has a number of 32 bits

/// Converts one image of any strides to planes of doubles, scaled by `unit_range` of its dtype.
void read_planes(const Context& context, const TensorView& image, int64_t index, double* planes);

/// Filters one or more planes with Gaussians of the same sigma, in place.
void blur(const Context& context, double* planes, int64_t channels, int64_t height, int64_t width, double sigma);

class PixelGraph {
 public:
  /// planes: channels x height x width. Costs are Euclidean distances; edges are sorted here, equal ones by direction
  /// (right, down, down right, up right) and pixel. Keeps 64 bytes per pixel; needs 96 temporarily.
  PixelGraph(const Context& context, const double* planes, int64_t channels, int64_t height, int64_t width);

  /// Computes Felzenszwalb and Huttenlocher's segments; returns their number. labels: in raster order of their first
  /// pixels, from 0.
  int64_t segment(const Context& context, double scale, int64_t min_size, int32_t* labels) const;

 private:
  struct Edge {
    uint32_t key;     // the cost's float as bits, which are in its order
    uint32_t number;  // direction * pixels + the upper left pixel of the two
  };
  static Edge* sort_by_key(Edge* edges, Edge* other, int64_t n);
  void ends(uint32_t number, uint32_t& from, uint32_t& to) const;

  Scratch scratch_;
  int64_t pixels_, width_, count_ = 0;
  double* costs_;  // by number
  Edge* edges_;    // sorted
};

}  // namespace fastcnn::proposals
