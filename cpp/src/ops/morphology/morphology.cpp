#include "fastcnn/ops/morphology.h"

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "ops/morphology/morphology_ref.h"

namespace fastcnn {

namespace {
void extremum(const char* op, bool maximum, const Context& context, const TensorView& src, int spatial_dims,
              const Footprint& footprint, Border border, double value, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, op, "image");
  FASTCNN_CHECK(footprint.depth > 0 && footprint.height > 0 && footprint.width > 0, op,
                ": expected a footprint of positive size, got (", footprint.depth, ", ", footprint.height, ", ",
                footprint.width, ")");
  check_same_shape(src, dst, op, "result");
  check_output(dst, dtype_of(src), op, "result");
  const ImageSource source(src, spatial_dims);
  visit(AllTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      extremum_ref(maximum, source.image<T>(i, scratch), batch.extent, footprint, border, value,
                   dst.as<T>() + i * batch.extent.size());
    });
  });
}
}  // namespace

void erosion(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint, Border border,
             double value, const TensorView& dst) {
  extremum("erosion", false, context, src, spatial_dims, footprint, border, value, dst);
}

void dilation(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
              Border border, double value, const TensorView& dst) {
  extremum("dilation", true, context, src, spatial_dims, footprint, border, value, dst);
}

}  // namespace fastcnn
