// Runs a channels-last algorithm on images of any layout and dtype, without ever holding a converted copy of a large
// one: band by band of the result, through scratch of a bounded size.
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/layout.h"

namespace fastcnn::conv {

/// One part's problem on images as they came. The epilogue's channel vectors are already of type T.
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
