#pragma once

#include <string>
#include <vector>

#include "ops/conv/algorithm.h"
#include "ops/conv/phases.h"

namespace fastcnn::conv {

/// Best first.
FASTCNN_API const std::vector<const Algorithm*>& algorithms();
/// The algorithm of this name; an error if there is none, or none for this dtype.
const Algorithm& algorithm_named(const std::string& name, bool f64, const std::string& op);
/// True if the algorithm can compute at least one of these parts. implicit_gemm computes the others.
bool computes(const Algorithm& algorithm, const std::vector<Phase>& phases, bool f64);
/// The algorithm that computes a part if `algorithm` is chosen for the whole. Depends only on the inputs of packing.
const Algorithm& serving(const Algorithm& algorithm, const Phase& phase);
/// The algorithm for all these parts.
const Algorithm& choose(const std::vector<Phase>& phases, bool f64, bool packed, int threads);
/// The algorithm for weights that are not all finite, regardless of the setting: each infinity and NaN reaches exactly
/// those results whose sum contains it. A convolution multiplies the zeros of its padding; a transposed convolution has
/// no such zeros.
const Algorithm& choose_not_finite(bool transposed);

}  // namespace fastcnn::conv
