#include "core/quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace fastcnn {

int quota_of_processors(const std::string& folder) {
  // Microseconds of processor time in each period. Version 2 has both in one file, "max" for no limit; version 1 has
  // -1.
  double quota = 0, period = 0;
  std::ifstream together(folder + "/cpu.max");
  if (!(together >> quota >> period)) {
    quota = period = 0;
    std::ifstream(folder + "/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0 && period > 0)) return 0;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, 1e6));
}

}  // namespace fastcnn
