#include "ops/morphology/morphology_ref.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "core/dtypes.h"
#include "fastcnn/error.h"

namespace fastcnn {
namespace {

template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return T::from(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

template <class T>
T greatest() {
  return from_double<T>(std::numeric_limits<double>::infinity());
}
template <>
bool greatest<bool>() {
  return true;
}
#define FASTCNN_GREATEST(T)               \
  template <>                             \
  T greatest<T>() {                       \
    return std::numeric_limits<T>::max(); \
  }
FASTCNN_GREATEST(uint8_t)
FASTCNN_GREATEST(int8_t)
FASTCNN_GREATEST(uint32_t)
FASTCNN_GREATEST(uint64_t)
FASTCNN_GREATEST(uint16_t)
FASTCNN_GREATEST(int16_t)
FASTCNN_GREATEST(int32_t)
FASTCNN_GREATEST(int64_t)
#undef FASTCNN_GREATEST

template <class T>
constexpr bool is_integer = std::is_integral_v<T>;

template <class T>
T minimum() {
  if constexpr (is_integer<T>)
    return std::numeric_limits<T>::min();
  else
    return from_double<T>(-std::numeric_limits<double>::infinity());
}

/// Whether a replaces b as the window's extremum.
template <class T>
bool beats(T a, T b, bool maximum) {
  if constexpr (is_integer<T>) {
    return maximum ? a > b : a < b;
  } else {
    const double x = static_cast<double>(a), y = static_cast<double>(b);
    if (std::isnan(y)) return false;
    if (std::isnan(x)) return true;
    if (x == 0 && y == 0) return maximum ? std::signbit(y) && !std::signbit(x) : std::signbit(x) && !std::signbit(y);
    return maximum ? x > y : x < y;
  }
}

template <class T>
void extremum_ref(bool maximum, const T* src, const Extent& e, const Footprint& f, Border border, double value,
                  T* dst) {
  for (int64_t z = 0; z < e.depth; ++z)
    for (int64_t y = 0; y < e.height; ++y)
      for (int64_t x = 0; x < e.width; ++x) {
        T best = maximum ? minimum<T>() : greatest<T>();
        each_member(maximum, e, f, border, z, y, x, [&](int64_t index) {
          const T v = index < 0 ? from_double<T>(value) : src[index];
          if (beats(v, best, maximum)) best = v;
        });
        *dst++ = best;
      }
}

void run_ref(const char* op, bool maximum, const Context& context, const TensorView& src, int spatial_dims,
             const Footprint& footprint, Border border, double value, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, op, "image");
  check_same_shape(src, dst, op, "result");
  check_output(dst, dtype_of(src), op, "result");
  const ImageSource source(src, spatial_dims);
  visit(AllTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < batch.count; ++i) {
      Scratch scratch(context);
      extremum_ref(maximum, source.image<T>(i, scratch), batch.extent, footprint, border, value,
                   dst.as<T>() + i * batch.extent.size());
    }
  });
}

}  // namespace

void erosion_ref(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                 Border border, double value, const TensorView& dst) {
  run_ref("erosion_ref", false, context, src, spatial_dims, footprint, border, value, dst);
}

void dilation_ref(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                  Border border, double value, const TensorView& dst) {
  run_ref("dilation_ref", true, context, src, spatial_dims, footprint, border, value, dst);
}

}  // namespace fastcnn
