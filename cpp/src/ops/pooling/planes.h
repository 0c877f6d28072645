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

  /// The layout that dst has; where its shape leaves both open, the one that the first source has.
  PoolLayout(const TensorView& dst, std::initializer_list<const TensorView*> sources, int rank, const char* op);
};

/// Reads planes in place where they are dense, else packed into scratch one at a time.
class PlaneSource {
 public:
  PlaneSource(const TensorView& view, int rank, const PoolLayout& layout);
  const void* plane(int64_t i, Scratch& scratch) const {
    if (dense_) return static_cast<const char*>(view_.bytes()) + i * size_ * item_;
    return packed(i, scratch);
  }
  bool dense() const { return dense_; }

 private:
  const void* packed(int64_t i, Scratch& scratch) const;
  TensorView view_;
  int rank_;
  bool channels_last_, dense_;
  int64_t size_ = 1, item_;
};

}  // namespace fastcnn
