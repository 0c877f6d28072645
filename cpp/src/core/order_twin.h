// Kernels that only compare process int8, uint32 and uint64 as the dtype of the same order (order_twin). The sign bits
// are inverted before and after the kernel, so that no kernel is compiled for these dtypes.
#pragma once

#include "core/dtypes.h"
#include "core/image_batch.h"

namespace fastcnn {

/// Calls run(src, dst), or runs it on a dense copy of src in its twin dtype. dst has src's dtype and no gaps.
template <class F>
void with_order_twin(const Context& context, const TensorView& src, const TensorView& dst, const F& run) {
  const DType dtype = dtype_of(src), twin = order_twin(dtype);
  if (twin == dtype) return run(src, dst);
  const auto bytes = static_cast<int64_t>(size_of(dtype));
  const BatchShape batch(src, 2, "order_twin", "input");
  const int64_t size = batch.extent.size();
  Scratch scratch(context);
  char* keys = scratch.get<char>(src.numel() * bytes);
  const ImageSource images(src, 2);
  visit_bits(AllTypes{}, src, "order_twin", "input", [&](auto tag) {
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch packed(inner);
      turn_signs(images.image<typename decltype(tag)::type>(i, packed), size, bytes, keys + i * size * bytes);
    });
  });
  TensorView from = src, to = dst;
  from.data = keys;
  from.byte_offset = 0;
  from.strides = nullptr;
  from.dtype = to.dtype = data_type(twin);
  run(from, to);
  turn_signs(dst.bytes(), dst.numel(), bytes, dst.bytes());
}

}  // namespace fastcnn
