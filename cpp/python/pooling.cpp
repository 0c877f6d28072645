#include "fastcnn/ops/pooling.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

using Sizes = std::vector<int64_t>;

/// Windows, or adaptive ones where output_size is given.
py::object max_pool(const py::object& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                    const Sizes& dilation, bool ceil_mode, const Sizes& output_size, bool return_indices) {
  const char* op = output_size.empty() ? "max_pool" : "adaptive_max_pool";
  const Input src(input, op, "input");
  Pooling pooling;
  pooling.kernel = kernel;
  pooling.stride = stride;
  pooling.padding = padding;
  pooling.dilation = dilation;
  pooling.ceil_mode = ceil_mode;
  pooling.output_size = output_size;
  const Sizes shape = pooled_shape(src.view(), pooling, op);
  const Output dst(shape, dtype_of(src.view()));
  if (!return_indices) {
    release_gil([&] { fastcnn::max_pool(default_context(), src.view(), pooling, dst.view()); });
    return dst.array();
  }
  const Output indices(shape, DType::int64);
  release_gil([&] { max_pool_with_indices(default_context(), src.view(), pooling, dst.view(), indices.view()); });
  return py::make_tuple(dst.array(), indices.array());
}

py::array avg_pool(const py::object& input, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                   bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override,
                   const Sizes& output_size) {
  const char* op = output_size.empty() ? "avg_pool" : "adaptive_avg_pool";
  const Input src(input, op, "input");
  Pooling pooling;
  pooling.kernel = kernel;
  pooling.stride = stride;
  pooling.padding = padding;
  pooling.dilation = Sizes(kernel.size(), 1);
  pooling.ceil_mode = ceil_mode;
  pooling.output_size = output_size;
  pooling.count_include_pad = count_include_pad;
  pooling.divisor_override = divisor_override;
  const Output dst(pooled_shape(src.view(), pooling, op), dtype_of(src.view()));
  release_gil([&] { fastcnn::avg_pool(default_context(), src.view(), pooling, dst.view()); });
  return dst.array();
}

py::array max_unpool(const py::object& input, const py::object& indices, const Sizes& output_size) {
  const Input src(input, "max_unpool", "input"), where(indices, "max_unpool", "indices");
  Sizes shape = src.shape();
  FASTCNN_CHECK(shape.size() > output_size.size(), "max_unpool: expected input of more dimensions than output_size");
  std::copy(output_size.begin(), output_size.end(), shape.end() - static_cast<std::ptrdiff_t>(output_size.size()));
  const Output dst(shape, dtype_of(src.view()));
  const int rank = static_cast<int>(output_size.size());
  release_gil([&] { fastcnn::max_unpool(default_context(), src.view(), where.view(), rank, false, dst.view()); });
  return dst.array();
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn::python_bridge;
  m.def("max_pool", max_pool);
  m.def("avg_pool", avg_pool);
  m.def("max_unpool", max_unpool);
}
