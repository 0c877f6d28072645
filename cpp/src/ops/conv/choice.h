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
/// The algorithm for all these parts.
const Algorithm& choose(const std::vector<Part>& parts, bool f64, bool packed, int threads);

}  // namespace fastcnn::conv
