// The interface of a convolution algorithm. algorithm.cpp has the list of algorithms.
#pragma once

#include "fastcnn/context.h"
#include "ops/conv/layout.h"

namespace fastcnn::conv {

template <class T>
struct Routines {
  /// Elements of the packed weights. They depend on groups, channels, filters and kernel only, never on the ISA or the
  /// image: a packed model is portable and takes images of any size.
  int64_t (*packed_size)(const Shape&) = nullptr;
  void (*pack)(const Context&, const Shape&, const Weights<T>&, T* packed) = nullptr;
  /// Fills every pixel of dst. Never reads outside the tensors.
  void (*run)(const Context&, const WorkItem<T>&, const T* packed) = nullptr;
  /// The same for images of every layout and dtype; null: they are staged.
  void (*run_any)(const Context&, const Request<T>&, const T* packed) = nullptr;
};

struct Algorithm {
  const char* name;
  /// True if it can compute this shape. Depends only on the inputs of packing, and on stride and dilation.
  bool (*fits)(const Shape&);
  /// True if it is the best for this shape among itself and the algorithms that follow in the list.
  bool (*wins)(const Shape&, int threads);
  Routines<float> f32;
  Routines<double> f64;  ///< pack == nullptr: float32 only

  template <class T>
  const Routines<T>& routines() const;
};
template <>
inline const Routines<float>& Algorithm::routines<float>() const {
  return f32;
}
template <>
inline const Routines<double>& Algorithm::routines<double>() const {
  return f64;
}

// One file each: <name>.cpp.
extern const Algorithm kDepthwise, kGrouped, kFewChannels, kWinogradF4, kWinogradF2, kWinogradF3, kDirect, kPadded,
    kReference, kEmpty;

}  // namespace fastcnn::conv
