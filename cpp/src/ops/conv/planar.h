// Convolutions of many small images with few channels and filters, such as LeNet's. They have too few channels to fill
// the vectors of channels that every other algorithm here uses, so vectors run along the image instead. Each channel of
// an image is copied to a plane with its borders. Rows are joined, so that a tap is an offset in the plane that is the
// same for all pixels, and a line of results has a few unused values between rows. Copying costs 1 / (filters * taps)
// of the multiply-adds.
//
// Used for weights that are packed in every call, as in training. Stride 1, one or two dimensions.
#pragma once

#include "fastcnn/context.h"
#include "ops/conv/layout.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

FASTCNN_API bool planar_fits(const Shape& shape);
/// True if it is the fastest. Ignores the number of threads, because the result must not depend on it.
bool planar_wins(const Shape& shape);
bool planar_weight_grad_wins(const Shape& shape);

/// dst = convolution + bias.
template <class T>
FASTCNN_API void planar_convolution(const Context& context, const Shape& shape, const Image& src,
                                    const Weights<T>& weights, const T* bias, const Image& dst);

/// The gradient as dense (K, C, kernel...). Returns false if it is not finite and must be computed in another way:
/// values between rows are 0 times the image's values there.
template <class T>
FASTCNN_API bool planar_weight_grad(const Context& context, const Shape& shape, const Image& x, const Image& grad,
                                    T* dst);

}  // namespace fastcnn::conv
