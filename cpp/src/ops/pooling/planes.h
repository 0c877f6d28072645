// Tensors as planes that a kernel reads densely: (..., spatial) with a channel each, or channels_last with all of them.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// (N, C, spatial) without gaps in the order N, spatial, C.
bool is_channels_last(const TensorView& view, int rank);

struct PoolLayout {
  bool channels_last = false;
  int64_t planes = 1, inner = 1;

  /// The layout of dst; if its shape is valid for both layouts, the layout of the first source.
  PoolLayout(const TensorView& dst, std::initializer_list<const TensorView*> sources, int rank, const char* op);
};

/// Reads planes in place if they are dense, otherwise packed into scratch memory one at a time. `pitched`: the kernel
/// can read pixels with a larger pitch, as in a slice of channels (part of a concatenation), so these are not packed.
class PlaneSource {
 public:
  PlaneSource(const TensorView& view, int rank, const PoolLayout& layout, bool pitched = false);
  const void* plane(int64_t i, Scratch& scratch) const {
    if (in_place_) return static_cast<const char*>(view_.bytes()) + i * distance_ * item_;
    return packed(i, scratch);
  }
  /// All planes are one dense block.
  bool dense() const { return dense_; }
  /// Elements from one pixel of a plane to the next.
  int64_t pitch() const { return pitch_; }

 private:
  const void* packed(int64_t i, Scratch& scratch) const;
  TensorView view_;
  int rank_;
  bool channels_last_, dense_, in_place_;
  int64_t size_ = 1, distance_, pitch_, item_;
};

}  // namespace fastcnn
