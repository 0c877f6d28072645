#include <algorithm>
#include <atomic>
#include <limits>
#include <type_traits>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/distance.h"
#include "ops/distance/edt_checks.h"
#include "ops/distance/edt_image.h"

namespace fastcnn {
namespace {

template <class T>
constexpr bool has_sign = std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

/// Returns false if a square does not fit.
template <class T>
bool transform(const Context& context, const T* mask, Extent e, int spatial_dims, const double* sampling,
               const EdtResult& dst) {
  EdtImage image{};
  image.mask = mask;
  image.mask_bytes = sizeof(T);
  image.mask_bits = ~uint64_t{0} >> (64 - 8 * sizeof(T) + (has_sign<T> ? 1 : 0));
  image.distance = dst.distance;
  image.squared = dst.squared;
  const int64_t extent[] = {e.depth, e.height, e.width};
  for (int axis = 0; axis < spatial_dims; ++axis) {
    const int64_t n = extent[3 - spatial_dims + axis];
    if (n == 1) continue;
    image.extent[image.dims] = n;
    image.spacing[image.dims] = sampling ? sampling[axis] : 1;
    if (dst.indices) image.nearest[image.dims] = dst.indices + axis * e.size();
    image.real = image.real || image.spacing[image.dims] != 1;
    ++image.dims;
  }
  const EdtOutcome outcome = image.dims < 2           ? edt_1d(image)
                             : fits_edt_volume(image) ? edt_volume(context, image)
                                                      : edt_bands(context, image);
  if (!outcome.found && dst.distance) std::fill_n(dst.distance, e.size(), std::numeric_limits<float>::infinity());
  for (int axis = 0; dst.indices && axis < spatial_dims; ++axis)
    if (!outcome.found || extent[3 - spatial_dims + axis] == 1)
      std::fill_n(dst.indices + axis * e.size(), e.size(), outcome.found ? 0 : -1);
  return outcome.fits && (outcome.found || !dst.squared);
}

}  // namespace

void distance_transform_edt(const Context& context, const TensorView& src, int spatial_dims, const double* sampling,
                            const TensorView& dst, const TensorView* indices) {
  const BatchShape batch = check_edt(src, spatial_dims, sampling, dst, indices);
  const ImageSource source(src, spatial_dims);
  std::atomic<bool> fits{true};
  visit_truth(AllTypes{}, src, kEdt, "mask", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const EdtResult result = edt_result(dst, indices, spatial_dims, batch.extent.size(), i);
      if (!transform(inner, source.image<T>(i, scratch), batch.extent, spatial_dims, sampling, result)) fits = false;
    });
  });
  check_edt_fits(fits);
}

}  // namespace fastcnn
