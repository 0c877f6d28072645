#include "fastcnn/ops/pooling.h"

#include "bridge.h"
#include "program.h"

namespace fastcnn::torch_bridge {
namespace {

using Sizes = std::vector<int64_t>;

Pooling window(const Sizes& kernel, const Sizes& stride, const Sizes& padding, const Sizes& dilation, bool ceil_mode) {
  Pooling pooling;
  pooling.kernel = kernel;
  pooling.stride = stride;
  pooling.padding = padding;
  pooling.dilation = dilation;
  pooling.ceil_mode = ceil_mode;
  return pooling;
}
Pooling mean(const Sizes& kernel, const Sizes& stride, const Sizes& padding, bool ceil_mode, bool count_include_pad,
             std::optional<int64_t> divisor_override) {
  Pooling pooling = window(kernel, stride, padding, Sizes(kernel.size(), 1), ceil_mode);
  pooling.count_include_pad = count_include_pad;
  pooling.divisor_override = divisor_override;
  return pooling;
}
Pooling adaptive(const Sizes& output_size) {
  Pooling pooling;
  pooling.output_size = output_size;
  return pooling;
}

/// In the input's layout where it is a batch of images: a dimension more (vmap) or less has no channels_last.
Tensor pooled_result(const Tensor& like, const Sizes& shape, int rank, ScalarType dtype) {
  return static_cast<int>(shape.size()) == rank + 2 ? new_result_like_layout(like, shape, dtype)
                                                    : new_result(like, shape, dtype);
}

Tensor maxima(const Tensor& input, const Pooling& pooling, const char* op) {
  Tensor result = pooled_result(input, pooled_shape(view(input), pooling, op), pooling.rank(), input.scalar_type());
  max_pool(context(), view(input), pooling, view(result));
  return result;
}
std::tuple<Tensor, Tensor> maxima_with_indices(const Tensor& input, const Pooling& pooling, const char* op) {
  const Sizes shape = pooled_shape(view(input), pooling, op);
  Tensor result = pooled_result(input, shape, pooling.rank(), input.scalar_type());
  Tensor indices = pooled_result(input, shape, pooling.rank(), ScalarType::Long);
  max_pool_with_indices(context(), view(input), pooling, view(result), view(indices));
  return {result, indices};
}
Tensor maxima_backward(const Tensor& grad, const Tensor& input, const Pooling& pooling) {
  Tensor result = pooled_result(input, shape_of(input), pooling.rank(), input.scalar_type());
  max_pool_backward(context(), view(grad), view(input), pooling, view(result));
  return result;
}
Tensor means(const Tensor& input, const Pooling& pooling, const char* op) {
  Tensor result = pooled_result(input, pooled_shape(view(input), pooling, op), pooling.rank(), input.scalar_type());
  avg_pool(context(), view(input), pooling, view(result));
  return result;
}
/// The batch may have more dimensions than the forward's (vmap): only the spatial sizes are the input's. Its layout is
/// told: a gradient of 1 x 1 pixels has none.
Tensor means_backward(const Tensor& grad, const Sizes& spatial, bool channels_last, const Pooling& pooling) {
  Sizes shape = shape_of(grad);
  FASTCNN_CHECK(shape.size() > spatial.size(), "_avg_pool_backward: expected grad of more dimensions than input_size");
  std::copy(spatial.begin(), spatial.end(), shape.end() - static_cast<std::ptrdiff_t>(spatial.size()));
  Tensor result = channels_last && shape.size() == spatial.size() + 2
                      ? new_channels_last_result(grad, shape, grad.scalar_type())
                      : new_result(grad, shape, grad.scalar_type());
  avg_pool_backward(context(), view(grad), pooling, view(result));
  return result;
}

/// Into a tensor that is there, dense or channels-last; recorded where a program is.
template <auto kernel>
void pool_out(const Tensor& input, const Pooling& pooling, const Tensor& out) {
  Program* program = Program::recording();
  if (!program) return kernel(context(), view(input), pooling, view(out));
  program->add([src = program->keep(view(input)), dst = program->keep(view(out)), pooling] {
    kernel(context(), *src, pooling, *dst);
  });
}

Tensor max_pool_op(const Tensor& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                   const Sizes& dilation, bool ceil_mode) {
  return maxima(input, window(kernel, stride, padding, dilation, ceil_mode), "max_pool");
}
std::tuple<Tensor, Tensor> max_pool_with_indices_op(const Tensor& input, const Sizes& kernel, const Sizes& stride,
                                                    const Sizes& padding, const Sizes& dilation, bool ceil_mode) {
  return maxima_with_indices(input, window(kernel, stride, padding, dilation, ceil_mode), "max_pool");
}
Tensor max_pool_backward_op(const Tensor& grad, const Tensor& input, const Sizes& kernel, const Sizes& stride,
                            const Sizes& padding, const Sizes& dilation, bool ceil_mode) {
  return maxima_backward(grad, input, window(kernel, stride, padding, dilation, ceil_mode));
}
Tensor adaptive_max_pool_op(const Tensor& input, const Sizes& output_size) {
  return maxima(input, adaptive(output_size), "adaptive_max_pool");
}
std::tuple<Tensor, Tensor> adaptive_max_pool_with_indices_op(const Tensor& input, const Sizes& output_size) {
  return maxima_with_indices(input, adaptive(output_size), "adaptive_max_pool");
}
Tensor adaptive_max_pool_backward_op(const Tensor& grad, const Tensor& input, const Sizes& output_size) {
  return maxima_backward(grad, input, adaptive(output_size));
}
Tensor avg_pool_op(const Tensor& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding, bool ceil_mode,
                   bool count_include_pad, std::optional<int64_t> divisor_override) {
  return means(input, mean(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override), "avg_pool");
}
Tensor avg_pool_backward_op(const Tensor& grad, const Sizes& input_size, bool channels_last, const Sizes& kernel,
                            const Sizes& stride, const Sizes& padding, bool ceil_mode, bool count_include_pad,
                            std::optional<int64_t> divisor_override) {
  return means_backward(grad, input_size, channels_last,
                        mean(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override));
}
Tensor adaptive_avg_pool_op(const Tensor& input, const Sizes& output_size) {
  return means(input, adaptive(output_size), "adaptive_avg_pool");
}
Tensor adaptive_avg_pool_backward_op(const Tensor& grad, const Sizes& input_size, bool channels_last,
                                     const Sizes& output_size) {
  return means_backward(grad, input_size, channels_last, adaptive(output_size));
}

void max_pool_out(const Tensor& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                  const Sizes& dilation, bool ceil_mode, const Tensor& out) {
  pool_out<max_pool>(input, window(kernel, stride, padding, dilation, ceil_mode), out);
}
void adaptive_max_pool_out(const Tensor& input, const Sizes& output_size, const Tensor& out) {
  pool_out<max_pool>(input, adaptive(output_size), out);
}
void avg_pool_out(const Tensor& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding, bool ceil_mode,
                  bool count_include_pad, std::optional<int64_t> divisor_override, const Tensor& out) {
  pool_out<avg_pool>(input, mean(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override), out);
}
void adaptive_avg_pool_out(const Tensor& input, const Sizes& output_size, const Tensor& out) {
  pool_out<avg_pool>(input, adaptive(output_size), out);
}

/// indices' layout is the forward's, src's may have been lost: results follow the indices.
Tensor scattered(const Tensor& src, const Tensor& indices, const Sizes& spatial, bool accumulate) {
  Sizes shape = shape_of(src);
  FASTCNN_CHECK(shape.size() > spatial.size(), "max_unpool: expected input of more dimensions than output_size");
  std::copy(spatial.begin(), spatial.end(), shape.end() - static_cast<std::ptrdiff_t>(spatial.size()));
  Tensor result = pooled_result(accumulate ? indices : src, shape, static_cast<int>(spatial.size()), src.scalar_type());
  max_unpool(context(), view(src), view(indices), static_cast<int>(spatial.size()), accumulate, view(result));
  return result;
}
Tensor max_unpool_op(const Tensor& input, const Tensor& indices, const Sizes& output_size) {
  return scattered(input, indices, output_size, false);
}
Tensor pool_scatter_op(const Tensor& grad, const Tensor& indices, const Sizes& output_size) {
  return scattered(grad, indices, output_size, true);
}
Tensor pool_gather_op(const Tensor& src, const Tensor& indices, int64_t spatial_dims) {
  Tensor result = pooled_result(indices, shape_of(indices), static_cast<int>(spatial_dims), src.scalar_type());
  pool_gather(context(), view(src), view(indices), static_cast<int>(spatial_dims), view(result));
  return result;
}

}  // namespace

#define FASTCNN_WINDOW "SymInt[] kernel_size, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool ceil_mode"
#define FASTCNN_MEAN                                                                                          \
  "SymInt[] kernel_size, SymInt[] stride, SymInt[] padding, bool ceil_mode, bool count_include_pad, SymInt? " \
  "divisor_override"

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("max_pool(Tensor input, " FASTCNN_WINDOW ") -> Tensor");
  m.def("max_pool_with_indices(Tensor input, " FASTCNN_WINDOW ") -> (Tensor, Tensor)");
  m.def("_max_pool_backward(Tensor grad, Tensor input, " FASTCNN_WINDOW ") -> Tensor");
  m.def("adaptive_max_pool(Tensor input, SymInt[] output_size) -> Tensor");
  m.def("adaptive_max_pool_with_indices(Tensor input, SymInt[] output_size) -> (Tensor, Tensor)");
  m.def("_adaptive_max_pool_backward(Tensor grad, Tensor input, SymInt[] output_size) -> Tensor");
  m.def("avg_pool(Tensor input, " FASTCNN_MEAN ") -> Tensor");
  m.def("_avg_pool_backward(Tensor grad, SymInt[] input_size, bool channels_last, " FASTCNN_MEAN ") -> Tensor");
  m.def("adaptive_avg_pool(Tensor input, SymInt[] output_size) -> Tensor");
  m.def(
      "_adaptive_avg_pool_backward(Tensor grad, SymInt[] input_size, bool channels_last, SymInt[] output_size) -> "
      "Tensor");
  m.def("max_pool_out(Tensor input, " FASTCNN_WINDOW ", Tensor(a!) out) -> ()");
  m.def("adaptive_max_pool_out(Tensor input, SymInt[] output_size, Tensor(a!) out) -> ()");
  m.def("avg_pool_out(Tensor input, " FASTCNN_MEAN ", Tensor(a!) out) -> ()");
  m.def("adaptive_avg_pool_out(Tensor input, SymInt[] output_size, Tensor(a!) out) -> ()");
  m.def("max_unpool(Tensor input, Tensor indices, SymInt[] output_size) -> Tensor");
  m.def("_pool_scatter(Tensor grad, Tensor indices, SymInt[] output_size) -> Tensor");
  m.def("_pool_gather(Tensor src, Tensor indices, int spatial_dims) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("max_pool", FASTCNN_BOX(&max_pool_op));
  m.impl("max_pool_with_indices", FASTCNN_BOX(&max_pool_with_indices_op));
  m.impl("_max_pool_backward", FASTCNN_BOX(&max_pool_backward_op));
  m.impl("adaptive_max_pool", FASTCNN_BOX(&adaptive_max_pool_op));
  m.impl("adaptive_max_pool_with_indices", FASTCNN_BOX(&adaptive_max_pool_with_indices_op));
  m.impl("_adaptive_max_pool_backward", FASTCNN_BOX(&adaptive_max_pool_backward_op));
  m.impl("avg_pool", FASTCNN_BOX(&avg_pool_op));
  m.impl("_avg_pool_backward", FASTCNN_BOX(&avg_pool_backward_op));
  m.impl("adaptive_avg_pool", FASTCNN_BOX(&adaptive_avg_pool_op));
  m.impl("_adaptive_avg_pool_backward", FASTCNN_BOX(&adaptive_avg_pool_backward_op));
  m.impl("max_pool_out", FASTCNN_BOX(&max_pool_out));
  m.impl("adaptive_max_pool_out", FASTCNN_BOX(&adaptive_max_pool_out));
  m.impl("avg_pool_out", FASTCNN_BOX(&avg_pool_out));
  m.impl("adaptive_avg_pool_out", FASTCNN_BOX(&adaptive_avg_pool_out));
  m.impl("max_unpool", FASTCNN_BOX(&max_unpool_op));
  m.impl("_pool_scatter", FASTCNN_BOX(&pool_scatter_op));
  m.impl("_pool_gather", FASTCNN_BOX(&pool_gather_op));
}

}  // namespace fastcnn::torch_bridge
