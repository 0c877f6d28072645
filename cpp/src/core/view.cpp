#include "fastcnn/view.h"

#include <cstddef>
#include <iterator>

#include "core/dtypes.h"

namespace fastcnn {

// DLTensor's layout on 64-bit machines.
static_assert(sizeof(TensorView) == 48 && offsetof(TensorView, device) == 8 && offsetof(TensorView, ndim) == 16 &&
              offsetof(TensorView, dtype) == 20 && offsetof(TensorView, shape) == 24 &&
              offsetof(TensorView, strides) == 32 && offsetof(TensorView, byte_offset) == 40);

namespace {
struct Row {
  DType dtype;
  DataType type;
  const char* name;
};
// In the order of DType.
constexpr Row kRows[] = {
    {DType::undefined, {0, 0, 0}, "an unsupported dtype"},
    {DType::boolean, {6, 8, 1}, "bool"},
    {DType::uint8, {1, 8, 1}, "uint8"},
    {DType::uint16, {1, 16, 1}, "uint16"},
    {DType::int16, {0, 16, 1}, "int16"},
    {DType::int32, {0, 32, 1}, "int32"},
    {DType::int64, {0, 64, 1}, "int64"},
    {DType::float16, {2, 16, 1}, "float16"},
    {DType::bfloat16, {4, 16, 1}, "bfloat16"},
    {DType::float32, {2, 32, 1}, "float32"},
    {DType::float64, {2, 64, 1}, "float64"},
    {DType::int8, {0, 8, 1}, "int8"},
    {DType::uint32, {1, 32, 1}, "uint32"},
    {DType::uint64, {1, 64, 1}, "uint64"},
};
/// By DLDataTypeCode; the names of 8-bit floats are complete.
constexpr const char* kKinds[] = {"int",           "uint",
                                  "float",         "handle",
                                  "bfloat",        "complex",
                                  "bool",          "float8_e3m4",
                                  "float8_e4m3",   "float8_e4m3b11fnuz",
                                  "float8_e4m3fn", "float8_e4m3fnuz",
                                  "float8_e5m2",   "float8_e5m2fnuz",
                                  "float8_e8m0fnu"};
}  // namespace

DType dtype_of(DataType type) {
  for (const Row& row : kRows)
    if (row.type.code == type.code && row.type.bits == type.bits && row.type.lanes == type.lanes) return row.dtype;
  return DType::undefined;
}

DataType data_type(DType dtype) { return kRows[static_cast<int>(dtype)].type; }
const char* name_of(DType dtype) { return kRows[static_cast<int>(dtype)].name; }
std::string name_of(DataType type) {
  const DType known = dtype_of(type);
  if (known != DType::undefined || type.bits == 0 || type.code >= std::size(kKinds)) return name_of(known);
  return type.code < 7 ? kKinds[type.code] + std::to_string(type.bits) : kKinds[type.code];
}
size_t size_of(DType dtype) { return kRows[static_cast<int>(dtype)].type.bits / 8u; }

std::string shape_text(const TensorView& view) {
  std::string text = "(";
  for (int32_t i = 0; i < view.ndim; ++i) {
    if (i) text += ", ";
    text += std::to_string(view.shape[i]);
  }
  return text + (view.ndim == 1 ? ",)" : ")");
}

namespace {
template <class U>
void turn_signs(const U* from, int64_t n, U* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<U>(from[i] ^ (U(1) << (8 * sizeof(U) - 1)));
}
}  // namespace

void turn_signs(const void* from, int64_t n, int64_t bytes, void* to) {
  if (bytes == 1) return turn_signs(static_cast<const uint8_t*>(from), n, static_cast<uint8_t*>(to));
  if (bytes == 4) return turn_signs(static_cast<const uint32_t*>(from), n, static_cast<uint32_t*>(to));
  turn_signs(static_cast<const uint64_t*>(from), n, static_cast<uint64_t*>(to));
}

bool is_dense(const TensorView& view) {
  if (!view.strides) return true;
  int64_t expected = 1;
  for (int32_t i = view.ndim - 1; i >= 0; --i) {
    if (view.shape[i] == 0) return true;
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

}  // namespace fastcnn
