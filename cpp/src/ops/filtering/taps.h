// One-dimensional correlations.
#pragma once

#include <cstdint>
#include <vector>

#include "fastcnn/border.h"

namespace fastcnn {

/// out[i] = sum over k of weights[k] * in[i + first + k].
struct Taps {
  std::vector<double> weights{1.0};
  int64_t first = 0;

  int64_t size() const { return static_cast<int64_t>(weights.size()); }
  int64_t last() const { return first + size() - 1; }
  bool identity() const { return size() == 1 && first == 0 && weights[0] == 1.0; }
};

/// The Gaussian as in SciPy: the radius is int(truncate * sigma + 0.5). Throws if the arguments are out of range.
Taps gaussian_taps(double sigma, double truncate, const char* op);

/// The same operator on lines of n elements, with |offsets| at most n: a continued line is periodic (reflect, mirror)
/// or constant beyond that. This limits time and scratch memory for kernels longer than the image.
Taps folded(const Taps& taps, int64_t n, Border border);

}  // namespace fastcnn
