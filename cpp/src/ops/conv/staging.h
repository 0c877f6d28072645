// Runs a channels-last algorithm on images of any layout and dtype without a converted copy of a large image: it works
// band by band of the result, with scratch memory of limited size.
#pragma once

#include "ops/conv/algorithm.h"

namespace fastcnn::conv {

template <class T>
void run_staged(const Context& context, const Routines<T>& routines, const T* packed, const Request<T>& request);

}  // namespace fastcnn::conv
