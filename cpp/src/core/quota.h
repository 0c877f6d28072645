// The share of the processors that a container may use.
#pragma once

#include <string>

#include "fastcnn/version.h"

namespace fastcnn {

/// The number of processors that Linux's control group grants at a time, rounded up; 0 where there is no limit.
/// `folder` is where control groups are mounted: a container sees its own there.
FASTCNN_API int quota_of_processors(const std::string& folder = "/sys/fs/cgroup");

}  // namespace fastcnn
