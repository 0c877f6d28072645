#include "ops/labeling/labeling_checks.h"

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/stretches.h"

namespace fastcnn {

std::vector<int64_t> batch_shape(const TensorView& images, int spatial_dims, const char* op, const char* argument) {
  const BatchShape checked(images, spatial_dims, op, argument);
  return {images.shape, images.shape + images.ndim - spatial_dims};
}

std::vector<int64_t> label_table_shape(const TensorView& labels, int spatial_dims, int64_t max_labels, const char* op) {
  std::vector<int64_t> shape = batch_shape(labels, spatial_dims, op, "labels");
  FASTCNN_CHECK(max_labels >= 0, op, ": expected max_labels of at least 0, got ", max_labels);
  FASTCNN_CHECK(max_labels < INT32_MAX, op, ": expected max_labels of at most 2^31 - 2, got ", max_labels,
                "; relabel_sequential makes sparse labels 1, 2, and so on");
  shape.push_back(max_labels);
  return shape;
}

void check_not_negative(const Context& context, const TensorView& labels, int spatial_dims, const char* op,
                        const char* argument) {
  const BatchShape batch(labels, spatial_dims, op, argument);
  const ImageSource images(labels, spatial_dims);
  const int64_t size = batch.extent.size();
  std::atomic<int64_t> minimum{0};
  visit(LabelTypes{}, labels, op, argument, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_signed_v<T>) {
      for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
        Scratch scratch(inner);
        const T* image = images.image<T>(i, scratch);
        if (static_cast<T>(any_bits(inner, image, size)) >= 0) return;
        const int64_t value = *std::min_element(image, image + size);
        int64_t seen = minimum.load(std::memory_order_relaxed);
        while (value < seen && !minimum.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
        }
      });
    }
  });
  FASTCNN_CHECK(minimum == 0, op, ": expected ", argument, " without negative values, got ", minimum.load());
}

}  // namespace fastcnn
