// float16 and bfloat16 as storage types; arithmetic is done in float32. Software conversions: _Float16 would need
// libgcc symbols newer than manylinux allows.
#pragma once

#include <cstdint>
#include <cstring>

namespace fastcnn {

inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

struct BFloat16 {
  uint16_t bits;

  static BFloat16 from(float value) {
    const uint32_t x = float_to_bits(value);
    if ((x & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((x >> 16) | 0x40u)};  // NaN stays NaN
    return {static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16)};                  // to nearest even
  }
  operator float() const { return bits_to_float(static_cast<uint32_t>(bits) << 16); }
};

struct Float16 {
  uint16_t bits;

  static Float16 from(float value) {
    const uint32_t x = float_to_bits(value), sign = (x >> 16) & 0x8000u, magnitude = x & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
    if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds to 65536 or more
    if (magnitude < 0x38800000u) {                                                 // subnormal: let the adder round
      const float shifted = bits_to_float(magnitude) + 0.5f;                       // ulp of 0.5 is 2^-24
      return {static_cast<uint16_t>(sign | (float_to_bits(shifted) - 0x3f000000u))};
    }
    return {static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13))};
  }
  operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return bits_to_float(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
    if (magnitude < 0x0400u) return bits_to_float(sign | float_to_bits(static_cast<float>(magnitude) * 0x1p-24f));
    return bits_to_float(sign | ((magnitude << 13) + 0x38000000u));
  }
};

}  // namespace fastcnn
