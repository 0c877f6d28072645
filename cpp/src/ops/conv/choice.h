#pragma once

#include <string>
#include <vector>

#include "ops/conv/algorithm.h"
#include "ops/conv/geometry.h"

namespace fastcnn::conv {

/// Best first.
FASTCNN_API const std::vector<const Algorithm*>& algorithms();
/// An error where there is none of this name, or none for this dtype.
const Algorithm& algorithm_named(const std::string& name, bool f64, const std::string& op);
/// Can the algorithm compute one of these parts at least? The others are implicit_gemm's.
bool computes(const Algorithm& algorithm, const std::vector<Part>& parts, bool f64);
/// What computes a part where this algorithm is chosen for the whole. Follows from what packing looks at.
const Algorithm& serving(const Algorithm& algorithm, const Part& part);
/// The algorithm for all these parts.
const Algorithm& choose(const std::vector<Part>& parts, bool f64, bool packed, int threads);
/// The one for weights that are not all finite, whatever is set: each infinity and NaN goes to just those results whose
/// sum has it. A convolution's padding is zeros, which are multiplied; a transposed one has none.
const Algorithm& choose_not_finite(bool transposed);

}  // namespace fastcnn::conv
