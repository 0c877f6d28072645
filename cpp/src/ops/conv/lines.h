// Depthwise convolutions whose vectors run along the image: of few adjacent channels, which would leave most lanes of a
// vector of channels unused, in pixels or in planes (NCHW), which need no conversion then.
//
// A row of pixels with C adjacent channels is a line of C * width values. Where a tap reads the same line, shifted by
// its column, the weights repeat after C values. Rows of the input are copied to lines with zeros at both ends, each
// row once while the rows of the result pass; with a stride, the columns of each remainder form a line of their own.
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/layout.h"

namespace fastcnn::conv {

/// A depthwise convolution of images whose pixels have work.shape.groups adjacent channels, in `planes` planes.
template <class T>
struct LineWork {
  WorkItem<T> work;
  int64_t planes = 1;
  int64_t src_plane = 0, dst_plane = 0, residual_plane = 0;  ///< from one plane to the next
};

/// True if lines are faster than vectors of channels, for pixels in the channels-last layout.
bool lines_win(const Shape& shape);

/// `packed` as kDepthwise packs.
template <class T>
void run_lines(const Context& context, const LineWork<T>& lines, const T* packed);
/// The same for images in planes. Returns false if there are others, or if their conversion is faster.
template <class T>
bool run_planes(const Context& context, const Request<T>& request, const T* packed);

}  // namespace fastcnn::conv
