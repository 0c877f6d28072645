// The activations for single values: used by the reference, and to test the vector versions.
#pragma once

#include <cmath>

#include "fastcnn/ops/conv.h"

namespace fastcnn::conv {

template <class T>
T activate(Activation activation, T x, T alpha) {
  const auto sixth = [](T v) { return (v > 0 ? (v < 6 ? v : T(6)) : v != v ? v : T(0)) / 6; };
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return x < 0 ? T(0) : x;  // NaN stays NaN, as in torch
    case Activation::clamp: return x < 0 ? T(0) : x > alpha ? alpha : x;
    case Activation::leaky_relu: return x > 0 ? x : alpha * x;
    case Activation::elu: return x > 0 ? x : alpha * std::expm1(x);
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::hardswish: return x * sixth(x + 3);
    case Activation::hardsigmoid: return sixth(x + 3);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::softplus: return x > 20 ? x : std::log1p(std::exp(x));
  }
  return x;
}

}  // namespace fastcnn::conv
