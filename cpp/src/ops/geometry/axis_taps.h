// Resizing along one axis: for each output a range of inputs and their weights.
#pragma once

#include <cstdint>
#include <vector>

#include "fastcnn/ops/geometry.h"

namespace fastcnn {

struct AxisTaps {
  explicit AxisTaps(int64_t inputs_of) : inputs(inputs_of) {}
  int64_t inputs, maximum = 1;  ///< the longest range
  std::vector<int32_t> first, count;
  std::vector<double> weights;  ///< output-major, `maximum` each

  int64_t outputs() const { return static_cast<int64_t>(first.size()); }
  const double* of(int64_t output) const { return weights.data() + output * maximum; }
};

AxisTaps axis_taps(int64_t inputs, int64_t outputs, const Resize& options);

/// The same with inputs and outputs exchanged. Ranges increase with the output, so the outputs whose range contains an
/// input are a range too.
AxisTaps transposed(const AxisTaps& taps);

}  // namespace fastcnn
