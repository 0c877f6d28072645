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
#undef FASTCNN_MAP_DTYPE

template <DType... Ds>
struct DTypeList {};
using IntegerTypes = DTypeList<DType::uint8, DType::uint16, DType::int16, DType::int32, DType::int64>;
using FloatTypes = DTypeList<DType::float16, DType::bfloat16, DType::float32, DType::float64>;
using AllTypes = DTypeList<DType::boolean, DType::uint8, DType::uint16, DType::int16, DType::int32, DType::int64,
                           DType::float16, DType::bfloat16, DType::float32, DType::float64>;
/// What filters take: values between two of theirs mean something, and float32 holds most of them.
using SmoothTypes = DTypeList<DType::uint8, DType::uint16, DType::int16, DType::int32, DType::float16, DType::bfloat16,
                              DType::float32, DType::float64>;

/// Calls f(TypeTag<T>{}) for a dtype; false where the list lacks it.
template <DType... Ds, class F>
bool visit(DTypeList<Ds...>, DType dtype, F&& f) {
  return ((dtype == Ds ? (f(TypeTag<typename DTypeToType<Ds>::type>{}), true) : false) || ...);
}

/// Calls f(TypeTag<T>{}) for the view's dtype; a TypeError naming op and argument where the list lacks it.
template <DType... Ds, class F>
void visit(DTypeList<Ds...> list, const TensorView& view, const char* op, const char* argument, F&& f) {
  const DType dtype = dtype_of(view);
  if (!visit(list, dtype, f)) {
    std::string known;
    ((known += known.empty() ? name_of(Ds) : std::string(", ") + name_of(Ds)), ...);
    FASTCNN_CHECK_TYPE(false, op, ": expected ", argument, " of dtype ", known, ", got ", name_of(dtype));
  }
}

/// A number as another type; half precision by rounding.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>)
    return To::from(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

}  // namespace fastcnn
