#pragma once

#include <string>

#include "ops/conv/algorithm.h"

namespace fastcnn::conv {

/// Null where there is none of this name.
const Algorithm* algorithm_named(const char* name);
/// "depthwise, ..., reference", for error texts.
std::string algorithm_names();

}  // namespace fastcnn::conv
