#include "core/dtypes.h"
#include "ops/pooling/pool.h"
#include "ops/pooling/window.h"

namespace fastcnn {

void avg_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst) {
  const int rank = pooling.rank();
  const std::string op = pooling_name(pooling.output_size.empty() ? "avg_pool" : "adaptive_avg_pool", rank);
  check_pooling_input(src, rank, op, "input");
  visit(FloatTypes{}, src, op.c_str(), "input", [](auto) {});
  PoolGeometry geometry(src.shape + (src.ndim - rank), pooling, "avg_pool");
  check_dtype(dst, dtype_of(src), op.c_str(), "result");
  const PoolLayout layout(dst, {&src}, rank, op.c_str());
  geometry.merge_full_axes();
  pool_windows(context, src, geometry, PoolFold::mean, layout, rank, dst);
}

void avg_pool_backward(const Context& context, const TensorView& grad, const Pooling& pooling, const TensorView& dst) {
  const int rank = pooling.rank();
  const std::string op = pooling_name(pooling.output_size.empty() ? "_avg_pool" : "_adaptive_avg_pool", rank);
  check_pooling_input(dst, rank, op, "input");
  visit(FloatTypes{}, grad, op.c_str(), "grad", [](auto) {});
  check_dtype(dst, dtype_of(grad), op.c_str(), "result");
  PoolGeometry geometry(dst.shape + (dst.ndim - rank), pooling, "avg_pool");
  bool same = grad.ndim == dst.ndim;
  for (int d = 0; same && d < grad.ndim; ++d) {
    const int axis = d - (grad.ndim - rank);
    same = grad.shape[d] == (axis < 0 ? dst.shape[d] : geometry.out[static_cast<size_t>(axis)]);
  }
  FASTCNN_CHECK(same, op, ": expected grad of the pooled shape, got ", shape_text(grad));
  const PoolLayout layout(dst, {&grad}, rank, op.c_str());
  if (grad.numel() == 0) {
    if (dst.numel() != 0) std::memset(dst.bytes(), 0, static_cast<size_t>(dst.numel()) * size_of(dtype_of(dst)));
    return;
  }
  geometry.merge_full_axes();
  PoolGeometry transposed = geometry;
  transposed.z = geometry.z.transposed();
  transposed.y = geometry.y.transposed();
  transposed.x = geometry.x.transposed();
  pool_windows(context, grad, transposed, PoolFold::transposed_mean, layout, rank, dst);
}

}  // namespace fastcnn
