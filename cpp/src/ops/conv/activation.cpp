#include "ops/conv/activation.h"

#include <cstring>

#include "fastcnn/error.h"

namespace fastcnn {

Activation activation_from(const char* name, const char* op) {
  constexpr const char* kNames[] = {"none",      "relu",        "clamp",   "leaky_relu", "elu",     "silu",
                                    "hardswish", "hardsigmoid", "sigmoid", "tanh",       "softplus"};
  int32_t value = 0;
  for (const char* known : kNames) {
    if (std::strcmp(name, known) == 0) return static_cast<Activation>(value);
    ++value;
  }
  detail::fail(ErrorKind::argument,
               std::string(op) + ": expected activation to be one of none, relu, clamp, leaky_relu, elu, silu, " +
                   "hardswish, hardsigmoid, sigmoid, tanh, softplus, got " + name);
}

}  // namespace fastcnn
