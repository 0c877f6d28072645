#include "core/simd.h"
#include "ops/distance/distance_transform_edt_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

typedef uint8_t Bytes __attribute__((vector_size(FASTCNN_VECTOR_BYTES / 2)));
typedef uint8_t UnalignedBytes __attribute__((vector_size(FASTCNN_VECTOR_BYTES / 2), aligned(1), may_alias));

void columns(const uint8_t* mask, int64_t mask_stride, uint16_t* dst, int64_t dst_stride, int64_t height,
             int64_t width) {
  constexpr int n = lanes<uint16_t>;
  const Vec<uint16_t> most = splat<uint16_t>(kNoZero - 1), one = splat<uint16_t>(1);
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* m = mask + y * mask_stride;
    uint16_t* d = dst + y * dst_stride;
    const uint16_t* above = y ? d - dst_stride : d;
    int64_t x = 0;
    for (; x + n <= width; x += n) {
      const auto inside =
          __builtin_convertvector((Bytes) * reinterpret_cast<const UnalignedBytes*>(m + x), Vec<uint16_t>) != 0;
      const Vec<uint16_t> next = y ? vmin(load(above + x), most) + one : splat<uint16_t>(kNoZero);
      store(d + x, next & (Vec<uint16_t>)inside);
    }
    for (; x < width; ++x) {
      const uint16_t next = y ? static_cast<uint16_t>((above[x] < kNoZero ? above[x] : kNoZero - 1) + 1) : kNoZero;
      d[x] = m[x] ? next : 0;
    }
  }
  for (int64_t y = height - 2; y >= 0; --y) {
    uint16_t* d = dst + y * dst_stride;
    const uint16_t* below = d + dst_stride;
    int64_t x = 0;
    for (; x + n <= width; x += n) store(d + x, vmin(load(d + x), vmin(load(below + x), most) + one));
    for (; x < width; ++x) {
      const uint16_t next = static_cast<uint16_t>((below[x] < kNoZero ? below[x] : kNoZero - 1) + 1);
      if (next < d[x]) d[x] = next;
    }
  }
}

void squares(const uint16_t* distance, uint16_t* dst, int64_t width) {
  constexpr int n = lanes<uint16_t>;
  const Vec<uint16_t> far = splat<uint16_t>(255);
  for (int64_t x = -kRowPad; x < 0; x += n) store(dst + x, far * far);
  for (int64_t x = width; x < width + kRowPad; x += n) store(dst + x, far * far);
  int64_t x = 0;
  for (; x + n <= width; x += n) {
    const Vec<uint16_t> d = vmin(load(distance + x), far);
    store(dst + x, d * d);
  }
  for (; x < width; ++x) {
    const unsigned d = distance[x] < 255 ? distance[x] : 255u;
    dst[x] = static_cast<uint16_t>(d * d);
  }
}

bool min_plus(const uint16_t* src, uint16_t* dst, uint8_t* certain, int64_t width) {
  constexpr int n = lanes<uint16_t>;
  bool all = true;
  for (int64_t block = 0; block < width; block += kRowPad) {
    bool sure = true;
    for (int64_t x = block; x < block + kRowPad && x < width; x += n) {
      Vec<uint16_t> d = load(src + x);
      bool open = any(d > splat<uint16_t>(1));
      for (int k = 1; open && k <= kReach; ++k) {
        const auto far = static_cast<uint16_t>(k * k);
        d = vmin(d, vmin(load(src + x - k), load(src + x + k)) + far);
        open = any(d > splat<uint16_t>(far));
      }
      store(dst + x, d);  // the pad behind the row takes what the last vector writes too much
      if (open) {
        // Lanes behind the row may stay open; they do not count.
        for (int64_t i = x; i < x + n && i < width; ++i) sure = sure && dst[i] <= kReach * kReach;
      }
    }
    certain[block / kRowPad] = sure;
    all = all && sure;
  }
  return all;
}

bool min_plus_depth(const int32_t* tile, int32_t* dst, int64_t depth, int reach) {
  constexpr int n = lanes<int32_t>;
  bool all = true;
  for (int64_t z = 0; z < depth; ++z)
    for (int64_t x = 0; x < kRowPad; x += n) {
      Vec<int32_t> d = load(tile + z * kRowPad + x);
      bool open = any(d > splat<int32_t>(1));
      for (int64_t k = 1; open && k <= reach; ++k) {
        if (z - k < 0 && z + k >= depth) {
          open = false;
          break;
        }
        const auto far = static_cast<int32_t>(k * k);
        if (z - k >= 0) d = vmin(d, load(tile + (z - k) * kRowPad + x) + far);
        if (z + k < depth) d = vmin(d, load(tile + (z + k) * kRowPad + x) + far);
        open = any(d > splat<int32_t>(far));
      }
      store(dst + z * kRowPad + x, d);
      all = all && !open;
    }
  return all;
}

void widen(const uint16_t* src, int32_t* dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] = src[i];
}

void root16(const uint16_t* src, float* dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] = __builtin_sqrtf(static_cast<float>(src[i]));
}

// Up to 2^24 the conversion to float is exact. Above, the root goes through double: rounding twice is harmless there,
// since 53 >= 2 * 24 + 2 bits.
void root32(const int32_t* src, float* dst, int64_t n) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; ++i) most = src[i] > most ? src[i] : most;
  if (most <= 1 << 24) {
    for (int64_t i = 0; i < n; ++i) dst[i] = __builtin_sqrtf(static_cast<float>(src[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(__builtin_sqrt(static_cast<double>(src[i])));
  }
}

}  // namespace

extern const DistanceKernels distance_kernels = {columns, squares, min_plus, min_plus_depth, widen, root16, root32};

}  // namespace fastcnn::FASTCNN_ISA
