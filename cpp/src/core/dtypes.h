// From a run-time dtype to a C++ type.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/half.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fastcnn {

template <class T>
struct TypeTag {
  using type = T;
};

template <DType D>
struct DTypeToType;
template <class T>
struct TypeToDType;
#define FASTCNN_MAP_DTYPE(D, T)              \
  template <>                                \
  struct DTypeToType<DType::D> {             \
    using type = T;                          \
  };                                         \
  template <>                                \
  struct TypeToDType<T> {                    \
    static constexpr DType value = DType::D; \
  };
FASTCNN_MAP_DTYPE(boolean, bool)
FASTCNN_MAP_DTYPE(uint8, uint8_t)
FASTCNN_MAP_DTYPE(uint16, uint16_t)
FASTCNN_MAP_DTYPE(int16, int16_t)
FASTCNN_MAP_DTYPE(int32, int32_t)
FASTCNN_MAP_DTYPE(int64, int64_t)
FASTCNN_MAP_DTYPE(float16, Float16)
FASTCNN_MAP_DTYPE(bfloat16, BFloat16)
FASTCNN_MAP_DTYPE(float32, float)
FASTCNN_MAP_DTYPE(float64, double)
FASTCNN_MAP_DTYPE(int8, int8_t)
FASTCNN_MAP_DTYPE(uint32, uint32_t)
FASTCNN_MAP_DTYPE(uint64, uint64_t)
#undef FASTCNN_MAP_DTYPE

template <DType... Ds>
struct DTypeList {};
using IntegerTypes = DTypeList<DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32,
                               DType::uint64, DType::int64>;
using FloatTypes = DTypeList<DType::float16, DType::bfloat16, DType::float32, DType::float64>;
using AllTypes =
    DTypeList<DType::boolean, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32,
              DType::uint64, DType::int64, DType::float16, DType::bfloat16, DType::float32, DType::float64>;
/// The dtypes of filters: intermediate values are meaningful, and float32 represents most values exactly.
using SmoothTypes = DTypeList<DType::uint8, DType::uint16, DType::int16, DType::int32, DType::float16, DType::bfloat16,
                              DType::float32, DType::float64>;

/// Calls f(TypeTag<T>{}) for a dtype; false where the list lacks it.
template <DType... Ds, class F>
bool visit(DTypeList<Ds...>, DType dtype, F&& f) {
  return ((dtype == Ds ? (f(TypeTag<typename DTypeToType<Ds>::type>{}), true) : false) || ...);
}

/// A TypeError that lists the accepted dtypes.
template <DType... Ds>
[[noreturn]] void refuse(DTypeList<Ds...>, const char* op, const char* argument, const std::string& got) {
  std::string known;
  ((known += known.empty() ? name_of(Ds) : std::string(", ") + name_of(Ds)), ...);
  detail::fail(ErrorKind::type, op, ": expected ", argument, " of dtype ", known, ", got ", got);
}

/// Calls f(TypeTag<T>{}) for the view's dtype; a TypeError naming op and argument where the list lacks it.
template <DType... Ds, class F>
void visit(DTypeList<Ds...> list, const TensorView& view, const char* op, const char* argument, F&& f) {
  if (!visit(list, dtype_of(view), f)) refuse(list, op, argument, name_of(view.dtype));
}

/// Calls f(TypeTag<U>{}) with the unsigned integer of the dtype's width, for code that only copies elements or compares
/// them for equality. Four instances serve all dtypes.
template <DType... Ds, class F>
void visit_bits(DTypeList<Ds...> list, const TensorView& view, const char* op, const char* argument, F&& f) {
  visit(list, view, op, argument, [](auto) {});
  switch (size_of(dtype_of(view))) {
    case 1: return f(TypeTag<uint8_t>{});
    case 2: return f(TypeTag<uint16_t>{});
    case 4: return f(TypeTag<uint32_t>{});
    default: return f(TypeTag<uint64_t>{});
  }
}

/// The same for code that tests elements for zero. Floats stay floats, because -0 is zero.
template <DType... Ds, class F>
void visit_truth(DTypeList<Ds...> list, const TensorView& view, const char* op, const char* argument, F&& f) {
  visit(list, view, op, argument, [](auto) {});
  switch (dtype_of(view)) {
    case DType::float16:
    case DType::bfloat16: return f(TypeTag<Float16>{});  // one sign bit, all others zero
    case DType::float32: return f(TypeTag<float>{});
    case DType::float64: return f(TypeTag<double>{});
    default: return visit_bits(list, view, op, argument, f);
  }
}

/// The dtype of a kernel that has the same order after the sign bit is inverted: int8 becomes uint8, and so on. Other
/// dtypes map to themselves.
constexpr DType order_twin(DType dtype) {
  return dtype == DType::int8     ? DType::uint8
         : dtype == DType::uint32 ? DType::int32
         : dtype == DType::uint64 ? DType::int64
                                  : dtype;
}
/// Inverts the sign bits of n elements of `bytes` bytes; from and to may be the same.
void turn_signs(const void* from, int64_t n, int64_t bytes, void* to);

/// Converts a number to another type; conversion to half precision rounds.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>)
    return To::from(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

}  // namespace fastcnn
