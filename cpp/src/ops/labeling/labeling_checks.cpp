#include "ops/labeling/labeling_checks.h"

#include "ops/labeling/label_values.h"

namespace fastcnn {

void check_not_negative(const Context& context, const TensorView& labels, int spatial_dims, const char* op,
                        const char* argument) {
  const BatchShape batch(labels, spatial_dims, op, argument);
  const ImageSource images(labels, spatial_dims);
  std::atomic<int64_t> least{0};
  visit(LabelTypes{}, labels, op, argument, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_signed_v<T>) {
      for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
        Scratch scratch(inner);
        const T* image = images.image<T>(i, scratch);
        const int64_t value = extreme_of(inner, image, batch.extent.size(), T{0}, [](T a, T b) { return a < b; });
        int64_t seen = least.load(std::memory_order_relaxed);
        while (value < seen && !least.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
        }
      });
    }
  });
  FASTCNN_CHECK(least == 0, op, ": expected ", argument, " without negative values, got ", least.load());
}

}  // namespace fastcnn
