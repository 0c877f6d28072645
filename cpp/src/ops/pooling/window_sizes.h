// Converts a Pooling to the tables that kernels read.
#pragma once

#include <string>
#include <vector>

#include "fastcnn/ops/pooling.h"
#include "ops/pooling/pooling_simd.h"

namespace fastcnn {

/// Windows along one axis, as PoolAxis; `divisor` is a mean's element count per output.
struct PoolTable {
  PoolAxis axis;
  std::vector<int64_t> begin, end;
  std::vector<double> divisor;

  /// The same windows from the perspective of pixels: the outputs whose window contains each pixel. Dilation 1 only.
  PoolTable transposed() const;
};

/// The axes z, y, x of one plane. Axes that are missing, or folded into their neighbour, have size 1.
struct PoolGeometry {
  PoolTable z, y, x;
  std::vector<int64_t> out;  ///< the result's spatial sizes

  /// `shape`: the spatial sizes. Checks every argument.
  PoolGeometry(const int64_t* shape, const Pooling& pooling, const char* op);
  /// Windows that cover whole lines, and those whole planes, are runs: a global mean is one axis.
  void merge_full_axes();
  /// Adds the table pointers to a job.
  void describe(PoolJob& job) const;
};

/// "max_pool2d".
std::string pooling_name(const char* op, int rank);
void check_pooling_input(const TensorView& view, int rank, const std::string& op, const char* argument);

}  // namespace fastcnn
