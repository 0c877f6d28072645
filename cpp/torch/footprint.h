// What the ops' footprint arguments mean, on every device: the footprint itself stays on the CPU.
#pragma once

#include "bridge.h"
#include "fastcnn/ops/morphology.h"

namespace fastcnn::torch_bridge {

inline Footprint footprint_of(const char* op, const std::vector<int64_t>& size,
                              const std::optional<Tensor>& footprint) {
  FASTCNN_CHECK(size.size() == 2 || size.size() == 3, op, ": expected a footprint of 2 or 3 dimensions, got ",
                size.size());
  Footprint member;
  member.width = size[size.size() - 1];
  member.height = size[size.size() - 2];
  if (size.size() == 3) member.depth = size[0];
  if (footprint) {
    const TensorView mask = view(*footprint);
    FASTCNN_CHECK(dtype_of(mask) == DType::boolean && is_dense(mask) && mask.device.type == kCpu &&
                      mask.numel() == member.depth * member.height * member.width,
                  op, ": expected footprint to be a dense bool tensor on the CPU of the given size");
    member.mask = mask.as<uint8_t>();
  }
  return member;
}

}  // namespace fastcnn::torch_bridge
