#include <limits>

#include "core/dtypes.h"
#include "core/nonzero.h"
#include "fastcnn/ops/distance.h"
#include "ops/distance/edt_checks.h"
#include "ops/distance/edt_image.h"

namespace fastcnn {
namespace {

template <class T>
bool edt_ref(const T* mask, Extent e, int spatial_dims, const double* sampling, const EdtResult& dst) {
  const double unit[] = {1, 1, 1};
  const double* extent = sampling ? sampling : unit;
  const double sz = spatial_dims == 3 ? extent[0] : 1, sy = extent[spatial_dims - 2], sx = extent[spatial_dims - 1];
  bool fits = true;
  for (int64_t z = 0, p = 0; z < e.depth; ++z)
    for (int64_t y = 0; y < e.height; ++y)
      for (int64_t x = 0; x < e.width; ++x, ++p) {
        double best = std::numeric_limits<double>::infinity();
        int64_t nearest[3] = {-1, -1, -1};
        for (int64_t c = 0; c < e.depth; ++c)
          for (int64_t b = 0; b < e.height; ++b)
            for (int64_t a = 0; a < e.width; ++a) {
              if (is_nonzero(mask[(c * e.height + b) * e.width + a])) continue;
              const double dz = sz * static_cast<double>(z - c), dy = sy * static_cast<double>(y - b),
                           dx = sx * static_cast<double>(x - a);
              const double square = dz * dz + dy * dy + dx * dx;
              if (square >= best) continue;
              best = square;
              nearest[0] = c;
              nearest[1] = b;
              nearest[2] = a;
            }
        fits = write_square(best, dst.distance, dst.squared, p) && fits;
        for (int axis = 0; dst.indices && axis < spatial_dims; ++axis)
          dst.indices[axis * e.size() + p] = nearest[3 - spatial_dims + axis];
      }
  return fits;
}

}  // namespace

void distance_transform_edt_ref(const Context&, const TensorView& src, int spatial_dims, const double* sampling,
                                const TensorView& dst, const TensorView* indices) {
  const BatchShape batch = check_edt(src, spatial_dims, sampling, dst, indices);
  const ImageSource source(src, spatial_dims);
  bool fits = true;
  visit_truth(AllTypes{}, src, kEdt, "mask", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < batch.count; ++i) {
      Scratch scratch(serial_context());
      const EdtResult result = edt_result(dst, indices, spatial_dims, batch.extent.size(), i);
      fits = edt_ref(source.image<T>(i, scratch), batch.extent, spatial_dims, sampling, result) && fits;
    }
  });
  check_edt_fits(fits);
}

}  // namespace fastcnn
