// Checks shared by the ops of this family and of cleaning.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/dtypes.h"
#include "core/image_batch.h"

namespace fastcnn {

using LabelTypes = DTypeList<DType::boolean, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32,
                             DType::int32, DType::uint64, DType::int64>;

/// An output of the batch's shape followed by `tail`.
template <class... Sizes>
void check_per_image(const TensorView& src, int spatial_dims, const TensorView& dst, DType dtype, const char* op,
                     const char* argument, Sizes... tail) {
  check_output(dst, dtype, op, argument);
  const int32_t batch_dims = src.ndim - spatial_dims;
  constexpr int32_t kTail = sizeof...(tail);
  const int64_t sizes[] = {static_cast<int64_t>(tail)..., 0};
  bool fits = dst.ndim == batch_dims + kTail;
  for (int32_t d = 0; fits && d < batch_dims; ++d) fits = dst.shape[d] == src.shape[d];
  for (int32_t d = 0; fits && d < kTail; ++d) fits = dst.shape[batch_dims + d] == sizes[d];
  FASTCNN_CHECK(fits, op, ": ", argument, " of shape ", shape_text(dst), " does not fit images of shape ",
                shape_text(src));
}

template <class T>
void fill(const TensorView& dst, T value) {
  std::fill_n(dst.as<T>(), dst.numel(), value);
}

/// The pixels of an image of any type.
inline const void* pixels_of(const ImageSource& images, const TensorView& src, int64_t i, Scratch& scratch) {
  switch (size_of(dtype_of(src))) {
    case 1: return images.image<uint8_t>(i, scratch);
    case 2: return images.image<uint16_t>(i, scratch);
    case 4: return images.image<uint32_t>(i, scratch);
    default: return images.image<uint64_t>(i, scratch);
  }
}

/// Raises an Error if a label is negative, before anything is written.
void check_not_negative(const Context& context, const TensorView& labels, int spatial_dims, const char* op,
                        const char* argument);

}  // namespace fastcnn
