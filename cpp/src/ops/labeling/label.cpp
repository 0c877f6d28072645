#include "core/connectivity.h"
#include "core/dtypes.h"
#include "fastcnn/ops/labeling.h"
#include "ops/labeling/label_checks.h"
#include "ops/labeling/runs.h"

namespace fastcnn {

// Run-based two-pass labelling (He, Chao, Suzuki, A Run-Based Two-Scan Labeling Algorithm, 2008) over bit masks, the
// strips of the threads joined at their borders. Linear in the pixels but for union-find's inverse Ackermann factor.
void label(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
           const TensorView& labels, const TensorView& counts) {
  const LabelCall call(src, connectivity, spatial_dims, labels, counts);
  const ImageSource images(src, spatial_dims);
  const Extent& extent = call.batch.extent;
  for_each_image(context, call.batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    RunComponents components(inner, scratch, extent, spatial_dims, call.connectivity);
    components.scan(images.raw(i, scratch), dtype_of(src), false, RunMeasure::none);
    counts.as<int32_t>()[i] = components.write_labels(labels.as<int32_t>() + i * extent.size());
  });
}

}  // namespace fastcnn
