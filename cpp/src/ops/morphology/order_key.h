// Order as integers, for host and device: the results of erosion and dilation depend on neither algorithm nor machine.
//
// A float's bits become a signed integer of the same width that compares as the float does: sign and magnitude are
// turned into two's complement (so -0 < +0), then a bias rotates the NaNs of either sign to the end where the operation
// looks for its result: NaN is the greatest value under dilation and the least under erosion, so it spreads, as in
// torch's max_pool2d. The same rotation puts -inf (dilation) or +inf (erosion) onto the integers' own extreme, which
// makes that the neutral element of every dtype. The map is one to one: bits come back unchanged.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/host_device.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The dtype's integer, and how many integers lie between the key of infinity and the largest (0: no float).
struct KeyFormat {
  int bits;
  bool is_signed;
  int64_t nan_count;
};
constexpr KeyFormat key_format(DType dtype) {
  switch (dtype) {
    case DType::int8: return {8, true, 0};
    case DType::uint16: return {16, false, 0};
    case DType::int16: return {16, true, 0};
    case DType::uint32: return {32, false, 0};
    case DType::int32: return {32, true, 0};
    case DType::uint64: return {64, false, 0};
    case DType::int64: return {64, true, 0};
    case DType::float16: return {16, true, 0x7fff - 0x7c00};
    case DType::bfloat16: return {16, true, 0x7fff - 0x7f80};
    case DType::float32: return {32, true, 0x7fffffff - 0x7f800000};
    case DType::float64: return {64, true, 0x7fffffffffffffff - 0x7ff0000000000000};
    default: return {8, false, 0};  // bool, uint8
  }
}

/// The bias that is added to float keys.
constexpr int64_t key_bias(KeyFormat format, bool maximum) { return maximum ? -format.nan_count : format.nan_count; }

template <class K>
FASTCNN_HOST_DEVICE constexpr K flip_key(K bits) {
  return static_cast<K>(bits < 0 ? bits ^ std::numeric_limits<K>::max() : bits);
}
template <class K>
FASTCNN_HOST_DEVICE constexpr K wrapping_add(K a, K b) {
  using U = std::make_unsigned_t<K>;
  return static_cast<K>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
}
/// From the bits of a float to its key, and back. Integers are their own keys.
template <class K>
FASTCNN_HOST_DEVICE constexpr K key_of_bits(K bits, K bias) {
  return wrapping_add(flip_key(bits), bias);
}
template <class K>
FASTCNN_HOST_DEVICE constexpr K bits_of_key(K key, K bias) {
  return flip_key(wrapping_add(key, static_cast<K>(-bias)));
}

/// The neutral key: every other key wins against it. A window without pixels returns it.
template <class K>
FASTCNN_HOST_DEVICE constexpr K neutral_key(bool maximum, bool boolean) {
  if (maximum) return std::numeric_limits<K>::min();
  return boolean ? K(1) : std::numeric_limits<K>::max();
}

}  // namespace fastcnn
