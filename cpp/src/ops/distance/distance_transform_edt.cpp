#include <atomic>

#include "core/dtypes.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/distance.h"
#include "ops/distance/distance_transform_edt.h"
#include "ops/distance/edt_checks.h"

namespace fastcnn {

void distance_transform_edt(const Context& context, const TensorView& src, int spatial_dims, const double* sampling,
                            const TensorView& dst, const TensorView* indices) {
  const BatchShape batch = check_edt(src, spatial_dims, sampling, dst, indices);
  const ImageSource source(src, spatial_dims);
  std::atomic<bool> fits{true};
  visit(AllTypes{}, src, kEdt, "mask", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* mask = source.image<T>(i, scratch);
      const EdtResult result = edt_result(dst, indices, spatial_dims, batch.extent.size(), i);
      const bool ok = !sampling && !indices && fits_fast_edt(batch.extent)
                          ? fast_edt(inner, mask, batch.extent, result)
                          : general_edt(inner, mask, batch.extent, spatial_dims, sampling, result);
      if (!ok) fits = false;
    });
  });
  check_edt_fits(fits);
}

}  // namespace fastcnn
