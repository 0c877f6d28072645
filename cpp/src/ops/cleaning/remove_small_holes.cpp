#include "core/connectivity.h"
#include "fastcnn/ops/cleaning.h"
#include "ops/cleaning/components_filter.h"

namespace fastcnn {
namespace {

template <class Filter>
void remove_holes(const Context& context, const TensorView& src, int64_t size, int64_t connectivity, int spatial_dims,
                  const TensorView& dst, const Filter& filter) {
  check_mask(src, spatial_dims, dst, "remove_small_holes");
  const int rank = connectivity_rank(connectivity, spatial_dims, "remove_small_holes");
  const RunFilter larger = {size_bound(size, "remove_small_holes", "max_size"), false, true};
  filter(context, src, spatial_dims, rank, RunMeasure::area, larger, dst);
}

}  // namespace

void remove_small_holes(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                        int spatial_dims, const TensorView& dst) {
  remove_holes(context, src, size, connectivity, spatial_dims, dst, filter_components);
}

void remove_small_holes_ref(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                            int spatial_dims, const TensorView& dst) {
  remove_holes(context, src, size, connectivity, spatial_dims, dst, filter_components_ref);
}

}  // namespace fastcnn
