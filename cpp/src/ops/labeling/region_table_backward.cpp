#include "fastcnn/ops/labeling.h"
#include "ops/labeling/region_table_checks.h"
#include "ops/labeling/stretches.h"

namespace fastcnn {
namespace {

constexpr const char* kOp = "region_table_backward";

/// One image: its labels as T, its gradients as V; rows of the table from `at` on.
template <class T, class V>
void backward_image(const Context& context, Scratch& scratch, const T* labels, int64_t size, int64_t maximum,
                    const int64_t* area, const int64_t* argmin, const int64_t* argmax, const V* grad_mean,
                    const V* grad_min, const V* grad_max, V* dst) {
  V* share = scratch.get<V>(maximum);
  for (int64_t n = 0; n < maximum; ++n)
    share[n] = area[n] ? from_double<V>(static_cast<double>(grad_mean[n]) / static_cast<double>(area[n])) : V{};
  context.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
    for_each_stretch(labels, begin, end, [&](int64_t first, int64_t last, T label) {
      const auto number = static_cast<int64_t>(label);
      std::fill(dst + first, dst + last, number >= 1 && number <= maximum ? share[number - 1] : V{});
    });
  });
  const auto add = [&](const int64_t* position, const V* grad) {
    for (int64_t n = 0; n < maximum; ++n) {
      const int64_t p = position[n];
      if (p >= 0 && p < size) dst[p] = from_double<V>(static_cast<double>(dst[p]) + static_cast<double>(grad[n]));
    }
  };
  add(argmin, grad_min);
  add(argmax, grad_max);
}

}  // namespace

void region_table_backward(const Context& context, const TensorView& labels, const TensorView& area,
                           const TensorView& argmin, const TensorView& argmax, const TensorView& grad_mean,
                           const TensorView& grad_min, const TensorView& grad_max, int spatial_dims,
                           const TensorView& dst) {
  const BatchShape batch(labels, spatial_dims, kOp, "labels");
  visit(LabelTypes{}, labels, kOp, "labels", [](auto) {});
  visit(FloatTypes{}, dst, kOp, "intensity", [](auto) {});
  check_output(dst, dtype_of(dst), kOp, "dst");
  check_same_shape(labels, dst, kOp, "dst");
  const int64_t maximum = area.ndim > 0 ? area.shape[area.ndim - 1] : 0, size = batch.extent.size();
  check_per_image(labels, spatial_dims, area, DType::int64, kOp, "area", maximum);
  check_per_image(labels, spatial_dims, argmin, DType::int64, kOp, "argmin", maximum);
  check_per_image(labels, spatial_dims, argmax, DType::int64, kOp, "argmax", maximum);
  check_per_image(labels, spatial_dims, grad_mean, dtype_of(dst), kOp, "grad_mean", maximum);
  check_per_image(labels, spatial_dims, grad_min, dtype_of(dst), kOp, "grad_min", maximum);
  check_per_image(labels, spatial_dims, grad_max, dtype_of(dst), kOp, "grad_max", maximum);

  const ImageSource images(labels, spatial_dims);
  for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    const int64_t at = i * maximum;
    visit(FloatTypes{}, dst, kOp, "intensity", [&](auto tag) {
      using V = typename decltype(tag)::type;
      visit(LabelTypes{}, labels, kOp, "labels", [&](auto label_tag) {
        backward_image(inner, scratch, images.image<typename decltype(label_tag)::type>(i, scratch), size, maximum,
                       area.as<int64_t>() + at, argmin.as<int64_t>() + at, argmax.as<int64_t>() + at,
                       grad_mean.as<V>() + at, grad_min.as<V>() + at, grad_max.as<V>() + at, dst.as<V>() + i * size);
      });
    });
  });
}

}  // namespace fastcnn
