// Runs a channels-last algorithm on images of any layout and dtype without a converted copy of a large image: it works
// band by band of the result, with scratch memory of limited size.
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/layout.h"

namespace fastcnn::conv {

/// The problem of one part on the original images. The channel vectors of the epilogue already have type T.
template <class T>
struct Request {
  Shape shape;
  Image src, dst, residual;  ///< residual.data may be null
  const T* input_scale = nullptr;
  Epilogue<T> epilogue;
};

template <class T>
void run_staged(const Context& context, const Routines<T>& routines, const T* packed, const Request<T>& request);

}  // namespace fastcnn::conv
