#include "core/connectivity.h"
#include "core/nonzero.h"
#include "fastcnn/ops/labeling.h"
#include "ops/labeling/label_ref.h"
#include "ops/labeling/labeling_checks.h"
#include "ops/labeling/runs.h"

namespace fastcnn {
namespace {

/// Calls body(context, image's pixels, scratch, image's labels) for every image, which returns the count.
template <class Body>
void label_images(const Context& context, const TensorView& src, int spatial_dims, const TensorView& labels,
                  const TensorView& counts, const char* op, const Body& body) {
  const BatchShape batch(src, spatial_dims, op, "mask");
  visit(AllTypes{}, src, op, "mask", [](auto) {});
  check_output(labels, DType::int32, op, "labels");
  check_same_shape(src, labels, op, "labels");
  check_per_image(src, spatial_dims, counts, DType::int32, op, "counts");
  check_run_count(batch.extent, op);
  fill<int32_t>(counts, 0);
  const ImageSource images(src, spatial_dims);
  const Extent& extent = batch.extent;
  for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    const void* pixels = pixels_of(images, src, i, scratch);
    counts.as<int32_t>()[i] = body(inner, extent, pixels, scratch, labels.as<int32_t>() + i * extent.size());
  });
}

}  // namespace

// Run-based two-scan labelling (He, Chao, Suzuki, A Run-Based Two-Scan Labeling Algorithm, 2008) over bit masks, with
// the threads' strips joined at their borders. Linear in the number of pixels, except for union-find's inverse
// Ackermann factor.
void label(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
           const TensorView& labels, const TensorView& counts) {
  check_spatial_dims(spatial_dims, "label");
  const int rank = connectivity_rank(connectivity, spatial_dims, "label");
  label_images(context, src, spatial_dims, labels, counts, "label",
               [&](const Context& inner, const Extent& extent, const void* pixels, Scratch& scratch, int32_t* dst) {
                 RunComponents components(inner, scratch, extent, spatial_dims, rank);
                 components.scan(pixels, dtype_of(src), false, RunMeasure::none);
                 return components.write_labels(dst);
               });
}

void label_ref(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
               const TensorView& labels, const TensorView& counts) {
  check_spatial_dims(spatial_dims, "label");
  const int rank = connectivity_rank(connectivity, spatial_dims, "label");
  label_images(context, src, spatial_dims, labels, counts, "label",
               [&](const Context&, const Extent& extent, const void* pixels, Scratch& scratch, int32_t* dst) {
                 int32_t count = 0;
                 visit_truth(AllTypes{}, src, "label", "mask", [&](auto tag) {
                   const auto* image = static_cast<const typename decltype(tag)::type*>(pixels);
                   count = flood_components(
                       extent, rank, scratch, [=](int64_t p) { return is_nonzero(image[p]); },
                       [](int64_t, int64_t) { return true; }, dst);
                 });
                 return count;
               });
}

}  // namespace fastcnn
