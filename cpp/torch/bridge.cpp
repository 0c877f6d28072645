#include "bridge.h"

#include <algorithm>
#include <iterator>

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

/// By torch's numbers of dtypes: asking torch takes a call for each.
constexpr int32_t kCodes = 128;
struct Codes {
  DataType types[kCodes] = {};

  Codes() {
    for (const Row& row : kRows) types[code(row.scalar_type)] = data_type(row.dtype);
    for (const Foreign& row : kForeign) types[code(row.scalar_type)] = row.type;
  }
  static int32_t code(ScalarType type) { return static_cast<int32_t>(type); }  // never renumbered: files contain it
  static const Codes& all() {
    static const Codes codes;
    return codes;
  }
  /// A result that no kernel knows is refused with its argument.
  static int32_t of(DType dtype) {
    static const std::vector<int32_t> codes = [] {
      std::vector<int32_t> found(std::size(kRows) + 1, code(ScalarType::Float8_e5m2));
      for (const Row& row : kRows) found[static_cast<size_t>(row.dtype)] = code(row.scalar_type);
      return found;
    }();
    return codes[static_cast<size_t>(dtype)];
  }
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
void prefer_huge_pages(const void* fresh, uintptr_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 4096, kMin = 4 << 20;
  const auto begin = (reinterpret_cast<uintptr_t>(fresh) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(fresh) + bytes) / kPage * kPage;
  if (end > begin && end - begin >= kMin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)fresh, (void)bytes;
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
  result.device.id = result.device.type == kCpu ? 0 : tensor.get_device_index();
  result.ndim = static_cast<int32_t>(tensor.dim());
  result.shape = tensor.sizes().data();
  result.strides = tensor.strides().data();
  int32_t code = -1;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(tensor.get(), &code));
  if (code >= 0 && code < kCodes) result.dtype = Codes::all().types[code];
  return result;
}

Tensor new_result(const Tensor& like, const std::vector<int64_t>& shape, DType dtype, bool channels_last) {
  const size_t rank = shape.size();
  std::vector<int64_t> strides(rank);
  int64_t stride = 1;
  const auto next = [&](size_t d) {  // as torch: only channels_last strides of empty tensors are zero
    strides[d] = stride;
    const int64_t size = channels_last ? shape[d] : std::max<int64_t>(1, shape[d]);
    if (__builtin_mul_overflow(stride, size, &stride))
      detail::fail(ErrorKind::memory, "the result of ", rank, " dimensions does not fit in memory");
  };
  if (channels_last) next(1);
  for (size_t d = rank; d-- > 0;)
    if (!channels_last || d != 1) next(d);
  int32_t type = 0, index = -1;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(like.get(), &type));
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_index(like.get(), &index));
  // Not torch.empty: the dispatcher takes longer than a small kernel.
  AtenTensorHandle handle = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(static_cast<int64_t>(rank), shape.data(), strides.data(),
                                                         Codes::all().of(dtype), type, index, &handle));
  Tensor result(handle);
  if (result.is_cpu()) prefer_huge_pages(result.mutable_data_ptr(), static_cast<uintptr_t>(stride) * size_of(dtype));
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
