// The checks of the arguments, and their conversion to one forward convolution or to the phases of a transposed one.
#pragma once

#include <string>
#include <vector>

#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// "conv2d", "conv_transpose3d".
std::string op_name(const ConvGeometry& geometry, bool transposed);

/// Checks a weight and its geometry; the error names `op`.
void check_weight(const std::string& op, const std::vector<int64_t>& weight, const ConvGeometry& geometry);
/// The number of pixels from the first tap to the last one.
int64_t kernel_extent(const std::string& op, int64_t kernel, int64_t dilation);

/// A convolution with stride 1 whose results are every s-th pixel of the whole result, or all of it.
struct Phase {
  Shape shape;
  /// The taps that it uses, in order: the first, and the step (negative: flipped).
  int64_t first_tap[3] = {0, 0, 0};
  int64_t tap_step[3] = {1, 1, 1};
  // The result's pixels: first, and step.
  int64_t first_out[3] = {0, 0, 0};
  int64_t out_step[3] = {1, 1, 1};

  bool empty() const { return shape.taps() == 0; }
};

std::vector<Phase> forward_phases(const std::vector<int64_t>& input, const std::vector<int64_t>& weight,
                                  const std::vector<int64_t>& dst, const ConvGeometry& geometry);
/// A transposed convolution of stride s is s convolutions of stride 1 in each dimension: each phase of the result uses
/// its own taps, flipped (Dumoulin and Visin, A guide to convolution arithmetic, 2016). All taps are included, so that
/// packed weights do not depend on the image: if the result is smaller than the stride, some phases have no pixels.
std::vector<Phase> transposed_phases(const std::vector<int64_t>& input, const std::vector<int64_t>& weight,
                                     const std::vector<int64_t>& dst, const ConvGeometry& geometry);
inline std::vector<Phase> phases_of(const ConvWeight& weight, const std::vector<int64_t>& input,
                                    const std::vector<int64_t>& dst) {
  return weight.transposed ? transposed_phases(input, weight.shape, dst, weight.geometry)
                           : forward_phases(input, weight.shape, dst, weight.geometry);
}

}  // namespace fastcnn::conv
