// Convolutions of many small images with few channels and filters, as LeNet's: too few to fill vectors of channels,
// which is how every other algorithm here computes. Vectors run along the image instead. Each channel of an image is
// copied to a plane with its borders; a tap is then an offset in it, the same for all pixels, rows joined: a line of
// results has a few values between rows that nobody wants. Copying costs 1 / (filters * taps) of the multiply-adds.
//
// For weights that are packed on every call, as training does. Stride 1, one or two dimensions.
#pragma once

#include "fastcnn/context.h"
#include "ops/conv/layout.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

FASTCNN_API bool planar_fits(const Shape& shape);
/// Is it the fastest? Does not look at the number of threads: nor may the result.
bool planar_wins(const Shape& shape);
bool planar_weight_grad_wins(const Shape& shape);

/// dst = convolution + bias.
template <class T>
FASTCNN_API void planar_convolution(const Context& context, const Shape& shape, const Image& src,
                                    const Weights<T>& weights, const T* bias, const Image& dst);

/// Dense (K, C, kernel...). False where it is not finite, and has to be computed otherwise: values between rows are 0
/// times what the image has there.
template <class T>
FASTCNN_API bool planar_weight_grad(const Context& context, const Shape& shape, const Image& x, const Image& grad,
                                    T* dst);

}  // namespace fastcnn::conv
