// The bounding box of each mask. One pass over the rows skips zeros in whole words, and reads only the parts of a row
// that could enlarge the box.
#include <algorithm>
#include <cstring>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "core/nonzero.h"
#include "fastcnn/ops/boxes.h"

namespace fastcnn {
namespace {

/// The first element that is not zero in [begin, end), or end.
template <class T>
int64_t first_set(const T* row, int64_t stride, int64_t begin, int64_t end) {
  constexpr int64_t kWord = 8 / static_cast<int64_t>(sizeof(T));
  for (int64_t i = begin; i < end; ++i) {
    if (stride == 1)
      for (uint64_t word; i + kWord <= end; i += kWord) {
        std::memcpy(&word, row + i, sizeof word);
        if (word != 0) break;
      }
    if (i < end && is_nonzero(row[i * stride])) return i;
  }
  return end;
}

template <class T>
int64_t last_set(const T* row, int64_t stride, int64_t begin, int64_t end) {
  for (int64_t i = end - 1; i >= begin; --i)
    if (is_nonzero(row[i * stride])) return i;
  return begin - 1;
}

}  // namespace

void masks_to_boxes(const Context& context, const TensorView& masks, const TensorView& dst) {
  constexpr char op[] = "masks_to_boxes";
  const BatchShape batch(masks, 2, op, "masks");
  const int64_t height = batch.extent.height, width = batch.extent.width;
  const int64_t row_stride = masks.stride(masks.ndim - 2), stride = masks.stride(masks.ndim - 1);
  visit_truth(AllTypes{}, masks, op, "masks", [&](auto tag) {
    using T = typename decltype(tag)::type;
    context.parallel_for(0, dst.numel() / 4, 1, [&](int64_t i, int64_t end) {
      for (; i < end; ++i) {
        int64_t offset = 0, rest = i;
        for (int32_t d = masks.ndim - 3; d >= 0; --d) {
          offset += rest % masks.shape[d] * masks.stride(d);
          rest /= masks.shape[d];
        }
        int64_t left = width, right = -1, top = -1, bottom = -1;
        for (int64_t y = 0; y < height; ++y) {
          const T* row = masks.as<T>() + offset + y * row_stride;
          const int64_t first = first_set(row, stride, 0, width);
          if (first == width) continue;
          if (top < 0) top = y;
          bottom = y;
          left = std::min(left, first);
          right = std::max(right, last_set(row, stride, std::max(first, right + 1), width));
          right = std::max(right, first);
        }
        float* box = dst.as<float>() + 4 * i;
        const int64_t values[] = {top < 0 ? 0 : left, std::max<int64_t>(0, top), std::max<int64_t>(0, right),
                                  std::max<int64_t>(0, bottom)};
        for (int k = 0; k < 4; ++k) box[k] = static_cast<float>(values[k]);
      }
    });
  });
}

}  // namespace fastcnn
