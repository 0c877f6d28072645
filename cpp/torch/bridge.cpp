#include "bridge.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastcnn::torch_bridge {

namespace {

struct Row {
  ScalarType scalar_type;
  DType dtype;
};
/// Types that no kernel supports, for error texts: DLPack's codes.
struct Foreign {
  ScalarType scalar_type;
  DataType type;
};
constexpr Foreign kForeign[] = {
    {ScalarType::ComplexHalf, {5, 32, 1}},     {ScalarType::ComplexFloat, {5, 64, 1}},
    {ScalarType::ComplexDouble, {5, 128, 1}},  {ScalarType::Float8_e4m3fn, {10, 8, 1}},
    {ScalarType::Float8_e4m3fnuz, {11, 8, 1}}, {ScalarType::Float8_e5m2, {12, 8, 1}},
    {ScalarType::Float8_e5m2fnuz, {13, 8, 1}}, {ScalarType::Float8_e8m0fnu, {14, 8, 1}},
};
constexpr Row kRows[] = {
    {ScalarType::Bool, DType::boolean},   {ScalarType::Byte, DType::uint8},        {ScalarType::UInt16, DType::uint16},
    {ScalarType::Short, DType::int16},    {ScalarType::Int, DType::int32},         {ScalarType::Long, DType::int64},
    {ScalarType::Half, DType::float16},   {ScalarType::BFloat16, DType::bfloat16}, {ScalarType::Float, DType::float32},
    {ScalarType::Double, DType::float64}, {ScalarType::Char, DType::int8},         {ScalarType::UInt32, DType::uint32},
    {ScalarType::UInt64, DType::uint64},
};

class TorchContext final : public Context {
 public:
  int num_threads() const override { return inside ? 1 : static_cast<int>(torch::stable::get_num_threads()); }
  void parallel_for(int64_t begin, int64_t end, int64_t grain,
                    FunctionRef<void(int64_t, int64_t)> body) const override {
    if (begin >= end) return;
    if (inside) return body(begin, end);
    torch::stable::parallel_for(begin, end, grain < 1 ? 1 : grain, [&](int64_t from, int64_t to) {
      inside = true;
      body(from, to);
      inside = false;
    });
  }

 private:
  static thread_local bool inside;
};
thread_local bool TorchContext::inside = false;

/// The pages of a fresh result are faulted in while a kernel writes them: the 4096 faults of 16 MiB take longer than
/// most kernels. NumPy also requests huge pages (from 4 MiB on), torch does not.
void prefer_huge_pages(const TensorView& fresh) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 4096, kMin = 4 << 20;
  const auto begin = (reinterpret_cast<uintptr_t>(fresh.data) + kPage - 1) / kPage * kPage;
  const auto end =
      (reinterpret_cast<uintptr_t>(fresh.data) + static_cast<uintptr_t>(fresh.numel()) * size_of(dtype_of(fresh))) /
      kPage * kPage;
  if (end > begin && end - begin >= kMin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)fresh;
#endif
}

}  // namespace

const Context& context() {
  static const TorchContext instance;
  return instance;
}

TensorView view(const Tensor& tensor) {
  TensorView result;
  result.data = const_cast<void*>(tensor.const_data_ptr());
  result.device.type = tensor.is_cpu() ? kCpu : tensor.is_cuda() ? kCuda : 0;
  result.device.id = tensor.is_cpu() ? 0 : tensor.get_device_index();
  result.ndim = static_cast<int32_t>(tensor.dim());
  result.shape = tensor.sizes().data();
  result.strides = tensor.strides().data();
  for (const Row& row : kRows)
    if (row.scalar_type == tensor.scalar_type()) result.dtype = data_type(row.dtype);
  for (const Foreign& row : kForeign)
    if (row.scalar_type == tensor.scalar_type()) result.dtype = row.type;
  return result;
}

ScalarType scalar_type(DType dtype) {
  for (const Row& row : kRows)
    if (row.dtype == dtype) return row.scalar_type;
  return ScalarType::Float8_e5m2;  // no kernel knows it: the op refuses its argument
}

Tensor new_result(const Tensor& like, const std::vector<int64_t>& shape, ScalarType dtype) {
  Tensor result = torch::stable::new_empty(like, shape, dtype);
  if (result.is_cpu()) prefer_huge_pages(view(result));
  return result;
}

Tensor new_channels_last_result(const Tensor& like, const std::vector<int64_t>& shape, ScalarType dtype) {
  const auto format = shape.size() == 4 ? torch::headeronly::MemoryFormat::ChannelsLast
                                        : torch::headeronly::MemoryFormat::ChannelsLast3d;
  Tensor result = torch::stable::empty(shape, dtype, std::nullopt, like.device(), std::nullopt, format);
  if (result.is_cpu()) prefer_huge_pages(view(result));
  return result;
}

// c10's is_channels_last_strides_2d_s4 and _3d_s5: strides in the order C, W, H, [D,] N never decrease. If both layouts
// are possible because of sizes of one, contiguous wins.
bool is_channels_last(const TensorView& view) {
  const int32_t rank = view.ndim;
  if ((rank != 4 && rank != 5) || view.stride(1) == 0) return false;
  int64_t minimum = 0;
  for (int32_t i = 0; i < rank; ++i) {
    const int32_t d = i == 0 ? 1 : i == rank - 1 ? 0 : rank - i;
    const int64_t size = view.shape[d], stride = view.stride(d);
    if (size == 0 || stride < minimum || (d == 0 && minimum == view.stride(1))) return false;
    minimum = size > 1 ? stride * size : stride;
  }
  return true;
}

std::string marked(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::argument: return std::string("[fastcnn argument] ") + error.what();
    case ErrorKind::type: return std::string("[fastcnn type] ") + error.what();
    case ErrorKind::memory: return std::string("[fastcnn memory] ") + error.what();
    default: return std::string("[fastcnn unsupported] ") + error.what();
  }
}

}  // namespace fastcnn::torch_bridge
