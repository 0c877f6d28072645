// Convolution, transposed convolution and their gradients, 1-D to 3-D, in the conventions of torch.nn.functional.
#pragma once

#include <array>
#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// What a convolution can apply to its result on the way out. `alpha` is the slope of leaky_relu, the scale of elu and
/// the upper bound of clamp (relu6 is clamp with 6).
enum class Activation : int32_t {
  none,
  relu,
  clamp,        ///< min(max(x, 0), alpha)
  leaky_relu,   ///< x > 0 ? x : alpha x
  elu,          ///< x > 0 ? x : alpha (exp(x) - 1)
  silu,         ///< x sigmoid(x)
  hardswish,    ///< x min(max(x + 3, 0), 6) / 6
  hardsigmoid,  ///< min(max(x + 3, 0), 6) / 6
  sigmoid,
  tanh,
  softplus,  ///< log(1 + exp(x))
};
/// From "none", "relu", …; the error names `op`.
FASTCNN_API Activation activation_from(const char* name, const char* op);

}  // namespace fastcnn
