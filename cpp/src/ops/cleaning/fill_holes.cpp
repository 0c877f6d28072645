#include "fastcnn/ops/cleaning.h"
#include "ops/cleaning/components_filter.h"

namespace fastcnn {
namespace {
// Background components without a pixel on the border are holes.
constexpr RunFilter kReachesBorder = {0, false, true};
}  // namespace

void fill_holes(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst) {
  check_mask(src, spatial_dims, dst, "fill_holes");
  filter_components(context, src, spatial_dims, 1, RunMeasure::border, kReachesBorder, dst);
}

void fill_holes_ref(const Context& context, const TensorView& src, int spatial_dims, const TensorView& dst) {
  check_mask(src, spatial_dims, dst, "fill_holes");
  filter_components_ref(context, src, spatial_dims, 1, RunMeasure::border, kReachesBorder, dst);
}

}  // namespace fastcnn
