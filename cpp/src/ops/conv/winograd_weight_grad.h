// The weight's gradient by Winograd (winograd_weight_grad.cpp), for weight_grad.cpp.
#pragma once

#include "fastcnn/context.h"
#include "ops/conv/layout.h"

namespace fastcnn::conv {

bool winograd_weight_grad_fits(const Shape& shape);
/// True if it is faster than outer products.
bool winograd_weight_grad_wins(const Shape& shape);
void winograd_weight_grad(const Context& context, const Shape& shape, const Image& x, const Image& grad,
                          const TensorView& dst);

}  // namespace fastcnn::conv
