// The positions from which erosion and dilation take their values, for their gradients.
//
// The first of equal pixels in raster order counts, so (key, index) is totally ordered and its extremum does not depend
// on the grouping. The kernels of erosion therefore run unchanged on int64 keys that hold the pixel's key in the high
// bits and its index in the low bits.
#include <cmath>
#include <cstring>
#include <limits>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/morphology.h"
#include "ops/morphology/border.h"
#include "ops/morphology/extremum.h"
#include "ops/morphology/order_key.h"

namespace fastcnn {
namespace {

constexpr int64_t kNone = 0xffffffff;  // the index of what is no pixel

/// Combines the key (high bits) with the index (low bits). For a maximum the index is reversed, so that the first pixel
/// wins in both cases.
constexpr int64_t keyed(int64_t key, int64_t index, bool maximum) {
  return static_cast<int64_t>(static_cast<uint64_t>(key) << 32 |
                              static_cast<uint64_t>(maximum ? kNone - index : index));
}
constexpr int64_t index_of(int64_t keyed, bool maximum) {
  const int64_t low = keyed & kNone, index = maximum ? kNone - low : low;
  return index == kNone ? -1 : index;
}

/// Keys in which all NaNs are equal.
template <class T>
int64_t key_of(T value, bool maximum) {
  using K = std::conditional_t<sizeof(T) == 2, int16_t, std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
  if (value != value) return maximum ? std::numeric_limits<K>::max() : std::numeric_limits<K>::min();
  K bits;
  std::memcpy(&bits, &value, sizeof bits);
  return key_of_bits(bits, static_cast<K>(key_bias(key_format(TypeToDType<T>::value), maximum)));
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(value);
  else
    return T::from(static_cast<float>(value));
}

/// Follows the definition, for 64-bit keys, which leave no room for the index. O(members) per pixel.
template <class T>
void index_direct(const Context& context, bool maximum, const T* src, const Extent& e, const Window& window,
                  Border border, double value, int64_t* dst) {
  const int64_t outside_key = key_of(rounded<T>(value), maximum);
  context.parallel_for(0, e.depth * e.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t x = 0; x < e.width; ++x) {
        int64_t best = -1, best_key = neutral_key<int64_t>(maximum, false), place = 0;
        for (int64_t c = -window.z.before; c <= window.z.after; ++c)
          for (int64_t b = -window.y.before; b <= window.y.after; ++b)
            for (int64_t a = -window.x.before; a <= window.x.after; ++a, ++place) {
              if (window.empty || (!window.box && !window.members[static_cast<size_t>(place)])) continue;
              const int64_t sz = continued(row / e.height + c, e.depth, border),
                            sy = continued(row % e.height + b, e.height, border),
                            sx = continued(x + a, e.width, border);
              const bool outside = sz < 0 || sy < 0 || sx < 0;
              if (outside && border == Border::geodesic) continue;
              const int64_t index = outside ? -1 : (sz * e.height + sy) * e.width + sx;
              const int64_t key = outside ? outside_key : key_of(src[index], maximum);
              const bool equal = key == best_key && index >= 0 && (best < 0 || index < best);
              if (equal || (maximum ? key > best_key : key < best_key)) {
                best = index;
                best_key = key;
              }
            }
        dst[row * e.width + x] = best;
      }
  });
}

void extremum_index(const char* op, bool maximum, const Context& context, const TensorView& src, int spatial_dims,
                    const Footprint& footprint, Border border, double value, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, op, "image");
  check_same_shape(src, dst, op, "result");
  check_output(dst, DType::int64, op, "result");
  const Extent& extent = batch.extent;
  if (batch.count == 0) return;
  const ImageSource source(src, spatial_dims);
  visit(FloatTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t outside = keyed(key_of(rounded<T>(value), maximum), kNone, maximum), n = extent.size();
    const Extremum extremum(op, maximum, extent, footprint, border, outside);
    const bool direct = sizeof(T) == 8 || n >= kNone;
    const Window window = make_window(footprint, maximum, border, extent, op);
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = source.image<T>(i, scratch);
      int64_t* result = dst.as<int64_t>() + i * n;
      if (direct) return index_direct(inner, maximum, image, extent, window, border, value, result);
      int64_t* keys = scratch.get<int64_t>(n);
      inner.parallel_for(0, n, 1 << 15, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) keys[k] = keyed(key_of(image[k], maximum), k, maximum);
      });
      extremum.run(inner, keys, result);
      inner.parallel_for(0, n, 1 << 15, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) result[k] = index_of(result[k], maximum);
      });
    });
  });
}

}  // namespace

void erosion_index(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                   Border border, double value, const TensorView& dst) {
  extremum_index("erosion_index", false, context, src, spatial_dims, footprint, border, value, dst);
}

void dilation_index(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                    Border border, double value, const TensorView& dst) {
  extremum_index("dilation_index", true, context, src, spatial_dims, footprint, border, value, dst);
}

}  // namespace fastcnn
