#include "bindings/front.h"
#include "fastcnn/ops/pooling.h"

namespace fastcnn::bindings {

inline Pooling window(const Sizes& kernel, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                      bool ceil_mode) {
  Pooling pooling;
  pooling.kernel = kernel;
  pooling.stride = stride;
  pooling.padding = padding;
  pooling.dilation = dilation;
  pooling.ceil_mode = ceil_mode;
  return pooling;
}
inline Pooling mean_window(const Sizes& kernel, const Sizes& stride, const Sizes& padding, bool ceil_mode,
                           bool count_include_pad, std::optional<int64_t> divisor_override) {
  Pooling pooling = window(kernel, stride, padding, Sizes(kernel.size(), 1), ceil_mode);
  pooling.count_include_pad = count_include_pad;
  pooling.divisor_override = divisor_override;
  return pooling;
}
inline Pooling adaptive(const Sizes& output_size) {
  Pooling pooling;
  pooling.output_size = output_size;
  return pooling;
}

/// The result has the input's layout if the input is a batch of images. With one dimension more (vmap) or less there is
/// no channels_last.
template <class Front>
auto pooled_result(const Front& front, const TensorView& like, const Sizes& shape, int rank, DType dtype) {
  return static_cast<int>(shape.size()) == rank + 2 ? front.result_in_layout_of(like, shape, dtype)
                                                    : front.result(shape, dtype);
}

// --- over windows, and over adaptive ones
// -----------------------------------------------------------------------------

template <decltype(fastcnn::max_pool)* kernel, class Front, class Array = typename Front::Array>
Array pooled(const char* op, const Array& input, const Pooling& pooling) {
  Front front(op);
  const auto src = front.view(input, "input");
  const auto result = pooled_result(front, src, pooled_shape(src, pooling, op), pooling.rank(), dtype_of(src));
  front.run([&](const Context& context) { kernel(context, src, pooling, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> pooled_with_indices(const char* op, const Array& input, const Pooling& pooling) {
  Front front(op);
  const auto src = front.view(input, "input");
  const Sizes shape = pooled_shape(src, pooling, op);
  const auto result = pooled_result(front, src, shape, pooling.rank(), dtype_of(src));
  const auto indices = pooled_result(front, src, shape, pooling.rank(), DType::int64);
  front.run([&](const Context& context) {
    fastcnn::max_pool_with_indices(context, src, pooling, result.view(), indices.view());
  });
  return {result.array(), indices.array()};
}

template <class Front, class Array = typename Front::Array>
Array max_pooled_backward(const Array& grad, const Array& input, const Pooling& pooling) {
  Front front("max_pool");
  const auto up = front.view(grad, "grad"), src = front.view(input, "input");
  const auto result = pooled_result(front, src, shape_of(src), pooling.rank(), dtype_of(src));
  front.run([&](const Context& context) { fastcnn::max_pool_backward(context, up, src, pooling, result.view()); });
  return result.array();
}

/// The batch may have more dimensions than in the forward pass (vmap): only the spatial sizes are those of the input.
/// The layout is an argument because a gradient of 1 x 1 pixels does not determine it.
template <class Front, class Array = typename Front::Array>
Array avg_pooled_backward(const Array& grad, const Sizes& spatial, bool channels_last, const Pooling& pooling) {
  Front front("avg_pool");
  const auto up = front.view(grad, "grad");
  Sizes shape = shape_of(up);
  FASTCNN_CHECK(shape.size() > spatial.size(), "_avg_pool_backward: expected grad of more dimensions than input_size");
  std::copy(spatial.begin(), spatial.end(), shape.end() - static_cast<std::ptrdiff_t>(spatial.size()));
  const auto result = channels_last && shape.size() == spatial.size() + 2 ? front.channels_last(shape, dtype_of(up))
                                                                          : front.result(shape, dtype_of(up));
  front.run([&](const Context& context) { fastcnn::avg_pool_backward(context, up, pooling, result.view()); });
  return result.array();
}

/// Writes to an existing tensor, dense or channels-last. The call is recorded if a program is active.
template <decltype(fastcnn::max_pool)* kernel, class Front, class Array = typename Front::Array>
void pooled_out(const Array& input, const Pooling& pooling, const Array& out) {
  Front front("pool_out");
  front.run_or_record([pooling](const Context& context, const TensorView* src,
                                const TensorView* dst) { kernel(context, *src, pooling, *dst); },
                      front.view(input, "input"), front.view(out, "out"));
}

#define FASTCNN_WINDOW_ARGUMENTS \
  const Sizes &kernel, const Sizes &stride, const Sizes &padding, const Sizes &dilation, bool ceil_mode
#define FASTCNN_MEAN_ARGUMENTS                                                                            \
  const Sizes &kernel, const Sizes &stride, const Sizes &padding, bool ceil_mode, bool count_include_pad, \
      std::optional<int64_t> divisor_override
#define FASTCNN_WINDOW window(kernel, stride, padding, dilation, ceil_mode)
#define FASTCNN_MEAN mean_window(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)

template <class Front, class Array = typename Front::Array>
Array max_pool(const Array& input, FASTCNN_WINDOW_ARGUMENTS) {
  return pooled<fastcnn::max_pool, Front>("max_pool", input, FASTCNN_WINDOW);
}
template <class Front, class Array = typename Front::Array>
Array adaptive_max_pool(const Array& input, const Sizes& output_size) {
  return pooled<fastcnn::max_pool, Front>("adaptive_max_pool", input, adaptive(output_size));
}
template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> max_pool_with_indices(const Array& input, FASTCNN_WINDOW_ARGUMENTS) {
  return pooled_with_indices<Front>("max_pool", input, FASTCNN_WINDOW);
}
template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> adaptive_max_pool_with_indices(const Array& input, const Sizes& output_size) {
  return pooled_with_indices<Front>("adaptive_max_pool", input, adaptive(output_size));
}
template <class Front, class Array = typename Front::Array>
Array _max_pool_backward(const Array& grad, const Array& input, FASTCNN_WINDOW_ARGUMENTS) {
  return max_pooled_backward<Front>(grad, input, FASTCNN_WINDOW);
}
template <class Front, class Array = typename Front::Array>
Array _adaptive_max_pool_backward(const Array& grad, const Array& input, const Sizes& output_size) {
  return max_pooled_backward<Front>(grad, input, adaptive(output_size));
}
template <class Front, class Array = typename Front::Array>
Array avg_pool(const Array& input, FASTCNN_MEAN_ARGUMENTS) {
  return pooled<fastcnn::avg_pool, Front>("avg_pool", input, FASTCNN_MEAN);
}
template <class Front, class Array = typename Front::Array>
Array adaptive_avg_pool(const Array& input, const Sizes& output_size) {
  return pooled<fastcnn::avg_pool, Front>("adaptive_avg_pool", input, adaptive(output_size));
}
template <class Front, class Array = typename Front::Array>
Array _avg_pool_backward(const Array& grad, const Sizes& input_size, bool channels_last, FASTCNN_MEAN_ARGUMENTS) {
  return avg_pooled_backward<Front>(grad, input_size, channels_last, FASTCNN_MEAN);
}
template <class Front, class Array = typename Front::Array>
Array _adaptive_avg_pool_backward(const Array& grad, const Sizes& input_size, bool channels_last,
                                  const Sizes& output_size) {
  return avg_pooled_backward<Front>(grad, input_size, channels_last, adaptive(output_size));
}
template <class Front, class Array = typename Front::Array>
void max_pool_out(const Array& input, FASTCNN_WINDOW_ARGUMENTS, const Array& out) {
  pooled_out<fastcnn::max_pool, Front>(input, FASTCNN_WINDOW, out);
}
template <class Front, class Array = typename Front::Array>
void adaptive_max_pool_out(const Array& input, const Sizes& output_size, const Array& out) {
  pooled_out<fastcnn::max_pool, Front>(input, adaptive(output_size), out);
}
template <class Front, class Array = typename Front::Array>
void avg_pool_out(const Array& input, FASTCNN_MEAN_ARGUMENTS, const Array& out) {
  pooled_out<fastcnn::avg_pool, Front>(input, FASTCNN_MEAN, out);
}
template <class Front, class Array = typename Front::Array>
void adaptive_avg_pool_out(const Array& input, const Sizes& output_size, const Array& out) {
  pooled_out<fastcnn::avg_pool, Front>(input, adaptive(output_size), out);
}

#undef FASTCNN_WINDOW_ARGUMENTS
#undef FASTCNN_MEAN_ARGUMENTS
#undef FASTCNN_WINDOW
#undef FASTCNN_MEAN

// --- by indices
// -------------------------------------------------------------------------------------------------------

/// The indices have the layout of the forward pass, while src may have lost it. Results follow the layout of the
/// indices if values are summed.
template <class Front, class Array = typename Front::Array>
Array scattered(const char* argument, const Array& values, const Array& indices, const Sizes& spatial,
                bool accumulate) {
  Front front("max_unpool");
  const auto src = front.view(values, argument), where = front.view(indices, "indices");
  Sizes shape = shape_of(src);
  FASTCNN_CHECK(shape.size() > spatial.size(), "max_unpool: expected input of more dimensions than output_size");
  std::copy(spatial.begin(), spatial.end(), shape.end() - static_cast<std::ptrdiff_t>(spatial.size()));
  const int rank = static_cast<int>(spatial.size());
  const auto result = pooled_result(front, accumulate ? where : src, shape, rank, dtype_of(src));
  front.run([&](const Context& context) { fastcnn::max_unpool(context, src, where, rank, accumulate, result.view()); });
  return result.array();
}
template <class Front, class Array = typename Front::Array>
Array max_unpool(const Array& input, const Array& indices, const Sizes& output_size) {
  return scattered<Front>("input", input, indices, output_size, false);
}
template <class Front, class Array = typename Front::Array>
Array _pool_scatter(const Array& grad, const Array& indices, const Sizes& output_size) {
  return scattered<Front>("grad", grad, indices, output_size, true);
}
template <class Front, class Array = typename Front::Array>
Array _pool_gather(const Array& src, const Array& indices, int64_t spatial_dims) {
  Front front("max_unpool");
  const auto values = front.view(src, "src"), where = front.view(indices, "indices");
  const int rank = static_cast<int>(spatial_dims);
  const auto result = pooled_result(front, where, shape_of(where), rank, dtype_of(values));
  front.run([&](const Context& context) { fastcnn::pool_gather(context, values, where, rank, result.view()); });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_WINDOW "SymInt[] kernel_size, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool ceil_mode"
#define FASTCNN_MEAN                                                                                          \
  "SymInt[] kernel_size, SymInt[] stride, SymInt[] padding, bool ceil_mode, bool count_include_pad, SymInt? " \
  "divisor_override"
#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                         \
  OP(max_pool, "(Tensor input, " FASTCNN_WINDOW ") -> Tensor")                                                       \
  OP(max_pool_with_indices, "(Tensor input, " FASTCNN_WINDOW ") -> (Tensor, Tensor)")                                \
  TORCH_OP(_max_pool_backward, "(Tensor grad, Tensor input, " FASTCNN_WINDOW ") -> Tensor")                          \
  OP(adaptive_max_pool, "(Tensor input, SymInt[] output_size) -> Tensor")                                            \
  OP(adaptive_max_pool_with_indices, "(Tensor input, SymInt[] output_size) -> (Tensor, Tensor)")                     \
  TORCH_OP(_adaptive_max_pool_backward, "(Tensor grad, Tensor input, SymInt[] output_size) -> Tensor")               \
  OP(avg_pool, "(Tensor input, " FASTCNN_MEAN ") -> Tensor")                                                         \
  TORCH_OP(_avg_pool_backward, "(Tensor grad, SymInt[] input_size, bool channels_last, " FASTCNN_MEAN ") -> Tensor") \
  OP(adaptive_avg_pool, "(Tensor input, SymInt[] output_size) -> Tensor")                                            \
  TORCH_OP(_adaptive_avg_pool_backward,                                                                              \
           "(Tensor grad, SymInt[] input_size, bool channels_last, SymInt[] output_size) -> Tensor")                 \
  TORCH_OP(max_pool_out, "(Tensor input, " FASTCNN_WINDOW ", Tensor(a!) out) -> ()")                                 \
  TORCH_OP(adaptive_max_pool_out, "(Tensor input, SymInt[] output_size, Tensor(a!) out) -> ()")                      \
  TORCH_OP(avg_pool_out, "(Tensor input, " FASTCNN_MEAN ", Tensor(a!) out) -> ()")                                   \
  TORCH_OP(adaptive_avg_pool_out, "(Tensor input, SymInt[] output_size, Tensor(a!) out) -> ()")                      \
  OP(max_unpool, "(Tensor input, Tensor indices, SymInt[] output_size) -> Tensor")                                   \
  TORCH_OP(_pool_scatter, "(Tensor grad, Tensor indices, SymInt[] output_size) -> Tensor")                           \
  TORCH_OP(_pool_gather, "(Tensor src, Tensor indices, int spatial_dims) -> Tensor")
